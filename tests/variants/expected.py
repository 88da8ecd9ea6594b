"""Which files a project holds, said a second time and the other way round: by file, not by answer.

copier.yml says what a feature leaves out; here stands when a file is there. A new choice is not known here and fails.
"""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import cache

from variants.questionnaire import Answers

Condition = Callable[[Answers], bool]


def _is(question: str, **known: bool) -> Condition:
    """True for the choices named so; a choice that is not named is an error."""
    return lambda values: known[values[question]]


def _all(*conditions: Condition) -> Condition:
    return lambda values: all(condition(values) for condition in conditions)


online = _is("endpoint_type", online=True, batch=False, online_and_batch=True)
batch = _is("endpoint_type", online=False, batch=True, online_and_batch=True)
only_batch = _is("endpoint_type", online=False, batch=True, online_and_batch=False)
out_of_box = _is("monitor_type", out_of_box=True, advanced=False, custom_data=False)
advanced = _is("monitor_type", out_of_box=False, advanced=True, custom_data=False)
custom_data = _is("monitor_type", out_of_box=False, advanced=False, custom_data=True)
preprocessed = _is("monitor_type", out_of_box=False, advanced=True, custom_data=True)
logic_app = _is("trigger", logic_app=True, function=False, scheduled=False)
function = _is("trigger", logic_app=False, function=True, scheduled=False)
scheduled = _is("trigger", logic_app=False, function=False, scheduled=True)
events = _is("trigger", logic_app=True, function=True, scheduled=False)
cluster = _is("compute_target", serverless=False, cluster=True)


def with_notebooks(values: Answers) -> bool:
    return values["notebooks"]


def _from(*datasets: str) -> Condition:
    """True for these data sets; one that a package returns brings no file, so it need not be known here."""
    return lambda values: values["dataset"] in datasets


# The first pattern that a file matches says when it is there; a file that matches none is in every project.
CONDITIONS: dict[str, Condition] = {
    "data/sample.csv": lambda values: _from("custom")(values) and values["data_path"] == "data/sample.csv",
    "src/model/datasets/__init__.py": _from("diabetes", "breast_cancer", "flights", "custom"),
    "src/model/datasets/diabetes.py": _from("diabetes"),
    "src/model/datasets/breast_cancer.py": _from("breast_cancer"),
    "src/model/datasets/flights.py": _from("flights"),
    "src/model/datasets/file.py": _from("custom"),
    "resources/compute/*": lambda values: cluster(values) or batch(values),
    "src/score.py": online,
    "src/model/collection.py": online,
    "environments/inference.yml": online,
    "endpoints/online/monitor/out_of_box.yml": _all(online, out_of_box),
    "endpoints/online/monitor/advanced.yml": _all(online, advanced),
    "endpoints/online/monitor/custom_data.yml": _all(online, custom_data),
    "endpoints/online/*": online,
    "src/batch_score.py": batch,
    "endpoints/batch/monitor/*": only_batch,
    "endpoints/batch/*": batch,
    "components/preprocess_production_data.yml": preprocessed,
    "src/model/preprocess_production_data.py": preprocessed,
    "src/model/spark_tables.py": preprocessed,
    "components/model_performance.yml": advanced,
    "src/model/model_performance.py": advanced,
    "infra/bridge/logic_app/*": logic_app,
    "infra/bridge/function/*": function,
    "infra/bridge/*": events,
    ".github/workflows/poll.yml": scheduled,
    "notebooks/*": with_notebooks,
    "mlops/notebooks/*": with_notebooks,
    "tests/test_exploring.py": with_notebooks,
    "tests/test_notebooks.py": with_notebooks,
}


def expected(values: Answers, files: Iterable[str]) -> set[str]:
    """The files that these answers imply, of all that the template has.

    Raises:
        KeyError: an answer decides about a file and is not known here.
    """
    return {file for file in files if _condition(file)(values)}


@cache
def _condition(file: str) -> Condition:
    matching = (condition for pattern, condition in CONDITIONS.items() if fnmatchcase(file, pattern))
    return next(matching, lambda values: True)
