"""Reads the steps of a job, and the texts and conditions of jobs and steps."""

import re
from collections.abc import Iterable, Mapping

from azureml_emulator.github import contexts
from azureml_emulator.github.expressions import Condition, Text
from azureml_emulator.github.model import Step, Texts
from azureml_emulator.github.syntax import Context, ExpressionError, Index, Literal, Node, walk
from azureml_emulator.github.values import fold
from azureml_emulator.github.yaml_lines import Field

STEP_KEYS = ("id", "if", "name", "uses", "with", "run", "shell", "env", "continue-on-error", "working-directory")
REFUSED_IN_STEPS = {"timeout-minutes": "the emulator knows it for jobs only"}
# Actions that prepare a runner. The laptop has the project and its tools, and need not sign in.
PREPARING_ACTIONS = ("actions/cache", "actions/checkout", "actions/setup-python", "astral-sh/setup-uv", "azure/login")
# With these, actions/checkout fetches other files than those of the laptop.
OTHER_FILES = ("path", "ref", "repository")
# Without a shell GitHub starts bash without pipefail.
SHELLS = ("", "bash", "sh", "python")
IDENTIFIER = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
# A runner sets these last and overrides the workflow's values; only GitHub knows the second group.
SET_LAST = """
ACTIONS API_URL ENV EVENT_NAME EVENT_PATH JOB OUTPUT PATH REPOSITORY REPOSITORY_OWNER RUN_ATTEMPT RUN_ID SERVER_URL
STATE STEP_SUMMARY WORKFLOW WORKSPACE"""
UNKNOWN = """
ACTION ACTION_PATH ACTION_REPOSITORY ACTOR ACTOR_ID BASE_REF GRAPHQL_URL HEAD_REF REF REF_NAME REF_PROTECTED REF_TYPE
REPOSITORY_ID REPOSITORY_OWNER_ID RETENTION_DAYS RUN_NUMBER SHA TRIGGERING_ACTOR WORKFLOW_REF WORKFLOW_SHA"""
RESERVED = re.compile(rf"GITHUB_(?:{'|'.join(f'{SET_LAST} {UNKNOWN}'.split())})|RUNNER_\w+")
UNKNOWN_VARIABLE = re.compile(rf"\bGITHUB_(?:{'|'.join(UNKNOWN.split())})\b")


def read_step(step: Field, defaults: Mapping[str, str], actions: frozenset[str]) -> Step:
    """Read a step; `defaults` are those of its job's `defaults.run`, `actions` the ids of steps that are left out."""
    fields = step.known(STEP_KEYS, REFUSED_IN_STEPS)
    if ("run" in fields) == ("uses" in fields):
        step.refuse("a step has either `run` or `uses`")
    if "uses" in fields:
        _check_action(fields)
    identifier = fields["id"].text() if "id" in fields else ""
    if identifier and not IDENTIFIER.fullmatch(identifier):
        fields["id"].refuse("a step's id consists of letters, digits, - and _")
    script = read_text(fields["run"], contexts.STEP, actions) if "run" in fields else None
    if "run" in fields:
        _check_script(fields["run"])
    shell, folder = fields.get("shell"), fields.get("working-directory")
    name = fields.get("name")
    return Step(
        place=step.key,
        id=identifier,
        name=read_text(name, contexts.STEP, actions) if name else Text((_first_line(fields),)),
        condition=read_condition(fields.get("if"), contexts.STEP_IF, actions),
        script=script,
        shell=read_shell(shell) if shell else defaults.get("shell", ""),
        folder=read_text(folder, contexts.STEP, actions) if folder else Text((defaults.get("working-directory", ""),)),
        env=read_environment(fields.get("env"), contexts.STEP, actions),
        continue_on_error=_flag(fields.get("continue-on-error"), actions),
    )


def _check_script(script: Field) -> None:
    if "::set-output " in script.text():
        script.refuse('the emulator does not read `::set-output`: write NAME=VALUE to "$GITHUB_OUTPUT"')
    if unknown := UNKNOWN_VARIABLE.search(script.text()):
        script.refuse(f"the emulator does not set {unknown[0]}")


def _first_line(fields: Mapping[str, Field]) -> str:
    lines = fields["run"].text().strip().splitlines() if "run" in fields else []
    return f"Run {lines[0]}" if lines else "Run"


def _check_action(fields: Mapping[str, Field]) -> None:
    for key in ("shell", "working-directory"):
        if key in fields:
            fields[key].refuse("an action has no such key")
    name = fields["uses"].text().partition("@")[0]
    if name.lower() not in PREPARING_ACTIONS:
        known = ", ".join(PREPARING_ACTIONS)
        hint = "a separate workflow, started by `workflow_run`, can run it after this one"
        fields["uses"].refuse(f"the emulator does not run actions. It skips {known}, and cannot run {name}: {hint}")
    given = fields["with"].mapping() if "with" in fields else {}
    for key in OTHER_FILES if name.lower() == "actions/checkout" else ():
        if key in given:
            given[key].refuse("the emulator uses the project's folder, and checks nothing out")


def action_ids(steps: Iterable[Field]) -> Iterable[str]:
    """Return the ids of steps that are actions."""
    for step in steps:
        fields = step.mapping()
        if "uses" in fields and "id" in fields:
            yield fold(fields["id"].text())


def read_condition(given: Field | None, available: frozenset[str], actions: frozenset[str]) -> Condition:
    """Read an `if`."""
    if given is None:
        return Condition()

    def read(text: str) -> Condition:
        condition = Condition.read(text)
        _check([condition.node], available, actions, has_status=True)
        return condition

    return given.parsed(read)


def read_text(given: Field, available: frozenset[str], actions: frozenset[str] = frozenset()) -> Text:
    """Read a text and check its expressions against the contexts that GitHub offers for this key."""

    def read(text: str) -> Text:
        found = Text.read(text)
        _check(found.nodes, available, actions)
        return found

    return given.parsed(read)


def _check(nodes: list[Node], available: frozenset[str], actions: frozenset[str], has_status: bool = False) -> None:
    contexts.check(nodes, available, has_status)
    for node in (node for whole in nodes for node in walk(whole)):
        match node:
            case Index(Index(Context("steps"), Literal(step)), Literal("outputs")) if fold(str(step)) in actions:
                raise ExpressionError(f"the emulator skips the action {step}, so its outputs are missing")


def read_environment(given: Field | None, available: frozenset[str], actions: frozenset[str] = frozenset()) -> Texts:
    """Read an `env`."""
    fields = given.mapping() if given else {}
    for name, value in fields.items():
        if RESERVED.fullmatch(name):
            value.refuse("GitHub sets this variable itself")
        if not name or "=" in name or "\0" in name:
            value.refuse("this cannot be the name of a variable")
    return {name: read_text(value, available, actions) for name, value in fields.items()}


def _flag(given: Field | None, actions: frozenset[str]) -> Text:
    text = read_text(given, contexts.STEP, actions) if given else Text(("false",))
    if text.nodes:
        return text
    if given and text.parts not in (("true",), ("false",)):
        given.refuse("true or false is expected here")
    return Text((Literal(text.parts == ("true",)),))


def read_shell(given: Field) -> str:
    """Read a `shell`."""
    shell = given.text()
    if shell not in SHELLS[1:]:
        given.refuse(f"the emulator knows the shells {', '.join(SHELLS[1:])}, not {shell}")
    return shell
