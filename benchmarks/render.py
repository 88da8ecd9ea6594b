"""Measures the time to render one project, for every choice of every question: `uv run python benchmarks/render.py`.

The same run measures two baselines: Copier on a template of the same files without questions and without Jinja, which
shows Copier's own time, and Jinja2 alone on the same templates with the same values. Arguments may name folders of
other Copier templates to measure. Times are processor times, so that they do not depend on other programs. The time
of git, which Copier starts once per file, is shown separately.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import copier
from jinja2 import Environment, FileSystemLoader, StrictUndefined

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from projects import choices, copy_working_files, questions, render_from

GOAL = 4.0
REPEATS = 3
FILTERS = ["jinja2_ansible_filters.AnsibleCoreFiltersExtension"]


def variants() -> dict[str, dict[str, str]]:
    """Return the default project and, for every other choice, the project that differs only in that choice."""
    found: dict[str, dict[str, str]] = {"defaults": {}}
    for name, question in questions().items():
        if "choices" in question and "when" not in question:
            offered = choices(name, endpoint_type="online")
            found |= {f"{name}={value}": {name: value} for value in offered if value != question["default"]}
    return found


def spent() -> tuple[float, float]:
    """Return the processor milliseconds of this process, and those of its child processes."""
    times = os.times()
    return 1000 * (times.user + times.system), 1000 * (times.children_user + times.children_system)


def show(name: str, render: Callable[[Path], object]) -> float:
    """Render several times, print the fastest run and return its milliseconds per file, without git's time."""
    took = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            project = Path(folder) / "project"
            before = spent()
            render(project)
            took.append([now - then for now, then in zip(spent(), before, strict=True)])
            files = sum(path.is_file() for path in project.rglob("*"))
    own, git = min(took)
    print(f"{name:<42} {own:6.0f} ms, git {git:4.0f} ms, {files:4} files: {own / files:5.2f} ms a file", flush=True)
    return own / files


def without_questions(template: Path, folder: Path) -> Path:
    """Return a template that contains the rendered files of the default project."""
    render_from(template, folder / "template")
    for path in (folder / "template").rglob("*.jinja"):
        path.unlink()
    (folder / "copier.yml").write_text("_subdirectory: template\n", encoding="utf-8")
    return folder


def jinja_alone(template: Path, answers: dict[str, str]) -> Callable[[Path], None]:
    """Return a function that writes the same project without Copier, from values that Copier computed before."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        worker = copier.run_copy(str(template), project, data=answers, defaults=True, quiet=True)
        context = worker._render_context()
        names = [path.relative_to(project) for path in project.rglob("*") if path.is_file()]

    def write(project: Path) -> None:
        environment = Environment(
            loader=FileSystemLoader(template),
            extensions=FILTERS,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
        )
        for name in names:
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            source = template / "template" / name
            if source.exists():
                shutil.copy(source, project / name)
            elif name.name != ".copier-answers.yml":
                text = environment.get_template(f"template/{name.as_posix()}.jinja").render(context)
                (project / name).write_text(text, encoding="utf-8")

    return write


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        template = copy_working_files(Path(first), "copier.yml", "extensions", "template")
        each = [
            show(name, lambda project, answers=answers: render_from(template, project, **answers))
            for name, answers in variants().items()
        ]
        print(f"\nslowest: {max(each):.2f} ms a file; the goal is {GOAL:g}\n")
        plain = without_questions(template, Path(second))
        show("Copier, the same files without questions", lambda project: render_from(plain, project))
        show("Jinja2 and copies alone", jinja_alone(template, {}))
    for other in sys.argv[1:]:
        show(Path(other).name, lambda project, other=other: copier.run_copy(other, project, defaults=True, quiet=True))


if __name__ == "__main__":
    main()
