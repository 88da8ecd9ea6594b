"""Tests the settings of a rollout in infra/project.yml: defaults for older projects, and messages about errors."""

import pytest
import yaml

from mlops.errors import WrongInputError
from mlops.settings import RolloutSettings, load_settings


@pytest.fixture(scope="module")
def project(render):
    return render()


@pytest.fixture
def written(project, tmp_path):
    """Write infra/project.yml with changes, and return its folder."""

    def write(change):
        content = yaml.safe_load((project / "infra" / "project.yml").read_text(encoding="utf-8"))
        content = change(content) or content
        (tmp_path / "infra").mkdir()
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (tmp_path / "infra" / "project.yml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_project_contains_the_defaults(project):
    assert load_settings(project).rollout == RolloutSettings()


@pytest.mark.parametrize(
    "change", [lambda content: content.pop("rollout") and None, lambda content: content.update(rollout=None)]
)
def test_older_project_has_the_defaults(written, change):
    assert load_settings(written(change)).rollout == RolloutSettings()


def test_settings_can_be_left_out_one_by_one(written):
    settings = load_settings(written(lambda content: content.update(rollout={"share": 25}))).rollout
    assert settings == RolloutSettings(share=25)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("share", 0, "a whole percentage from 1 to 99"),
        ("share", 100, "a whole percentage from 1 to 99"),
        ("share", 10.5, "a whole percentage"),
        ("share", "ten", "a whole percentage"),
        ("share", True, "a whole percentage"),
        ("share", None, "a whole percentage"),
        ("watch_minutes", -1, "minutes from 0 to 1440"),
        ("watch_minutes", float("nan"), "minutes"),
        ("laptop_watch_seconds", [2], "seconds"),
        ("probes", 0, "a whole number from 1 to 1000"),
        ("error_rate", 1, "a share from 0 to less than 1"),
        ("error_rate", "5 %", "a share"),
        ("p95_milliseconds", 0, "more than 0"),
        ("p95_milliseconds", float("inf"), "more than 0"),
    ],
)  # fmt: skip
def test_useless_value_is_a_sentence(written, name, value, wanted):
    folder = written(lambda content: content["rollout"].update({name: value}))
    with pytest.raises(WrongInputError, match=rf"^infra/project.yml: rollout.{name} is .*; it must be {wanted}"):
        load_settings(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.update(extra=1), "infra/project.yml: unknown setting 'extra'; known are"),
        (lambda content: content["github"].update(brunch="x"), "infra/project.yml: unknown setting 'github.brunch'"),
        (lambda content: content["rollout"].update(probe=3), "infra/project.yml: unknown setting 'rollout.probe'"),
        (lambda content: content.pop("trigger") and None, "infra/project.yml: the setting 'trigger' is missing."),
        (lambda content: content["azure"].pop("vault") and None, "infra/project.yml: the setting 'azure.vault' is"),
        (lambda content: content.pop("azure") and None, "infra/project.yml: the setting 'azure' is missing."),
        (lambda content: content.update(rollout=3), "infra/project.yml: rollout must hold settings"),
        (lambda content: "- a\n- b\n", "infra/project.yml: the file must hold settings"),
        (lambda content: "a: [", "infra/project.yml is not YAML: "),
    ],
)  # fmt: skip
def test_wrong_file_is_a_sentence(written, change, said):
    with pytest.raises(WrongInputError) as refused:
        load_settings(written(change))
    assert str(refused.value).startswith(said)


def test_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(WrongInputError, match=r"infra/project\.yml cannot be read: No such file"):
        load_settings(tmp_path)
