"""Every question explains itself, and a wrong answer is rejected with a sentence before anything is written."""

import subprocess
import sys

import pytest

from projects import ROOT, questionnaire, questions
from question_table import with_table

NAME = "A project name has 2 to 40 letters"
REPOSITORY = "A GitHub repository is written owner/name"
DESCRIPTION = "The description is"
ADDRESSES = "Write the addresses as a list"
ADDRESS = "is not an e-mail address"
COLUMNS = "Write the columns as a YAML list"
COLUMN = "is not a column name"
ONCE = "name every column once"
REGION = "has no region"
FILE = "Name a CSV or Parquet file"
CHOICE = "Invalid choice"

WRONG = [
    ({"project_name": "a" * 80}, NAME),
    ({"project_name": 'Customer "churn"'}, NAME),
    ({"project_name": "Customer's churn"}, NAME),
    ({"project_name": "Churn: customers"}, NAME),
    ({"project_name": "Churn 🚀"}, NAME),
    ({"project_name": "../x"}, NAME),
    ({"project_name": ""}, NAME),
    ({"project_name": " churn"}, NAME),
    ({"project_name": "churn-"}, NAME),
    ({"project_name": "2nd model"}, NAME),
    ({"project_name": "{{ 7 * 7 }}"}, NAME),
    ({"project_name": "churn\n"}, NAME),
    ({"project_name": "Microsoft churn"}, "Azure reserves the words"),
    ({"description": ""}, DESCRIPTION),
    ({"description": "   "}, DESCRIPTION),
    ({"description": "two\nlines"}, DESCRIPTION),
    ({"description": "a blank "}, DESCRIPTION),
    ({"description": "a" * 301}, DESCRIPTION),
    ({"description": "a bell \x07"}, DESCRIPTION),
    ({"github_repository": "churn"}, REPOSITORY),
    ({"github_repository": "contoso/"}, REPOSITORY),
    ({"github_repository": "contoso/churn/model"}, REPOSITORY),
    ({"github_repository": "contoso/churn.git"}, REPOSITORY),
    ({"github_repository": "-contoso/churn"}, REPOSITORY),
    ({"github_repository": "https://github.com/contoso/churn"}, REPOSITORY),
    ({"alert_emails": "nobody"}, ADDRESSES),
    ({"alert_emails": []}, ADDRESSES),
    ({"alert_emails": ["nobody"]}, ADDRESS),
    ({"alert_emails": ["a@b@example.com"]}, ADDRESS),
    ({"alert_emails": ["a@example.com", "b@example"]}, ADDRESS),
    ({"alert_emails": ["a b@example.com"]}, ADDRESS),
    ({"alert_emails": [5]}, ADDRESS),
    ({"alert_emails": [f"person.number.{number}@example.com" for number in range(30)]}, "Azure allows 499 characters"),
    ({"location": "atlantis"}, REGION),
    ({"location": "West Europe"}, REGION),
    ({"location": ""}, REGION),
    ({"workspace": "existing", "workspace_name": "x"}, "A workspace name has 3 to 33"),
    ({"workspace": "existing", "resource_group": "group."}, "A resource group has 2 to 90"),
    ({"retrain_cron": "every day"}, "(?i)cron"),
    ({"poll_cron": "* * *"}, "(?i)cron"),
    ({"retrain_cron": "0 24 * * *"}, "hour 0-23"),
    ({"retrain_cron": "*/0 4 1 * *"}, "(?i)cron"),
    ({"cool_down_hours": -1}, "A cool-down is"),
    ({"monitor_type": "advanced", "label_delay_days": -1}, "A number of days is"),
    ({"monthly_budget": 0}, "A budget is"),
    ({"dataset": "titanic"}, CHOICE),
    ({"compute_size": "huge"}, CHOICE),
    ({"python_version": "2.7"}, CHOICE),
    ({"dataset": "custom", "data_path": "rows.xlsx"}, FILE),
    ({"dataset": "custom", "data_path": ""}, FILE),
    ({"dataset": "custom", "target_column": ""}, COLUMN),
    ({"dataset": "custom", "target_column": " failed"}, COLUMN),
    ({"dataset": "custom", "id_column": "failed"}, ONCE),
    ({"dataset": "custom", "time_column": "machine_id"}, ONCE),
    ({"dataset": "custom", "numerical_columns": "temperature"}, COLUMNS),
    ({"dataset": "custom", "numerical_columns": {"temperature": 1}}, COLUMNS),
    ({"dataset": "custom", "numerical_columns": 5}, COLUMNS),
    ({"dataset": "custom", "numerical_columns": [1, 2]}, COLUMN),
    ({"dataset": "custom", "numerical_columns": ["temperature", "temperature"]}, "is in the list twice"),
    ({"dataset": "custom", "numerical_columns": ["temperature", "failed"]}, ONCE),
    ({"dataset": "custom", "categorical_columns": ["plant", "temperature"]}, ONCE),
    ({"dataset": "custom", "categorical_columns": ["plant", ""]}, COLUMN),
    ({"dataset": "custom", "numerical_columns": [], "categorical_columns": []}, "at least one feature"),
]

FREE_TEXT = [name for name in questions() if name not in questionnaire().with_choices]


@pytest.mark.parametrize("name", questions())
def test_question_is_a_full_sentence(name):
    text = questions()[name]["help"]
    assert text[0].isupper() and text.rstrip().endswith(("?", ".")) and len(text.split()) > 4


@pytest.mark.parametrize("name", questions())
def test_question_has_a_default(name):
    assert "default" in questions()[name]


@pytest.mark.parametrize("name", FREE_TEXT)
def test_free_text_is_validated(name):
    assert "validator" in questions()[name]


@pytest.mark.parametrize("name", FREE_TEXT)
def test_every_validator_is_tested_with_a_wrong_answer(name):
    assert any(name in answers for answers, _ in WRONG)


@pytest.mark.parametrize(("answers", "sentence"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_answer_is_refused_and_nothing_is_written(answers, sentence, render, tmp_path):
    destination = tmp_path / "project"
    with pytest.raises(ValueError, match=sentence):
        render(destination, **answers)
    assert not destination.exists()


def test_refusal_on_the_command_line_ends_with_the_sentence(template, tmp_path):
    wrong = ["--defaults", "--data", "project_name=../x", str(template), str(tmp_path / "project")]
    done = subprocess.run([sys.executable, "-m", "copier", "copy", *wrong], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert NAME in done.stderr.splitlines()[-1]
    assert not (tmp_path / "project").exists()


def test_unknown_question_is_an_error(render):
    with pytest.raises(KeyError, match="asks no question compute_sise"):
        render(compute_sise="small")


def test_computed_value_is_not_a_question(render):
    with pytest.raises(KeyError, match="asks no question project_slug"):
        render(project_slug="mine")


def test_table_in_the_readme_is_the_one_its_script_writes():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}`" in readme for name in questions())
    assert readme == with_table(readme)
