"""Lists the files of a project a second time, independently of copier.yml: by file instead of by answer.

copier.yml excludes files by feature; this module states when a file is present. A new choice fails until it is here.
"""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import cache

from variants.questionnaire import Answers

Condition = Callable[[Answers], bool]


def _is(question: str, **known: bool) -> Condition:
    """Return a condition for the named choices; a missing choice is an error."""
    return lambda values: known[values[question]]


def _all(*conditions: Condition) -> Condition:
    return lambda values: all(condition(values) for condition in conditions)


online = _is("endpoint_type", online=True, batch=False, online_and_batch=True)
batch = _is("endpoint_type", online=False, batch=True, online_and_batch=True)
only_batch = _is("endpoint_type", online=False, batch=True, online_and_batch=False)
out_of_box = _is("monitor_type", out_of_box=True, advanced=False, custom_data=False)
advanced = _is("monitor_type", out_of_box=False, advanced=True, custom_data=False)
with_spark = _is("monitor_type", out_of_box=False, advanced=True, custom_data=True)
custom_data = _is("monitor_type", out_of_box=False, advanced=False, custom_data=True)
logic_app = _is("trigger", logic_app=True, function=False, scheduled=False)
function = _is("trigger", logic_app=False, function=True, scheduled=False)
scheduled = _is("trigger", logic_app=False, function=False, scheduled=True)
events = _is("trigger", logic_app=True, function=True, scheduled=False)
cluster = _is("compute_target", serverless=False, cluster=True)


def with_notebooks(values: Answers) -> bool:
    return values["notebooks"]


def _from(*datasets: str) -> Condition:
    """Return a condition for these data sets; a data set from a package adds no file, so it need not be listed."""
    return lambda values: values["dataset"] in datasets


# The first pattern that matches a file decides; a file without a match is in every project.
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
    "environments/batch.yml": batch,
    "environments/conda_batch.yml": batch,
    "endpoints/online/monitor/out_of_box.yml": _all(online, out_of_box),
    "endpoints/online/monitor/advanced.yml": _all(online, advanced),
    "endpoints/online/monitor/custom_data.yml": _all(online, custom_data),
    "endpoints/online/*": online,
    "src/batch_score.py": batch,
    "endpoints/batch/monitor/*": only_batch,
    "endpoints/batch/*": batch,
    "components/preprocess_production_data.yml": with_spark,
    "src/model/preprocess_production_data.py": with_spark,
    "src/model/spark_tables.py": with_spark,
    "src/model/look_around_spark.py": with_spark,
    "components/look_around_spark.yml": with_spark,
    "components/attribution_drift.yml": advanced,
    "components/model_performance.yml": advanced,
    "src/model/attribution.py": advanced,
    "src/model/attribution_drift.py": advanced,
    "src/model/model_performance.py": advanced,
    "infra/bridge/logic_app/*": logic_app,
    "infra/bridge/function/*": function,
    "infra/bridge/*": events,
    ".github/workflows/poll.yml": scheduled,
    "notebooks/*": with_notebooks,
    "mlops/notebooks/*": with_notebooks,
    "tests/test_exploring.py": with_notebooks,
    "tests/test_notebooks.py": with_notebooks,
    # The packages are tested with the template.
    "packages/*/tests/*": lambda values: False,
}


def expected(values: Answers, files: Iterable[str]) -> set[str]:
    """Return the files of a project with these answers, out of all files of the template.

    Raises:
        KeyError: an answer that decides about a file is missing here.
    """
    return {file for file in files if _condition(file)(values)}


@cache
def _condition(file: str) -> Condition:
    matching = (condition for pattern, condition in CONDITIONS.items() if fnmatchcase(file, pattern))
    return next(matching, lambda values: True)
