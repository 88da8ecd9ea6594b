"""Tests this project's scoring: answers, collection and errors of online and batch deployments from their own YAML."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import httpx
import pandas as pd
import pytest
from azure.ai.ml import (
    Input,
    Output,
    load_batch_endpoint,
    load_environment,
    load_online_deployment,
    load_online_endpoint,
)
from azure.ai.ml.constants._endpoint import EndpointInvokeFields
from azure.ai.ml.entities._load_functions import load_model_batch_deployment
from azure.ai.ml.exceptions import ValidationException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from hypothesis import given, settings
from hypothesis import strategies as st

from laptop import laptop
from mlops.errors import RunFailedError
from mlops.jobs.following import follow
from model.contract import Contract, ContractError
from model.serving import read_request
from projects import choices, mlops, python

COLUMNS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "island", "sex"]
ROW = [39.1, 18.7, 181.0, 3750.0, "Torgersen", "male"]
NAMES = ["row_id", *COLUMNS]
RECORD = dict(zip(NAMES, ["a", *ROW], strict=True))


def split_form(*rows, columns=None):
    return {"input_data": {"columns": columns or NAMES, "index": list(range(len(rows))), "data": [*rows]}}


def changed(**values):
    return {"input_data": [RECORD | values]}


def without(name):
    return {"input_data": [{key: value for key, value in RECORD.items() if key != name}]}


@pytest.fixture(scope="module")
def project(render):
    project = render(dataset="penguins", endpoint_type="online_and_batch")
    for verb in ("data", "train"):
        finished = mlops(project, verb)
        assert finished.code == 0, finished.stderr
    return project


@pytest.fixture(scope="module")
def place(project):
    place = laptop(project / ".azureml-local")
    yield place
    place.local.close()


@pytest.fixture(scope="module")
def client(place, project):
    for name in ("inference", "training", "batch"):
        place.client.environments.create_or_update(load(project, name))
    return place.client


def load(project, name):
    environment = load_environment(project / "environments" / f"{name}.yml")
    environment.version = "1"
    return environment


@pytest.fixture(scope="module")
def online(project, client):
    """Return the endpoint with one deployment from its own YAML, which has all traffic."""
    endpoint = load_online_endpoint(project / "endpoints/online/endpoint/endpoint.yml")
    endpoint = client.online_endpoints.begin_create_or_update(endpoint).result()
    deployment = load_online_deployment(project / "endpoints/online/deployment/deployment.yml")
    deployment = client.online_deployments.begin_create_or_update(deployment).result()
    endpoint.traffic = {deployment.name: 100}
    return client.online_endpoints.begin_create_or_update(endpoint).result()


@pytest.fixture
def ask(client, online):
    key = client.online_endpoints.get_keys(online.name).primary_key

    def ask(body) -> httpx.Response:
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return httpx.post(online.scoring_uri, content=content, headers=headers, trust_env=False, timeout=30)

    return ask


def datastore(project) -> Path:
    """The folder of the workspace's default datastore."""
    return project / ".azureml-local" / "storage" / "azureml-blobstore-22222222"


@pytest.fixture
def collected(place, project, online):
    def collected(collection) -> list[dict]:
        assert place.local.flush()
        folder = datastore(project) / "modelDataCollector" / online.name / "model-1" / collection
        return [json.loads(line) for file in sorted(folder.rglob("*.jsonl")) for line in file.read_text().splitlines()]

    return collected


# Good requests


def test_split_form_and_records_get_the_same_answer_with_the_rows_identifiers(ask):
    split, records = ask(split_form(["a", *ROW])), ask({"input_data": [RECORD]})
    assert split.status_code == records.status_code == 200
    assert split.json() == records.json() == {"predictions": ["Adelie"], "ids": ["a"]}


def test_order_of_columns_and_extra_columns_do_not_matter(ask):
    columns = ["more", *reversed(NAMES)]
    answer = ask(split_form(["of this", *reversed(["a", *ROW])], columns=columns))
    assert answer.json() == {"predictions": ["Adelie"], "ids": ["a"]}


def test_missing_values_whole_numbers_and_numbers_as_text_are_accepted(ask):
    answer = ask({"input_data": [RECORD | {"sex": None, "body_mass_g": None}, RECORD | {"body_mass_g": 3750}]})
    assert answer.json()["predictions"] == ["Adelie", "Adelie"]
    for identifier in (7, 7.0, "7", "7.0"):
        answer = ask(changed(body_mass_g="3750", row_id=identifier))
        assert answer.json() == {"predictions": ["Adelie"], "ids": ["7"]}


def test_many_rows_get_the_models_own_predictions(ask, project):
    rows = pd.read_parquet(project / "data" / "production" / "rows.parquet")
    plain = rows[NAMES].astype(object).where(rows[NAMES].notna(), None)
    answer = ask(split_form(*plain.to_numpy().tolist())).json()
    assert answer["ids"] == rows["row_id"].tolist()
    assert set(answer["predictions"]) == {"Adelie", "Chinstrap", "Gentoo"}
    for position in (0, len(rows) - 1):
        assert ask({"input_data": [plain.iloc[position].to_dict()]}).json()["predictions"] == [
            answer["predictions"][position]
        ]


def test_features_and_predictions_are_collected_under_one_correlation_id(ask, collected):
    ask(split_form(["one", *ROW], ["two", *ROW[:-1], None]))
    rows = {}
    for outputs in collected("model_outputs"):
        (inputs,) = (one for one in collected("model_inputs") if one["correlationid"] == outputs["correlationid"])
        for features, output in zip(inputs["data"], outputs["data"], strict=True):
            rows[output["row_id"]] = features | output
    expected = dict(zip(COLUMNS, ROW, strict=True)) | {"prediction": "Adelie"}
    assert rows["one"] == expected | {"row_id": "one"}
    assert rows["two"] == expected | {"row_id": "two", "sex": None}


# Bad requests

BAD = {
    "nothing": ("", "not valid JSON"),
    "half a request": ('{"input_data": [', "not valid JSON"),
    "a list": ([], "'input_data'"),
    "no input_data": ({"data": []}, "'input_data'"),
    "text for input_data": ({"input_data": "rows"}, "'columns'"),
    "no rows": ({"input_data": []}, "no rows"),
    "no rows in split form": (split_form(), "no rows"),
    "a missing column": (without("bill_depth_mm"), "'bill_depth_mm'"),
    "a missing column in split form": (split_form(["a"], columns=["row_id"]), "'bill_length_mm'"),
    "no identifier column": (without("row_id"), "'row_id'"),
    "no identifier": (changed(row_id=None), "'row_id'"),
    "an empty identifier": (changed(row_id=""), "'row_id'"),
    "text for a number": (changed(body_mass_g="heavy"), "'body_mass_g'"),
    "a list for a number": (changed(body_mass_g=[1]), "'body_mass_g'"),
    "an object for a text": (changed(island={"name": "Biscoe"}), "'island'"),
    "an endless number": (changed(body_mass_g=10**400), "'body_mass_g'"),
    "NaN": (changed(body_mass_g=math.nan), "'body_mass_g'"),
    "infinity": (changed(body_mass_g=math.inf), "'body_mass_g'"),
    "a number too large": (json.dumps(changed()).replace("3750.0", "1e999"), "'body_mass_g'"),
    "half a character": (changed(island="\ud800"), "'island'"),
    "a column twice": (split_form(["a", *ROW, 1], columns=[*NAMES, "sex"]), "'sex'"),
    "a row too short": (split_form(["a", *ROW[:-1]]), "Row 1 has 6 values for 7 columns"),
    "a row that is none": (split_form("row"), "Row 1"),
    "a record that is none": ({"input_data": [1]}, "Row 1"),
    "a bad second row": ({"input_data": [RECORD, RECORD | {"body_mass_g": "x"}]}, "row 2"),
    "very deep nesting": ('{"input_data": ' + "[" * 100_000, "not valid JSON"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_request_gets_one_sentence_that_names_the_column_and_is_not_collected(ask, collected, what):
    body, named = BAD[what]
    before = [len(collected(name)) for name in ("model_inputs", "model_outputs")]
    answer = ask(body)
    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == "400"
    message = answer.json()["error"]["message"]
    assert named in message
    assert "Traceback" not in answer.text
    assert "\n" not in message
    assert [len(collected(name)) for name in ("model_inputs", "model_outputs")] == before


def test_sdk_shows_the_sentence(client, online, tmp_path):
    request = tmp_path / "request.json"
    request.write_text(json.dumps(without("island")))
    with pytest.raises(HttpResponseError, match="The column 'island' is missing in row 1"):
        client.online_endpoints.invoke(online.name, request_file=str(request))


CONTRACT = Contract(
    task="regression",
    id_column="id",
    target="y",
    classes=(),
    numerical=("a", "b"),
    categorical=("k",),
    time_column=None,
    training_until=None,
    source="",
    path=None,
)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just([]), st.just({"x": 1}))


@given(st.lists(st.fixed_dictionaries({"id": VALUES, "a": VALUES, "b": VALUES, "k": VALUES}), min_size=1, max_size=4))
@settings(max_examples=400, deadline=None)
def test_any_request_is_refused_with_a_sentence_or_has_the_contracts_types(records):
    try:
        rows = read_request(json.dumps({"input_data": records}), CONTRACT)
    except ContractError as error:
        assert str(error).endswith(".")
        return
    assert len(rows.identifiers) == len(records)
    assert all(type(value) is str and value for value in rows.identifiers)
    assert list(rows.features) == ["a", "b", "k"]
    assert [str(rows.features[name].dtype) for name in "ab"] == ["float64", "float64"]
    assert all(value is None or type(value) is str for value in rows.features["k"])
    rows.features.to_json(orient="records")


# The YAML


@pytest.mark.parametrize(("size", "kind"), [*product(choices("compute_size"), choices("endpoint_type"))])
def test_every_file_loads_and_converts_and_no_other_file_exists(render, size, kind):
    project = render(compute_size=size, endpoint_type=kind, project_name="A project whose name is a very long one")
    online, batch = project / "endpoints" / "online", project / "endpoints" / "batch"
    assert (project / "src" / "score.py").exists() == online.exists() == ("online" in kind)
    assert (project / "src" / "batch_score.py").exists() == batch.exists() == ("batch" in kind)
    assert (project / "resources" / "compute" / "cluster.yml").exists() == ("batch" in kind)
    if "online" in kind:
        endpoint = load_online_endpoint(online / "endpoint" / "endpoint.yml")
        deployment = load_online_deployment(online / "deployment" / "deployment.yml")
        assert endpoint._to_rest_online_endpoint("westeurope").properties.auth_mode
        assert set(deployment.data_collector.collections) == {"model_inputs", "model_outputs"}
        assert deployment.instance_count == choices("compute_size").index(size) + 1
        workers = int(deployment.environment_variables["WORKER_COUNT"])
        assert deployment.request_settings.max_concurrent_requests_per_instance >= workers
        assert deployment._to_rest_object("westeurope").properties.endpoint_compute_type == "Managed"
        assert load_environment(project / "environments" / "inference.yml").conda_file["name"] == "mlops"
        assert deployment.endpoint_name == endpoint.name and 3 <= len(endpoint.name) <= 32
    if "batch" in kind:
        endpoint = load_batch_endpoint(batch / "endpoint" / "endpoint.yml")
        deployment = load_model_batch_deployment(batch / "deployment" / "deployment.yml")
        assert endpoint._to_rest_batch_endpoint("westeurope").properties.auth_mode
        assert deployment._to_rest_object("westeurope").properties.output_action == "AppendRow"
        assert deployment.endpoint_name == endpoint.name and 3 <= len(endpoint.name) <= 32


# Batch


@pytest.fixture(scope="module")
def batch(project, client):
    """Return the batch endpoint with one deployment from its own YAML as its default."""
    definition = load_batch_endpoint(project / "endpoints/batch/endpoint/endpoint.yml")
    endpoint = client.batch_endpoints.begin_create_or_update(definition).result()
    with pytest.raises(ResourceNotFoundError, match="no default deployment"):
        client.batch_endpoints.invoke(endpoint.name, input=Input(type="uri_folder", path=str(project / "resources")))
    deployment = load_model_batch_deployment(project / "endpoints/batch/deployment/deployment.yml")
    deployment = client.batch_deployments.begin_create_or_update(deployment).result()
    endpoint.defaults = {"deployment_name": deployment.name}
    return client.batch_endpoints.begin_create_or_update(endpoint).result()


@pytest.fixture(autouse=True)
def no_deployment_is_kept():
    """The SDK sends the name of a deployment that was invoked with every later request of this process."""
    yield
    EndpointInvokeFields.DEFAULT_HEADER.pop(EndpointInvokeFields.MODEL_DEPLOYMENT, None)


@pytest.fixture
def rows(project):
    return pd.read_parquet(project / "data" / "production" / "rows.parquet")[:60]


@pytest.fixture
def folder(rows, tmp_path):
    """Return a file of each kind, with twenty rows each."""
    folder = tmp_path / "rows"
    folder.mkdir()
    rows[:20].to_json(folder / "a.jsonl", orient="records", lines=True)
    rows[20:40].to_csv(folder / "b.csv", index=False)
    rows[40:].to_parquet(folder / "c.parquet")
    return folder


def scored(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run(client, batch, folder, **job) -> str:
    """Score a folder on this machine, which the SDK uploads, and return the job's name."""
    name = client.batch_endpoints.invoke(batch.name, input=Input(type="uri_folder", path=str(folder)), **job).name
    follow(client, name)
    return name


def output(project, job) -> Path:
    """The folder in which a job's rows are, unless its caller has chosen another."""
    return datastore(project) / "azureml" / f"{job}-batchscoring" / "score"


def test_batch_scores_every_row_of_every_kind_of_file(client, batch, folder, rows, ask, project):
    job = run(client, batch, folder)
    lines = scored(output(project, job) / "predictions.jsonl")
    assert [line["row_id"] for line in lines] == rows["row_id"].tolist()
    assert list(lines[0]) == ["row_id", *COLUMNS, "prediction"]
    online = ask({"input_data": [{key: value for key, value in line.items() if key in NAMES} for line in lines]})
    assert online.json()["predictions"] == [line["prediction"] for line in lines]
    assert client.jobs.get(job).status == "Completed"


def test_caller_chooses_where_the_output_goes(client, batch, folder, project):
    path = "scored/2026/11/20/09"
    address = f"azureml://datastores/workspaceblobstore/paths/{path}"
    run(client, batch, folder, outputs={"score": Output(type="uri_folder", path=address)})
    file = datastore(project) / path / "predictions.jsonl"
    assert len(scored(file)) == 60
    assert [path.name for path in file.parent.iterdir()] == ["predictions.jsonl"]


@pytest.mark.parametrize("content", ["x,y\n1,2\n", "", "row_id\n"], ids=["other columns", "empty", "no rows"])
def test_file_that_cannot_be_scored_fails_the_job_above_the_threshold(client, batch, folder, content):
    (folder / "b2.csv").write_text(content)
    with pytest.raises(RunFailedError, match="1 of 4 files failed"):
        run(client, batch, folder)


def test_file_that_cannot_be_scored_does_not_affect_other_files_below_the_threshold(client, batch, folder, project):
    (folder / "b2.csv").write_text("x,y\n1,2\n")
    job = run(client, batch, folder, params_override=[{"error_threshold": 1}])
    assert len(scored(output(project, job) / "predictions.jsonl")) == 60
    log = (project / ".azureml-local" / "jobs" / job / "log.txt").read_text()
    assert "b2.csv cannot be scored" in log
    assert "Attempt 2 at b2.csv" in log, "retry_settings allow one more"
    (folder / "d.txt").write_text("text")
    with pytest.raises(RunFailedError, match="2 of 5 files failed"):
        run(client, batch, folder, params_override=[{"error_threshold": 1}])


def test_default_deployment_must_exist_and_cannot_be_deleted(client, batch):
    with pytest.raises(HttpResponseError, match="default"):
        client.batch_deployments.begin_delete("model-1", batch.name).result()
    endpoint = client.batch_endpoints.get(batch.name)
    assert endpoint.defaults.deployment_name == "model-1"
    endpoint.defaults = {"deployment_name": "model-7"}
    with pytest.raises(HttpResponseError, match="deployment model-7 of "):
        client.batch_endpoints.begin_create_or_update(endpoint).result()


def test_named_deployment_scores_in_place_of_the_default(client, batch, project, folder):
    deployment = load_model_batch_deployment(project / "endpoints/batch/deployment/deployment.yml")
    deployment.name = "model-2"
    deployment.settings.output_file_name = "second.jsonl"
    client.batch_deployments.begin_create_or_update(deployment).result()
    assert [known.name for known in client.batch_deployments.list(batch.name)] == ["model-1", "model-2"]
    job = run(client, batch, folder, deployment_name="model-2")
    assert [file.name for file in output(project, job).iterdir()] == ["second.jsonl"]
    client.batch_deployments.begin_delete("model-2", batch.name).result()
    with pytest.raises(ValidationException, match="model-2"):
        client.batch_endpoints.invoke(batch.name, deployment_name="model-2")


def test_empty_input_fails_the_job_and_no_input_is_refused(client, batch):
    nothing = Input(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/nothing")
    job = client.batch_endpoints.invoke(batch.name, input=nothing).name
    with pytest.raises(RunFailedError, match=r"StreamAccess\.NotFound"):
        follow(client, job)
    with pytest.raises(HttpResponseError, match="one input"):
        client.batch_endpoints.invoke(batch.name)


def test_second_process_finds_the_deployment(project, online):
    code = f"""
from mlops.workspace import connect
client = connect()
print(client.online_endpoints.get({online.name!r}).traffic)
"""
    finished = python(project, "-W", "ignore", "-c", code)
    assert "{'model-1': 100}" in finished.stdout, finished.stderr


def test_no_answered_request_is_lost_when_the_host_is_stopped_at_once(place, project, online, ask):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: ask(changed(row_id=f"last-{number}")), range(100)))
    place.local.close()
    answered = {identifier for answer in answers if answer.status_code == 200 for identifier in answer.json()["ids"]}
    assert len(answered) > 50
    folder = datastore(project) / "modelDataCollector" / online.name / "model-1"
    found = {name: {} for name in ("model_inputs", "model_outputs")}
    for name, known in found.items():
        for line in (line for file in (folder / name).rglob("*.jsonl") for line in file.read_text().splitlines()):
            record = json.loads(line)
            known.update({(record["correlationid"], number): row for number, row in enumerate(record["data"])})
    collected = {row["row_id"] for row in found["model_outputs"].values()}
    assert {identifier for identifier in collected if identifier.startswith("last-")} == answered
    assert found["model_inputs"].keys() == found["model_outputs"].keys()
