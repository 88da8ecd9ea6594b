"""Free text is rejected by the questions, or rendered unchanged into a project that passes every validator."""

import json
import re
import tomllib
from functools import cache
from pathlib import PurePosixPath

import pytest
import yaml
from copier._main import Worker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects import questionnaire, questions
from variants.proof import Proof
from variants.renderer import Renderer
from variants.snippets import environment
from variants.validators.text import UNRENDERED

EXAMPLES = 30
ANY = st.text(max_size=60)
# Texts with a meaning in YAML, Jinja, a shell or a terminal.
TRICKY = st.sampled_from(
    [
        'Says "yes": 100 % \\ {{ no template }} #1 🚀',
        "größe: [cm] #1",
        "'''",
        "~",
        "{% raw %}",
        "\u2028",
        "null",
        "true",
        "$(id)",
        "`id`",
        "${{ github.token }}",
        "1e3",
        "2026-11-24",
        "- x",
        "a: b",
        "]]>",
        "<script>",
        "%s",
        ("long words " * 27).strip(),
    ]
)
WORDS = TRICKY | st.text(st.sampled_from("abcXYZ059 -_.'\"{}%#:@/\\äß€"), min_size=1, max_size=40)
COLUMNS = st.lists(ANY | WORDS, max_size=4, unique=True)


def cron_field(lowest, highest):
    """Return a strategy for a field of a cron expression, in every form that GitHub supports."""
    one = st.integers(lowest, highest).map(str)
    several = st.lists(one, min_size=2, max_size=3).map(",".join)
    span = st.tuples(st.integers(lowest, lowest + 2), st.integers(lowest + 2, highest)).map("{0[0]}-{0[1]}".format)
    return st.just("*") | one | several | span | st.integers(1, 5).map("*/{}".format)


CRON = st.tuples(*(cron_field(*ends) for ends in [(0, 59), (0, 23), (1, 28), (1, 12), (0, 6)])).map(" ".join)
NO_CRON = st.tuples(*[st.sampled_from(["*", "7", "*/5", "60", "x"]) for _ in range(5)]).map(" ".join)
EMAILS = st.lists(st.emails(), max_size=3)
REGIONS = ["eastus", "eastus2", "northeurope", "swedencentral", "uksouth", "westus2", "East US", "moon"]
OWN = {"dataset": "custom"}
EXISTING = {"workspace": "existing"}

# For every question without choices: valid and almost valid texts, and the condition under which it is asked.
TEXTS = {
    "data_path": (st.from_regex(r"\A(data/)?[\w .äß-]{1,20}\.(csv|parquet)\Z") | ANY, OWN),
    "target_column": (ANY | WORDS, OWN),
    "id_column": (ANY | WORDS, OWN),
    "time_column": (ANY | WORDS, OWN),
    "numerical_columns": (COLUMNS, OWN),
    "categorical_columns": (COLUMNS, OWN),
    "project_name": (st.from_regex(r"\A[A-Za-z][A-Za-z0-9 _.-]{0,38}[A-Za-z0-9]\Z") | ANY, {}),
    "description": (ANY | WORDS, {}),
    "github_repository": (st.from_regex(r"\A[A-Za-z0-9-]{1,39}/[A-Za-z0-9_.-]{1,60}\Z") | ANY, {}),
    "alert_emails": (EMAILS | st.lists(st.emails() | ANY, max_size=3), {}),
    "location": (st.sampled_from(REGIONS) | ANY, {}),
    "resource_group": (st.from_regex(r"\A[A-Za-z0-9_.()-]{1,90}\Z") | ANY, EXISTING),
    "workspace_name": (st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9-]{1,33}\Z") | ANY, EXISTING),
    "retrain_cron": (CRON | NO_CRON | ANY, {}),
    "poll_cron": (CRON | NO_CRON | ANY, {"trigger": "scheduled"}),
    "label_delay_days": (st.integers(-3, 400), {"monitor_type": "advanced"}),
    "cool_down_hours": (st.integers(-3, 10**6), {}),
    "monthly_budget": (st.integers(-3, 10**9), {}),
}


@pytest.fixture(scope="module")
def renderer():
    return Renderer(questionnaire())


@pytest.fixture(scope="module")
def proof(tmp_path_factory):
    return Proof(tmp_path_factory.mktemp("free_text"))


def ask(template, answers, destination):
    """Return the answers and computed values from Copier's own questions.

    Raises:
        ValueError: an answer is rejected.
    """
    worker = Worker(str(template), destination, data=answers, defaults=True, quiet=True, unsafe=False)
    # Copier reads and compiles the questions for every copy, which would take longer than answering them.
    vars(worker).update(template=_reader(template).template, jinja_env=environment(template))
    worker._ask()
    return worker.answers.combined


@cache
def _reader(template):
    return Worker(str(template))


def leaves(value):
    """Yield every text and number in a parsed document, including keys."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    # A number of days is part of a duration, such as P7D.
    days = re.fullmatch(r"P(\d+)D", value) if isinstance(value, str) else None
    return [value, int(days[1])] if days else [value]


PARSERS = {
    ".yml": yaml.safe_load,
    ".json": json.loads,
    ".toml": lambda text: tomllib.loads(text.decode()),
    ".md": lambda text: text.decode().splitlines(),
}


@cache
def said_by(suffix, content):
    """Return every text and number in a document; cached, because few documents change with one answer."""
    return frozenset(leaves(PARSERS[suffix](content))) if suffix in PARSERS else frozenset()


def said(files):
    """Return every text and number in a project's documents."""
    return frozenset().union(*(said_by(PurePosixPath(path).suffix, content) for path, content in files.items()))


def test_every_question_without_choices_is_tested():
    assert TEXTS.keys() == {name for name, details in questions().items() if name not in questionnaire().with_choices}


# Every default run uses the same texts, so that they do not fail an unrelated change; --slow draws new ones.
@pytest.mark.parametrize("same", [pytest.param(True, id="same"), pytest.param(False, id="new", marks=pytest.mark.slow)])
@pytest.mark.parametrize("question", TEXTS)
def test_free_text_is_refused_or_rendered_unchanged(
    question, same, template, renderer, proof, tmp_path, record_property
):
    texts, given_besides = TEXTS[question]
    tried = carried = 0

    @settings(
        derandomize=same,
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(texts)
    def refused_or_carried(text):
        nonlocal tried, carried
        tried += 1
        try:
            values = ask(template, given_besides | {question: text}, tmp_path / "project")
        except ValueError as refusal:
            assert question in str(refusal)
            return
        files = renderer.files(values)
        found = proof.look_at(files)
        # A user's own brace cannot be distinguished from an unrendered one.
        braces = {"{", "}"}.intersection(str(text))
        assert [what for what in found if not (braces and what.endswith(UNRENDERED))] == []
        changed = {path: content for path, content in files.items() if renderer.read_by(path)}
        expected = text if isinstance(text, list) else [f"# {text}" if question == "project_name" else text]
        assert set(expected) - {""} <= said(changed)
        carried += 1

    refused_or_carried()
    record_property(f"{question}: texts tried", f"{tried}, carried {carried}")
    assert tried >= EXAMPLES and carried > 0
