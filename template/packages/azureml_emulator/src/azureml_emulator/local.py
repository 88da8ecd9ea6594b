"""Opens the workspace of a laptop: the real `MLClient` on the emulator, and operations without an Azure API."""

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
    """The credential of the person on the laptop."""

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
        """Advance the clock to the next full hour, after all scored rows have been collected."""
        self.flush()
        self.emulator.arm.clock.advance()

    def flush(self) -> bool:
        """Wait until all rows that online deployments have scored are collected, and return whether they are.

        The data collector sends from a thread: call this before closing a monitor's window or reading its rows.
        """
        return self.emulator.arm.online.flush()

    def close(self) -> None:
        """Stop the serving process without losing a record; the next use starts it again."""
        self.emulator.arm.online.host.stop()

    def monitor_run(self, job: str) -> "MonitorRun":
        """Return the results of a monitor's run."""
        return read_result(self._state, job)

    def last_monitor_run(self, monitor: str) -> "MonitorRun | None":
        """Return the results of a monitor's last run, None if it never ran."""
        return last_result(self._state, monitor)

    def failure(self, job: str) -> str:
        """Return why a job failed, with the end of its log; empty if that is not known."""
        return self.emulator.arm.jobs.failure(job)

    def deliver(self, project: Project, follow: Callable[[Hop], None], about: str = "") -> Iterator[list[Hop]]:
        """Deliver the events that the workspace has raised, the oldest first, and yield the hops of each.

        An event is removed once it arrived. One whose delivery failed or was interrupted is delivered again next time,
        so an event may arrive twice, as on Azure.

        Args:
            project: the receiver of the events.
            follow: receives each hop as it happens.
            about: deliver only the events of a run, or of `models/NAME:VERSION`.
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
        """Raise the event of a registered model version again, unless it is still pending."""
        events, workspace = self.emulator.arm.events, self._workspace
        if not events.pending(f"models/{model}:{version}"):
            events.put([model_registered(workspace.id, model, version)])


def _account(state: Path) -> str:
    """Return a name for the storage account that is impossible on Azure: it has hyphens."""
    return f"emulator-{hashlib.sha256(str(state.absolute()).encode()).hexdigest()[:12]}"
