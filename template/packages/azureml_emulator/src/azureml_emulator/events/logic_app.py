"""Runs a Logic App's definition: the actions and the handling of failures that the bridge uses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from azureml_emulator.events.logic_app_expressions import STANDARD, ExpressionError, evaluate
from azureml_emulator.tokens import IDENTITY_TOKEN

RETRIED = (408, 429, 500, 502, 503, 504)
TIMEOUT = 10


@dataclass
class Answer:
    """The answer to the caller of a Request trigger. Without a Response action Azure answers with a timeout."""

    status: int = 502
    body: Any = None


@dataclass
class Run:
    """One run: its answer, and its history of each action; secured inputs and outputs are hidden."""

    answer: Answer = field(default_factory=Answer)
    statuses: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


class LogicApp:
    """A workflow definition with its parameters' values."""

    def __init__(self, definition: Mapping[str, Any], parameters: Mapping[str, Any]):
        defaults = {name: given.get("defaultValue") for name, given in definition["parameters"].items()}
        self._actions, self._parameters = definition["actions"], defaults | dict(parameters)

    def run(self, body: Any) -> Run:
        """Run the definition for a request's body."""
        run = Run()
        _Execution(run, body, self._parameters).run_actions(self._actions)
        return run


class _Execution:
    """The state of one run."""

    def __init__(self, run: Run, body: Any, parameters: Mapping[str, Any]):
        self._run = run
        self._outputs: dict[str, Any] = {}
        self._variables: dict[str, Any] = {}
        self._functions: dict[str, Callable[..., Any]] = {
            **STANDARD,
            "body": lambda name: self._outputs[name]["body"],
            "outputs": lambda name: self._outputs.get(name),
            "parameters": lambda name: parameters[name],
            "triggerBody": lambda: body,
            "variables": lambda name: self._variables[name],
        }

    def run_actions(self, actions: Mapping[str, Any]) -> bool:
        """Run actions in order; return whether none of them failed."""
        waiting = dict(actions)
        while waiting:
            name = next(name for name, action in waiting.items() if not set(action.get("runAfter", {})) & set(waiting))
            action = waiting.pop(name)
            needed = action.get("runAfter", {})
            if all(self._run.statuses[before] in allowed for before, allowed in needed.items()):
                self._run.statuses[name] = self._run_action(name, action)
            else:
                self._run.statuses[name] = "Skipped"
        return all(self._run.statuses[name] != "Failed" for name in actions)

    def _run_action(self, name: str, action: Mapping[str, Any]) -> str:
        secured = action.get("runtimeConfiguration", {}).get("secureData", {}).get("properties", [])
        entry: dict[str, Any] = {"action": name, "type": action["type"]}
        self._run.history.append(entry)
        try:
            if action["type"] == "Switch":
                return self._switch(action)
            if action["type"] == "If":
                return self._if(action)
            inputs = evaluate(action["inputs"], self._functions)
            entry["inputs"] = "secured" if "inputs" in secured else inputs
            handler: Callable[[str, Any], str] = getattr(self, f"_{action['type'].lower()}")
            status = handler(name, inputs)
        except (ExpressionError, httpx.HTTPError) as error:
            entry["error"] = type(error).__name__ if secured else str(error)
            return "Failed"
        entry["outputs"] = "secured" if "outputs" in secured else self._outputs.get(name)
        return status

    def _switch(self, action: Mapping[str, Any]) -> str:
        value = evaluate(action["expression"], self._functions)
        cases = action["cases"].values()
        chosen = next((case for case in cases if case["case"] == value), action.get("default", {"actions": {}}))
        return "Succeeded" if self.run_actions(chosen["actions"]) else "Failed"

    def _if(self, action: Mapping[str, Any]) -> str:
        chosen = action["actions"] if self._holds(action["expression"]) else action.get("else", {}).get("actions", {})
        return "Succeeded" if self.run_actions(chosen) else "Failed"

    def _holds(self, condition: Mapping[str, Any]) -> bool:
        if "not" in condition:
            return not self._holds(condition["not"])
        left, right = evaluate(condition["equals"], self._functions)
        return bool(left == right)

    def _compose(self, name: str, inputs: Any) -> str:
        self._outputs[name] = inputs
        return "Succeeded"

    def _initializevariable(self, _: str, inputs: Any) -> str:
        self._variables |= {variable["name"]: variable["value"] for variable in inputs["variables"]}
        return "Succeeded"

    def _setvariable(self, _: str, inputs: Any) -> str:
        self._variables[inputs["name"]] = inputs["value"]
        return "Succeeded"

    def _response(self, _: str, inputs: Any) -> str:
        self._run.answer = Answer(inputs["statusCode"], inputs.get("body"))
        return "Succeeded"

    def _http(self, name: str, inputs: Any) -> str:
        """Send a request, again after failures that Azure retries; the laptop does not wait between attempts."""
        headers = dict(inputs.get("headers", {}))
        if inputs.get("authentication", {}).get("type") == "ManagedServiceIdentity":
            headers["Authorization"] = f"Bearer {IDENTITY_TOKEN}"
        for _ in range(1 + inputs.get("retryPolicy", {}).get("count", 4)):
            answer = httpx.request(
                inputs["method"], inputs["uri"], headers=headers, json=inputs.get("body"), timeout=TIMEOUT
            )
            if answer.status_code not in RETRIED:
                break
        body = answer.json() if answer.headers.get("Content-Type", "").startswith("application/json") else answer.text
        self._outputs[name] = {"statusCode": answer.status_code, "body": body}
        return "Succeeded" if answer.is_success else "Failed"
