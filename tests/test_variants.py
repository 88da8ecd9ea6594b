"""Every possible project passes every validator, and its files agree with each other.

The default run checks the product of four questions and every pair of choices; `--all-variants` checks all projects.
"""

import random
import shutil
from collections import Counter
from fnmatch import fnmatchcase

import pytest
import yaml

import projects
from projects import ANSWERS, contents, questionnaire
from variants.expected import CONDITIONS, expected
from variants.matrix import FOUR, covering, pairs
from variants.proof import Proof
from variants.questionnaire import Questionnaire
from variants.renderer import Renderer

# Complete renders to compare with the renderer's result; every run draws others.
SAMPLE = 10
# Questions with answers in infra/project.yml, and their settings.
SETTINGS = {"github_repository": "repository", "github_auth": "authentication", "approval": "approval"}
SETTINGS |= {
    name: name for name in ("trigger", "cool_down_hours", "location", "workspace", "resource_group", "workspace_name")
}
# A condition is tested with these answers, which include its files, unless it needs others.
GIVEN = {"task": {"dataset": "custom"}}


@pytest.fixture(scope="module")
def renderer():
    return Renderer(questionnaire())


@pytest.fixture(scope="module")
def matrix():
    return covering(questionnaire())


def rows(variants):
    return {tuple(values[name] for name in questionnaire().with_choices) for values in variants}


def rendered(values, render, destination):
    """Return a project as `copier copy` writes it, without its answers, which are compared with the given ones."""
    files = contents(render(destination, **questionnaire().asked(values)))
    recorded = yaml.safe_load(files.pop(ANSWERS))
    assert {name: value for name, value in recorded.items() if name[0] != "_"} == questionnaire().asked(values)
    return files


def compare(sample, renderer, render, folder):
    """Compare complete renders with the renderer's result."""
    for number, values in enumerate(sample):
        assert rendered(values, render, folder / str(number)) == renderer.files(values), values


def proof_of(variants, renderer, folder):
    """Return the proof of some projects, and the number of projects with each error."""
    proof, found = Proof(folder), Counter()
    for values in variants:
        files = renderer.files(values)
        assert files.keys() == expected(values, renderer.paths), values
        found.update(proof.look_at(files))
    return proof, found


def test_matrix_contains_the_product_of_the_four_questions(matrix):
    product = {tuple(values[name] for name in FOUR) for values in questionnaire().variants()}
    assert product == {tuple(values[name] for name in FOUR) for values in matrix}


def test_matrix_contains_every_possible_pair_of_choices(matrix):
    assert pairs(rows(questionnaire().variants())) == pairs(rows(matrix))


def test_every_project_of_the_matrix_passes_every_validator(matrix, renderer, tmp_path, record_property):
    proof, found = proof_of(matrix, renderer, tmp_path)
    record_property("the matrix", str(proof))
    assert found == {}


def test_copier_renders_a_random_sample_like_the_renderer(matrix, renderer, render, tmp_path, record_property):
    compare(random.sample(matrix, SAMPLE), renderer, render, tmp_path)
    record_property("whole renders compared", SAMPLE)


@pytest.mark.parametrize("question", questionnaire().with_choices)
def test_every_choice_changes_what_is_rendered(question, renderer):
    offered = list(questionnaire().variants(branching=[question], **GIVEN.get(question, {})))
    projects = {tuple(sorted(renderer.files(values).items())) for values in offered}
    assert len(projects) == len(offered) > 1


def test_settings_equal_the_answers(matrix, renderer):
    for values in matrix:
        settings = yaml.safe_load(renderer.files(values)["infra/project.yml"])
        said = settings | settings["github"] | settings["azure"]
        assert {name: said[setting] for name, setting in SETTINGS.items()} == {name: values[name] for name in SETTINGS}


@pytest.mark.parametrize("pattern", CONDITIONS)
def test_every_condition_decides_about_a_file(pattern, renderer, matrix):
    without = {file for file in renderer.paths for values in matrix if file not in expected(values, [file])}
    assert any(fnmatchcase(file, pattern) for file in without)


def test_a_new_choice_is_in_the_matrix_at_once_and_fails_until_files_support_it(tmp_path):
    template = shutil.copytree(projects.template(), tmp_path / "template")
    asked = (template / "copier.yml").read_text(encoding="utf-8")
    known = '    "scheduled: '
    assert asked.count(known) == 1
    (template / "copier.yml").write_text(
        asked.replace(known, f'    "queue: a queue": queue\n{known}'), encoding="utf-8"
    )
    with_queue = [values for values in covering(Questionnaire(template)) if values["trigger"] == "queue"]
    assert len(with_queue) >= 5 * 3 * 3
    with pytest.raises(KeyError, match="queue"):
        expected(with_queue[0], Renderer(questionnaire()).paths)


@pytest.mark.all_variants
def test_every_possible_project_passes_every_validator(renderer, tmp_path, record_property):
    proof, found = proof_of(questionnaire().variants(), renderer, tmp_path)
    record_property("all there can be", str(proof))
    assert found == {}


@pytest.mark.all_variants
def test_copier_renders_a_random_sample_of_all_projects_like_the_renderer(renderer, render, tmp_path, record_property):
    compare(random.sample(list(questionnaire().variants()), 12 * SAMPLE), renderer, render, tmp_path)
    record_property("whole renders of all projects compared", 12 * SAMPLE)
