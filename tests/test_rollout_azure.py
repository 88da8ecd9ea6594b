"""Tests rollouts with the real SDK against an emulated Azure: after any fault, the old deployment serves."""

import shutil

import pytest
import yaml

from azure_runs import run, verb

MODEL, OLD = "diabetes-model", "model-1"
VERSIONS = 30
# The files of each version are those of the first, which the pipeline has trained and registered.
REGISTER = f"""
from mlflow import MlflowClient
registry = MlflowClient(emulator.arm.models.store.uri)
first = registry.get_model_version({MODEL!r}, "1")
tags = {{key: value for key, value in first.tags.items() if key != "rollout"}}
for number in range({VERSIONS}):
    registry.create_model_version({MODEL!r}, first.source, run_id=first.run_id, tags=tags)
emulator.arm.models.collect()
for number in range(1, {VERSIONS} + 2):
    path = f"data/{MODEL}-reference/versions/{{number}}"
    uri = emulator.workspace.uri(f"azureml/{{tags['job']}}/reference")
    facts = {{"dataType": "mltable", "dataUri": uri, "tags": {{}}, "isAnonymous": False, "isArchived": False}}
    emulator.arm.documents.put(path, emulator.arm.assets.named(path, str(number), facts))
"""
# Deployments use a scripted server, waits are shortened, and version 1 serves.
BEGIN = """
import mlops.rollout.protocol, mlops.data.scoring
from scripted_host import ScriptedHost
mlops.rollout.protocol.PAUSES = (0.0, 0.0)
mlops.data.scoring.MARGIN = 0.2
emulator.arm.online.host = ScriptedHost()
"""
LOOK = f"""
host = emulator.arm.online.host
tags = {{
    name: (found["properties"].get("tags") or {{}}).get("rollout")
    for name, found in emulator.arm.documents.all("models/{MODEL}/versions")
}}
result = {{
    "traffic": {{name: share for name, share in host.traffic.items() if share}},
    "deployments": sorted(host.deployments),
    "tags": {{name: tag for name, tag in tags.items() if tag}},
    "requests": host.requests,
    "statuses": {{name: known.statuses for name, known in host.deployments.items()}},
}}
host.requests = []
"""


def python(code):
    return {"python": code}


def script(deployment, *answers):
    return python(f"emulator.arm.online.host.scripts[{deployment!r}] = {list(answers)!r}")


def settings(project, **values):
    """Set values of the rollout in infra/project.yml."""
    file = project / "infra" / "project.yml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["rollout"] |= values
    file.write_text(yaml.safe_dump(content), encoding="utf-8")


@pytest.fixture(scope="module")
def trained(render, tmp_path_factory):
    """Return a project and its workspace, with thirty versions of a model and no endpoint."""
    project, state = render(), tmp_path_factory.mktemp("azure") / "state"
    settings(project, watch_minutes=0.01, probes=6)
    deployment = project / "endpoints" / "online" / "deployment" / "deployment.yml"
    text = deployment.read_text(encoding="utf-8")
    deployment.write_text(text.replace("request_timeout_ms: 10000", "request_timeout_ms: 1000"), encoding="utf-8")
    for result in run(project, state, verb("data"), verb("train"), python(REGISTER)):
        assert result.code == 0, result.output
    return project, state


def play(trained, tmp_path_factory, *steps):
    """Run steps in a copy of the workspace, with deployments on a scripted server."""
    project, state = trained
    here = tmp_path_factory.mktemp("played") / "state"
    shutil.copytree(state, here)
    return run(project, here, python(BEGIN), *steps)[1:]


def deploy(version, **more):
    return verb("deploy", "--version", str(version), **more)


# The answers of the new deployment, the first to the smoke test, and the expected reason.
UNFIT = {
    "an error as JSON": (["good", "good", "json:500"], "500: no such luck"),
    "an error as text": (["good", "good", "text:503"], "503: no healthy upstream"),
    "an error that is a text in JSON": (["good", "plain"], "500: no such luck"),
    "a time-out of Azure's": (["good", "text:408"], "408: no healthy upstream"),
    "a time-out of Azure's, in JSON": (["json:408"], "408: no such luck"),
    "an error at once, as text": (["text:502"], "502: no healthy upstream"),
    "a cut connection": (["good", "good", "good", "cut"], "no answer"),
    "half an answer": (["good", "half"], "no answer"),
    "no answer": (["good", "hang:60"], "no answer after 1."),
    "no answer at once": (["hang:60"], "no answer after 1."),
    "an answer that never ends": (["good", "drip"], "no answer after 1."),
    "not a number": (["good", "nan"], "it predicted nan but the model predicted"),
    "another answer": (["good", "says:{}"], "does not hold predictions"),
    "a number for a list": (["good", 'says:{"predictions": 5}'], "does not hold predictions"),
    "busy without end": (["good", "busy:0"], "429: Too many pending requests."),
    "busy for an hour": (["good", "busy:3600"], "429: Too many pending requests."),
    "slow answers": (["good", "slow:0.4"], "more than 300 ms"),
    "a crash at its start": (["crashes"], "it did not start: "),
}


@pytest.fixture(scope="module")
def unfit(trained, tmp_path_factory):
    """Return the results of successive rollouts of versions that are unfit in different ways."""
    steps = [deploy(1), python(LOOK)]
    for number, (answers, _) in enumerate(UNFIT.values(), 2):
        steps += [
            script(f"model-{number}", *answers),
            verb("deploy", "--version", str(number), "--max-latency-ms", "300"),
            python(LOOK),
        ]
    first, _, *found = play(trained, tmp_path_factory, *steps)
    assert first.code == 0, first.output
    return {name: (found[3 * place + 1], found[3 * place + 2].result) for place, name in enumerate(UNFIT)}


@pytest.mark.parametrize("name", UNFIT)
def test_unfit_deployment_is_rolled_back(unfit, name):
    done, after = unfit[name]
    version = str(list(UNFIT).index(name) + 2)
    assert done.code == 1, done.output
    assert "ROLLED_BACK" in done.stdout
    assert UNFIT[name][1] in " ".join(done.output.split())
    assert after["traffic"] == {OLD: 100}
    assert after["deployments"] == [OLD]
    assert after["tags"][version] == "failed"
    # No probe used Resource Manager or the SDK's own invoke.
    assert done.requests.count("POST WS/onlineEndpoints/*/listKeys") <= 2


def refusal(status, code, message, **more):
    return {"status": status, "json": {"error": {"code": code, "message": message}}, **more}


TRAFFIC, CREATION = r"PUT .*onlineEndpoints/[^/?]+\?", "PUT .*/deployments/"
FORBIDDEN = refusal(403, "AuthorizationFailed", "The client does not have authorization to perform action")
# A fault of Azure, its position, and the expected message. The model is not to blame.
REFUSALS = {
    "no right to change the traffic": {"match": TRAFFIC, **FORBIDDEN},
    "a conflict about the traffic": {
        "match": TRAFFIC,
        "times": 1,
        **refusal(409, "Conflict", "Another operation runs."),
    },
    "a cut connection at the traffic": {"match": TRAFFIC, "raises": "cut"},
    "no right to create": {"match": CREATION, **FORBIDDEN},
    "no quota": {"match": CREATION, **refusal(400, "OutOfQuota", "Not enough quota available for Standard_DS2_v2.")},
    "a busy service": {"match": CREATION, **refusal(429, "TooManyRequests", "Wait.", headers={"Retry-After": "0"})},
    "a fault of the service as text": {"match": CREATION, "status": 500, "text": "<html>oops</html>"},
    "no right to read the keys": {"match": "POST .*/listKeys", **FORBIDDEN},
    "no right to read the model": {"match": "GET .*blob", "status": 403, "text": "AuthorizationPermissionMismatch"},
}


@pytest.fixture(scope="module")
def refused(trained, tmp_path_factory):
    """Return the results of successive rollouts that Azure partly refused, and of a last one without faults."""
    steps = [deploy(1), python(LOOK)]
    for number, fault in enumerate(REFUSALS.values(), 2):
        steps += [deploy(number, faults=[fault]), python(LOOK)]
    steps += [deploy(2), python(LOOK)]
    results = play(trained, tmp_path_factory, *steps)[2:]
    found = {name: (results[2 * place], results[2 * place + 1].result) for place, name in enumerate(REFUSALS)}
    return found | {"nothing": (results[-2], results[-1].result)}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_is_a_sentence_and_not_a_fault_of_the_model(refused, name):
    done, after = refused[name]
    assert done.code == 1, done.output
    assert "Traceback" not in done.output
    assert done.stderr.splitlines()[-1].startswith("mlops: ")
    assert after["traffic"] == {OLD: 100}
    assert after["tags"] == {"1": "deployed"}
    assert OLD in after["deployments"]


def test_rollout_that_was_refused_succeeds_when_it_is_run_again(refused):
    done, after = refused["nothing"]
    assert done.code == 0, done.output
    assert (after["traffic"], after["deployments"]) == ({"model-2": 100}, ["model-2"])
    assert after["tags"] == {"1": "deployed", "2": "deployed"}


# The connection to Resource Manager is cut from when the new deployment has its share until the SDK has given up.
CUT_OFF = """
import requests

class CutOff:
    def __init__(self, arm):
        self.arm, self.left, self.is_shared = arm, 4, False

    def __getattr__(self, name):
        return getattr(self.arm, name)

    def __call__(self, request):
        if self.is_shared and self.left:
            self.left -= 1
            raise requests.exceptions.ConnectionError("Connection aborted.", ConnectionResetError(104, "reset by peer"))
        answer = self.arm(request)
        self.is_shared |= request.method == "PUT" and b'"model-2": 10' in request.body
        return answer

emulator.arm = CutOff(emulator.arm)
"""


def test_connection_that_is_cut_while_the_traffic_is_shared_leaves_nothing_shared(trained, tmp_path_factory):
    _, _, done, after, left = play(
        trained,
        tmp_path_factory,
        deploy(1),
        python(CUT_OFF),
        deploy(2),
        python(LOOK),
        python("result = emulator.arm.left"),
    )
    assert left.result == 0
    assert done.code == 1, done.output
    assert (after.result["traffic"], after.result["deployments"]) == ({OLD: 100}, [OLD])
    assert after.result["tags"] == {"1": "deployed"}


SEEN = "emulator.arm.metrics.seen = {seen!r}\nemulator.arm.metrics.latency = {latency!r}"
# Azure Monitor's metrics of the new deployment while it has its share, and the result of the rollout.
METRICS = {"match": "GET .*Insights"}
WATCHED = {
    "nothing yet": ({}, None, {}, 0, "0 requests of callers, 0 failed"),
    "answers": ({("200", "200"): 40.0}, 120.0, {}, 0, "40 requests of callers, 0 failed"),
    "errors of callers": ({("200", "200"): 40.0, ("424", "400"): 3.0, ("401", ""): 2.0}, 90.0, {}, 0, "40 requests of"),
    "too many at a time": ({("200", "200"): 40.0, ("429", ""): 5.0}, 90.0, {}, 0, "40 requests of callers"),
    "errors of the model": ({("200", "200"): 40.0, ("424", "500"): 2.0}, 90.0, {}, 1, "2 of 42 requests of callers"),
    "errors of the service": ({("200", "200"): 9.0, ("503", ""): 1.0}, 90.0, {}, 1, "1 of 10 requests of callers"),
    "time-outs": ({("200", "200"): 9.0, ("408", ""): 1.0}, 90.0, {}, 1, "1 of 10 requests of callers failed"),
    "slow answers": ({("200", "200"): 9.0}, 2500.0, {}, 1, "callers waited too long"),
    "no right": (
        {},
        None,
        {**METRICS, **FORBIDDEN},
        0,
        "cannot be read, so its 6 probes decide.",
    ),
    "a text": ({}, None, {**METRICS, "status": 200, "text": "<html>"}, 0, "cannot be read"),
    "another JSON": ({}, None, {**METRICS, "status": 200, "json": {"value": [1]}}, 0, "cannot be read"),
    "a cut connection": ({}, None, {**METRICS, "raises": "cut"}, 0, "cannot be read"),
}


@pytest.fixture(scope="module")
def watched(trained, tmp_path_factory):
    steps = [deploy(1), python(LOOK)]
    for number, (seen, latency, fault, _, _) in enumerate(WATCHED.values(), 2):
        name = f"model-{number}"
        steps += [
            python(SEEN.format(seen={name: seen}, latency={name: latency})),
            deploy(number, faults=[fault] if fault else []),
            python(LOOK),
        ]
    results = play(trained, tmp_path_factory, *steps)[2:]
    return {name: (results[3 * place + 1], results[3 * place + 2].result) for place, name in enumerate(WATCHED)}


@pytest.mark.parametrize("name", WATCHED)
def test_callers_decide_while_the_new_deployment_has_its_share(watched, name):
    done, after = watched[name]
    *_, code, said = WATCHED[name]
    version = str(list(WATCHED).index(name) + 2)
    assert (done.code, after["tags"][version]) == (code, "failed" if code else "deployed"), done.output
    assert said in " ".join(done.output.split())
    assert len(after["deployments"]) == 1
    assert after["traffic"] == {after["deployments"][0]: 100}
    assert (after["deployments"][0] == f"model-{version}") is (code == 0)


# Kills a process at a request: the endpoint gets none of its later requests.
KILL = """
import re, sys
class Killed(BaseException):
    pass
is_dead = False
def die(request):
    global is_dead
    is_dead = is_dead or bool(re.search({match!r}, f"{{request.method}} {{request.url}}"))
    if is_dead:
        raise Killed
sys.modules["__main__"].fault = lambda told: die
"""
KILLED = {
    "creating": r"PUT .*/deployments/model-",
    "sharing": r"PUT .*onlineEndpoints/[^/?]+\?",
    "retiring": r"DELETE .*/deployments/",
    "binding the monitor": r"PUT .*schedules",
}


@pytest.fixture(scope="module")
def killed(trained, tmp_path_factory):
    """Return the results of rollouts that were killed and run again."""
    steps = [deploy(1), python(LOOK)]
    for number, match in enumerate(KILLED.values(), 2):
        steps += [
            python(KILL.format(match=match)),
            deploy(number, faults=[{}]),
            python(LOOK),
            deploy(number),
            python(LOOK),
        ]
    results = play(trained, tmp_path_factory, *steps)[2:]
    return {name: results[5 * place + 1 : 5 * place + 5] for place, name in enumerate(KILLED)}


@pytest.mark.parametrize("name", KILLED)
def test_killed_rollout_resumes(killed, name):
    end, between, again, after = killed[name]
    version = str(list(KILLED).index(name) + 2)
    assert (end.code, "Killed" in end.stderr) == ("traceback", True), end.output
    assert sum(between.result["traffic"].values()) == 100
    assert between.result["traffic"].keys() <= set(between.result["deployments"])
    assert again.code == 0, again.output
    assert (after.result["traffic"], after.result["deployments"]) == ({f"model-{version}": 100}, [f"model-{version}"])
    assert after.result["tags"][version] == "deployed"


def test_version_with_all_traffic_is_neither_probed_nor_tagged_failed(trained, tmp_path_factory):
    """Both deployments exist, the newer one has all traffic, and every probe of it would be too slow."""
    leftover = [
        {"match": "DELETE .*/deployments/model-1", "status": 403, "json": {"error": {"code": "AuthorizationFailed"}}}
    ]
    slow = verb("deploy", "--version", "2", "--max-latency-ms", "0.001")
    _, halfway, before, done, after, same = play(
        trained, tmp_path_factory, deploy(1), deploy(2, faults=leftover), python(LOOK), slow, python(LOOK), slow
    )
    assert halfway.code == 1
    assert "has all traffic, but an old one could not be deleted" in halfway.stderr
    assert before.result["deployments"] == [OLD, "model-2"]
    assert done.code == 0, done.output
    assert (after.result["traffic"], after.result["deployments"]) == ({"model-2": 100}, ["model-2"])
    assert after.result["tags"]["2"] == "deployed"
    assert after.result["requests"] == []
    assert "UNCHANGED" in same.stdout


RESET = """
host = emulator.arm.online.host
host.unauthorized, deployment = 0, host.deployments["model-1"]
deployment.asked = 0
"""
# A change of the endpoint, and the result of `mlops invoke`.
INVOKED = {
    "all is well": ("deployment.script = ['good']", 0, "Sent 3 rows"),
    "rotated key": ("deployment.script = ['good']; host.unauthorized = 1", 0, "Sent 3 rows"),
    "wrong key": ("host.unauthorized = 9", 1, "refused a request: 401: Wrong key."),
    "busy for a moment": ("deployment.script = ['busy:0', 'busy:0', 'good']", 0, "Sent 3 rows"),
    "busy": ("deployment.script = ['busy:0']", 1, "refused a request: 429: Too many pending"),
    "text": ("deployment.script = ['text:503']", 1, "refused a request: 503: no healthy upstream"),
    "cut": ("deployment.script = ['cut']", 1, "no answer"),
    "hang": ("deployment.script = ['hang:9']", 1, "no answer after 1."),
    "no traffic": (
        "name, document = next(iter(emulator.arm.documents.all('onlineEndpoints')))\n"
        "document['properties']['traffic'] = {}\n"
        "emulator.arm.documents.put(f'onlineEndpoints/{name}', document)",
        2,
        "has traffic: run `mlops deploy` first.",
    ),
}
NOT_FOUND = {
    "of a group": (refusal(404, "ResourceGroupNotFound", "Resource group 'x' could not be found."), 1),
    "of a front end": ({"status": 404, "text": "<html>"}, 1),
    "of the model": (refusal(404, "UserError", "Model container diabetes-model was not found."), 2),
}


@pytest.fixture(scope="module")
def invoked(trained, tmp_path_factory):
    """Return the results of `mlops invoke` before and after the first rollout, and of that rollout."""
    steps = [verb("invoke", "--rows", "3"), deploy(1), python(LOOK)]
    for prepare, _, _ in INVOKED.values():
        steps += [python(RESET + prepare), verb("invoke", "--rows", "3")]
    for fault, _ in NOT_FOUND.values():
        faults = [{"match": "GET .*/models/", **fault}]
        steps += [verb("deploy", faults=faults), deploy(9, faults=faults)]
    before, first, looked, *rest = play(trained, tmp_path_factory, *steps)
    ended = dict(zip(INVOKED, rest[1 : 2 * len(INVOKED) : 2], strict=True))
    pairs = rest[2 * len(INVOKED) :]
    missing = {name: pairs[2 * place : 2 * place + 2] for place, name in enumerate(NOT_FOUND)}
    return {"before": before, "first": first, "looked": looked, **ended, **missing}


@pytest.mark.parametrize("name", INVOKED)
def test_invoke_reports_the_endpoints_error(invoked, name):
    _, code, said = INVOKED[name]
    assert invoked[name].code == code, invoked[name].output
    assert said in " ".join(invoked[name].output.split())


def test_missing_endpoint_is_reported(invoked):
    done = invoked["before"]
    assert (done.code, "yet: run `mlops deploy` first." in done.stderr) == (2, True), done.output


def test_scoring_sends_one_request(invoked):
    """Not four, three of which go to Resource Manager: address and key are read once."""
    assert invoked["first"].code == 0, invoked["first"].output
    # The smoke test and six probes.
    assert invoked["looked"].result["requests"] == [[OLD, 200]] * 7
    assert invoked["first"].requests.count("POST WS/onlineEndpoints/*/listKeys") == 1
    assert invoked["all is well"].requests.count("POST WS/onlineEndpoints/*/listKeys") == 1
    assert invoked["rotated key"].requests.count("POST WS/onlineEndpoints/*/listKeys") == 2


@pytest.mark.parametrize("name", NOT_FOUND)
def test_only_azures_own_not_found_means_a_missing_version(invoked, name):
    for done in invoked[name]:
        assert done.code == NOT_FOUND[name][1], done.output
        assert ("There is no model" in done.stderr) is (done.code == 2)
