"""Checks the contexts and functions of an expression against GitHub's table, without those that the emulator lacks."""

from collections.abc import Iterable

from azureml_emulator.github.expressions import STATUS_FUNCTIONS
from azureml_emulator.github.syntax import Call, Context, ExpressionError, Index, Literal, Node, walk
from azureml_emulator.github.values import ARGUMENTS

# docs.github.com/actions/reference/workflows-and-actions/contexts#context-availability
WORKFLOW_ENV = frozenset({"github", "secrets", "inputs", "vars"})
JOB_IF = frozenset({"github", "needs", "vars", "inputs"})
JOB_ENV = JOB_IF | {"secrets"}
STEP = JOB_ENV | {"job", "runner", "env", "steps"}
STEP_IF = STEP - {"secrets"}
ALL = STEP | {"strategy", "matrix", "jobs"}

# The emulator knows only some properties of these contexts.
PROPERTIES = {
    "github": {
        "api_url",
        "event",
        "event_name",
        "event_path",
        "job",
        "repository",
        "repository_owner",
        "run_attempt",
        "run_id",
        "server_url",
        "token",
        "workflow",
        "workspace",
    },
    "job": {"status"},
    "runner": {"arch", "os", "temp"},
}


def check(nodes: Iterable[Node], available: frozenset[str], has_status: bool = False) -> None:
    """Check every expression of a text or condition before anything runs.

    Raises:
        ExpressionError: one uses something that GitHub does not offer there, or that the emulator does not know.
    """
    for whole in nodes:
        # Contexts that are read property by property, which is checked first.
        read: set[int] = set()
        for node in walk(whole):
            match node:
                case Index(Context(name), key) if name in PROPERTIES:
                    _check_property(name, key)
                    read.add(id(node.target))
                case Context(name):
                    _check_context(name, available, is_whole=id(node) not in read)
                case Call(name, arguments):
                    _check_call(name, len(arguments), has_status)


def _check_property(context: str, key: Node | None) -> None:
    known = isinstance(key, Literal) and str(key.value).lower() in PROPERTIES[context]
    if not known:
        name = f".{key.value}" if isinstance(key, Literal) else "[...]" if key else ".*"
        offered = ", ".join(sorted(PROPERTIES[context]))
        raise ExpressionError(f"the emulator does not know `{context}{name}`: of `{context}` it has {offered}")


def _check_context(name: str, available: frozenset[str], is_whole: bool) -> None:
    if name in ("strategy", "matrix"):
        raise ExpressionError(f"the emulator does not know `{name}`: it does not run a matrix")
    if name not in available:
        offered = ", ".join(sorted(available))
        why = "GitHub does not offer" if name in ALL else "there is no context"
        raise ExpressionError(f"{why} `{name}` here: there are {offered}")
    if name in PROPERTIES and is_whole:
        raise ExpressionError(f"the emulator does not know all of `{name}`: name the property that you need")


def _check_call(name: str, count: int, has_status: bool) -> None:
    if name == "hashfiles":
        raise ExpressionError("the emulator does not evaluate hashFiles")
    if name in STATUS_FUNCTIONS:
        if not has_status:
            raise ExpressionError(f"GitHub offers {name}() in `if` only")
        least = most = 0
    elif name in ARGUMENTS:
        least, most = ARGUMENTS[name]
    else:
        raise ExpressionError(f"the emulator does not know the function {name}")
    if not least <= count <= most:
        raise ExpressionError(f"{name} cannot take {count} arguments")
