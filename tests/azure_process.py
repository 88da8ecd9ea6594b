"""Runs `mlops` verbs in a rendered project with the emulator as Azure: several in one process, as they are told.

Standard input holds JSON: `state`, a folder; `results`, the file that is written at the end; and `steps`. Each step has
the `arguments` of a verb, or `python` to execute, and the `faults` that are in its way.
"""

import contextlib
import io
import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any

import requests

from azureml_emulator.answers import answer
from azureml_emulator.application import Emulator, Fault, operation
from azureml_emulator.identity import TENANT
from azureml_emulator.transport import Request, Response, answered_by
from checked_requests import Checked


def environment(emulator: Emulator) -> dict[str, str]:
    """Return the settings with which a runner finds the workspace and signs in."""
    return {
        "MLOPS_TARGET": "azure",
        "AZURE_SUBSCRIPTION_ID": emulator.workspace.subscription,
        "AZURE_RESOURCE_GROUP": emulator.workspace.group,
        "AZUREML_WORKSPACE_NAME": emulator.workspace.name,
        "AZURE_CLIENT_ID": "workflow",
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_SECRET": "secret",
    }


def fault(told: dict[str, Any]) -> Fault:
    """Make a fault of its description.

    Args:
        told: `match`, a pattern of "VERB URL"; `times`, how often it is in the way (always without one); and what it
            does: `status` with `json`, `text` and `headers`, or `raises`: `cut`, `timeout` or `unreachable`.
    """
    left = told.get("times", 1 << 30)

    def ask(request: Request) -> Response | None:
        nonlocal left
        if not left or not re.search(told["match"], f"{request.method} {request.url}", re.IGNORECASE):
            return None
        left -= 1
        kind = told.get("raises")
        if kind == "cut":
            raise requests.exceptions.ConnectionError("Connection aborted.", ConnectionResetError(104, "reset by peer"))
        if kind == "timeout":
            raise requests.exceptions.ReadTimeout("Read timed out.")
        if kind == "unreachable":
            raise requests.exceptions.ConnectionError("Failed to resolve 'management.azure.com'")
        headers = told.get("headers", {})
        if "text" in told:
            return Response(told["status"], {"Content-Type": "text/html", **headers}, told["text"].encode())
        return answer(told["status"], told.get("json"), **headers)

    return ask


def run_verb(arguments: list[str]) -> dict[str, Any]:
    """Run one verb as the command line does, and return what it printed and how it ended."""
    from mlops import cli

    printed, warned = io.StringIO(), io.StringIO()
    sys.argv = ["mlops", *arguments]
    code: Any = 0
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(warned):
        _console(printed)
        try:
            cli.run()
        except SystemExit as ended:
            code = ended.code if ended.code is not None else 0
        except BaseException:
            code = "traceback"
            traceback.print_exc()
    return {"code": code, "stdout": printed.getvalue(), "stderr": warned.getvalue()}


def run_python(source: str, emulator: Emulator) -> dict[str, Any]:
    """Execute a step's source, which finds `emulator` and may set `result`."""
    scope: dict[str, Any] = {"emulator": emulator, "result": None}
    try:
        exec(source, scope)
    except Exception:
        return {"code": "traceback", "stdout": "", "stderr": traceback.format_exc()}
    return {"code": 0, "stdout": "", "stderr": "", "result": scope["result"]}


def _console(printed: io.StringIO) -> None:
    """Have the screen's output go where standard output goes now."""
    from mlops.console import console

    console.file = printed


def main() -> None:
    """Run what standard input tells."""
    told = json.load(sys.stdin)
    emulator = Emulator(Path(told["state"]))
    # The commands go by real time here, as on Azure: a monitor that is bound must not move the emulator's clock.
    emulator.arm.clock.advance = emulator.arm.clock.now
    checked = Checked(emulator)
    if told.get("azurite"):
        from azurite import AzuriteStorage

        emulator.blobs = AzuriteStorage(emulator.storage, emulator.workspace.account, told["azurite"])
    results: list[dict[str, Any]] = []
    try:
        with answered_by(checked):
            for step in told["steps"]:
                os.environ.update(environment(emulator) | step.get("environment", {}))
                emulator.requests.clear()
                checked.problems.clear()
                emulator.faults = [fault(one) for one in step.get("faults", [])]
                emulator.arm.jobs.ends = step.get("job_ends", "")
                if "python" in step:
                    results.append(run_python(step["python"], emulator))
                else:
                    results.append(run_verb(step["arguments"]))
                results[-1]["problems"] = list(checked.problems)
                results[-1]["requests"] = [operation(request) for request in emulator.requests]
                results[-1]["urls"] = [f"{request.method} {request.url}" for request in emulator.requests]
    finally:
        emulator.arm.online.close()
        Path(told["results"]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
