"""Every project that the questions can render passes every validator, and its files agree with each other.

The default run looks at the product of four questions and at every pair of choices; `--all-variants` at all there are.
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

# Whole renders that are compared with what was worked out; every run takes others.
SAMPLE = 10
# Questions whose answers stand in infra/project.yml, and the settings they are.
SETTINGS = {"github_repository": "repository", "github_auth": "authentication", "approval": "approval"}
SETTINGS |= {
    name: name for name in ("trigger", "cool_down_hours", "location", "workspace", "resource_group", "workspace_name")
}
# A condition is tried where the files it is about stand: with these answers, unless it is asked for others.
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
    """A project as `copier copy` writes it, without its answers, which are held equal to what was asked."""
    files = contents(render(destination, **questionnaire().asked(values)))
    recorded = yaml.safe_load(files.pop(ANSWERS))
    assert {name: value for name, value in recorded.items() if name[0] != "_"} == questionnaire().asked(values)
    return files


def compare(sample, renderer, render, folder):
    """Hold whole renders equal to what was worked out."""
    for number, values in enumerate(sample):
        assert rendered(values, render, folder / str(number)) == renderer.files(values), values


def proof_of(variants, renderer, folder):
    """The proof of some projects, and what is wrong in how many of them."""
    proof, found = Proof(folder), Counter()
    for values in variants:
        files = renderer.files(values)
        assert files.keys() == expected(values, renderer.paths), values
        found.update(proof.look_at(files))
    return proof, found


def test_matrix_holds_the_product_of_the_four_questions(matrix):
    product = {tuple(values[name] for name in FOUR) for values in questionnaire().variants()}
    assert product == {tuple(values[name] for name in FOUR) for values in matrix}


def test_matrix_holds_every_pair_of_choices_that_go_together(matrix):
    assert pairs(rows(questionnaire().variants())) == pairs(rows(matrix))


def test_every_project_of_the_matrix_passes_every_validator(matrix, renderer, tmp_path, record_property):
    proof, found = proof_of(matrix, renderer, tmp_path)
    record_property("the matrix", str(proof))
    assert found == {}


def test_copier_renders_a_random_sample_as_it_was_worked_out(matrix, renderer, render, tmp_path, record_property):
    compare(random.sample(matrix, SAMPLE), renderer, render, tmp_path)
    record_property("whole renders compared", SAMPLE)


@pytest.mark.parametrize("question", questionnaire().with_choices)
def test_every_choice_changes_what_is_rendered(question, renderer):
    offered = list(questionnaire().variants(branching=[question], **GIVEN.get(question, {})))
    projects = {tuple(sorted(renderer.files(values).items())) for values in offered}
    assert len(projects) == len(offered) > 1


def test_settings_are_what_was_answered(matrix, renderer):
    for values in matrix:
        settings = yaml.safe_load(renderer.files(values)["infra/project.yml"])
        said = settings | settings["github"] | settings["azure"]
        assert {name: said[setting] for name, setting in SETTINGS.items()} == {name: values[name] for name in SETTINGS}


@pytest.mark.parametrize("pattern", CONDITIONS)
def test_every_condition_decides_about_a_file(pattern, renderer, matrix):
    without = {file for file in renderer.paths for values in matrix if file not in expected(values, [file])}
    assert any(fnmatchcase(file, pattern) for file in without)


def test_a_new_choice_is_in_the_matrix_at_once_and_fails_as_long_as_no_file_knows_it(tmp_path):
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
def test_every_project_there_can_be_passes_every_validator(renderer, tmp_path, record_property):
    proof, found = proof_of(questionnaire().variants(), renderer, tmp_path)
    record_property("all there can be", str(proof))
    assert found == {}


@pytest.mark.all_variants
def test_copier_renders_a_random_sample_of_all_as_it_was_worked_out(renderer, render, tmp_path, record_property):
    compare(random.sample(list(questionnaire().variants()), 12 * SAMPLE), renderer, render, tmp_path)
    record_property("whole renders of all projects compared", 12 * SAMPLE)
