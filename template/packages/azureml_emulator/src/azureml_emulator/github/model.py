"""A workflow in the form that the emulator runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azureml_emulator.github.expressions import Condition, Text

Texts = Mapping[str, Text]


@dataclass(frozen=True)
class Step:
    """A step of a job; without a script it is an action that prepares a runner, and is left out."""

    place: str
    id: str
    name: Text
    condition: Condition
    script: Text | None
    shell: str
    folder: Text
    env: Texts
    continue_on_error: Text


@dataclass(frozen=True)
class Job:
    """A job; `ancestors` are the jobs that it needs, directly or indirectly."""

    place: str
    id: str
    needs: tuple[str, ...]
    ancestors: tuple[str, ...]
    condition: Condition
    env: Texts
    outputs: Texts
    steps: tuple[Step, ...]
    timeout_minutes: float


@dataclass(frozen=True)
class Input:
    """An input of `workflow_dispatch`."""

    name: str
    type: str
    default: Any
    is_required: bool


@dataclass(frozen=True)
class Workflow:
    """A workflow; its jobs are in an order in which they can run."""

    file: str
    name: str
    env: Texts
    inputs: tuple[Input, ...]
    jobs: tuple[Job, ...]
