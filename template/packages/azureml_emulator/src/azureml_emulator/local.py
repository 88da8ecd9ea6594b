"""The workspace of a laptop: the real `MLClient` in front of the emulator, and what has no counterpart on Azure."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken

from azureml_emulator.application import Emulator
from azureml_emulator.events.bridge import Hop, Project, deliver
from azureml_emulator.events.event_grid import model_registered
from azureml_emulator.identity import token
from azureml_emulator.monitors.run import last_result, read_result
from azureml_emulator.transport import EmulatorTransport
from azureml_emulator.workspace import Workspace

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from azureml_metrics.results import MonitorRun

PERSON = "44444444-4444-4444-4444-444444444444"


class Person:
    """The credential of whoever works on the laptop."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Return a token for a service."""
        lifetime = 24 * 3600
        text = token(PERSON, scopes[0], lifetime)
        return AccessToken(text, int(datetime.now().timestamp()) + lifetime)


class LocalWorkspace:
    """A workspace in a folder.

    Args:
        state: the folder.
        name: the workspace's name.
        group: its resource group's name.
    """

    def __init__(self, state: Path, name: str, group: str):
        self._state = state
        self._workspace = Workspace(group=group, name=name, account=_account(state))
        self.emulator = Emulator(state, self._workspace)
        self.credential = Person()
        self.transport = EmulatorTransport(self.emulator)

    def client(self, **options: Any) -> "MLClient":
        """Return the SDK's own client, whose requests the emulator answers."""
        from azure.ai.ml import MLClient

        from azureml_emulator.sdk import open_storage_in_process

        open_storage_in_process(self._workspace.account, self.transport)
        return MLClient(
            self.credential,
            subscription_id=self._workspace.subscription,
            resource_group_name=self._workspace.group,
            workspace_name=self._workspace.name,
            transport=self.transport,
            **options,
        )

    def now(self) -> datetime:
        """Return the emulator's time."""
        return self.emulator.arm.clock.now()

    def end_hour(self) -> None:
        """Move the clock on to the next full hour, after all that was scored has been collected."""
        self.flush()
        self.emulator.arm.clock.advance()

    def flush(self) -> bool:
        """Wait until what online deployments have scored is collected too, and return whether it is.

        The data collector sends from a thread: ask for this before a monitor's window is closed or its rows are read.
        """
        return self.emulator.arm.online.flush()

    def close(self) -> None:
        """Stop the process that serves, without losing a record; the next use starts it again."""
        self.emulator.arm.online.host.stop()

    def monitor_run(self, job: str) -> "MonitorRun":
        """Return what a monitor's run found."""
        return read_result(self._state, job)

    def last_monitor_run(self, monitor: str) -> "MonitorRun | None":
        """Return what a monitor's last run found, None if it never ran."""
        return last_result(self._state, monitor)

    def failure(self, job: str) -> str:
        """Return why a job failed, with the end of its log; empty if that is not known."""
        return self.emulator.arm.jobs.failure(job)

    def deliver(self, project: Project, follow: Callable[[Hop], None], about: str = "") -> Iterator[list[Hop]]:
        """Deliver the events that the workspace has raised, the oldest first, and yield the hops of each.

        An event is gone once it arrived. One whose delivery failed or was interrupted is delivered again next time, so
        an event may arrive twice, as on Azure.

        Args:
            project: where events lead to.
            follow: is told each hop as it happens.
            about: deliver only what a run, or `models/NAME:VERSION`, has raised.
        """
        tried: set[Path] = set()
        while pending := self.emulator.arm.events.pending(about, tried):
            file, event = pending
            tried.add(file)
            hops = deliver(event, project, self._state, follow=follow)
            if all(hop.ok for hop in hops):
                file.unlink(missing_ok=True)
            yield hops

    def repeat_registration(self, model: str, version: str) -> None:
        """Raise the event of a registered model version again, unless it is waiting still."""
        events, workspace = self.emulator.arm.events, self._workspace
        if not events.pending(f"models/{model}:{version}"):
            events.put([model_registered(workspace.id, model, version)])


def _account(state: Path) -> str:
    """Return a name for the storage account that no account on Azure can have: those have no hyphens."""
    return f"emulator-{hashlib.sha256(str(state.absolute()).encode()).hexdigest()[:12]}"
