"""Reads the triggers of a workflow: `on`, in all its forms."""

from azureml_emulator.github.model import Input
from azureml_emulator.github.yaml_lines import Field

INPUT_TYPES = ("string", "choice", "environment", "boolean", "number")


def triggers(workflow: Field) -> dict[str, Field]:
    """Return a workflow's events; `on` is one event, a list of events, or a mapping with each event's filters."""
    on = workflow.mapping().get("on")
    if on is None:
        workflow.refuse("the key `on` is missing")
    return on.mapping() if on.is_mapping else {item.text(): item for item in on.items()}


def is_dispatched(workflow: Field, event_type: str) -> bool:
    """Return whether a `repository_dispatch` of this type starts the workflow; without `types` every type does."""
    dispatch = triggers(workflow).get("repository_dispatch")
    if dispatch is None:
        return False
    restrictions = {} if dispatch.is_scalar else dispatch.known(["types"], {})
    types = restrictions.get("types")
    return types is None or types.is_empty or event_type in [item.text() for item in types.items()]


def dispatch_inputs(workflow: Field) -> tuple[Input, ...]:
    """Return the inputs that `workflow_dispatch` takes."""
    dispatch = triggers(workflow).get("workflow_dispatch")
    if dispatch is None or dispatch.is_scalar:
        return ()
    inputs = dispatch.known(["inputs"], {}).get("inputs")
    return tuple(_input(name, given) for name, given in inputs.mapping().items()) if inputs else ()


def _input(name: str, given: Field) -> Input:
    fields = given.known(["description", "required", "default", "type", "options", "deprecationMessage"], {})
    kind = fields["type"].text() if "type" in fields else "string"
    if kind not in INPUT_TYPES:
        fields["type"].refuse(f"GitHub knows the types {', '.join(INPUT_TYPES)}")
    default = fields["default"].text() if "default" in fields else ""
    is_required = "required" in fields and fields["required"].text() == "true"
    return Input(name, kind, default, is_required)
