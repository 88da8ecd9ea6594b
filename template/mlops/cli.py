"""Defines the `mlops` command, one thin function for each verb. Verbs import only the modules that they need."""

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from mlops.errors import RunFailedError, WrongInputError
from mlops.workspace import Target, close, connect, connect_laptop, deliver_events

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.azure.commands import Command
    from mlops.data.shifts import Shift

ABOUT = "Train, deploy, monitor and retrain this project's model: on the laptop, or with --target azure on Azure."
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=ABOUT)

Where = Annotated[
    Target | None, typer.Option("--target", help="Where to act; without it MLOPS_TARGET, else the laptop.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the commands as a bash script and run none.")]
ShiftName = Annotated[
    str | None, typer.Option("--shift", help="The drift: offset, scale, next_season (flights), label_noise or none.")
]


@app.command()
def data(target: Where = None) -> None:
    """Build and register the data assets."""
    from mlops.data.assets import build_data
    from mlops.display import show_assets

    show_assets(build_data(connect(target)))


@app.command()
def train(target: Where = None) -> None:
    """Run the training pipeline and show the gate's decision."""
    from mlops.display import show_training
    from mlops.training.pipeline import train

    client = connect(target)
    show_training(train(client))
    _deliver_events(client)


@app.command()
def deploy(
    version: Annotated[
        str | None, typer.Option(help="The model version; without it the newest that has not failed.")
    ] = None,
    max_latency_ms: Annotated[
        float | None,
        typer.Option(help="Maximum 95th-percentile latency in ms; without it the value in infra/project.yml."),
    ] = None,
    target: Where = None,
) -> None:
    """Roll a model version out; a failed check restores the old one."""
    from mlops.display import show_rollout, show_step
    from mlops.rollout.deploy import deploy, raise_if_rolled_back
    from mlops.settings import load_settings

    settings = load_settings().rollout
    if max_latency_ms is not None:
        settings = settings.within(max_latency_ms)
    result = deploy(connect(target), version, settings, show_step)
    show_rollout(result)
    raise_if_rolled_back(result)


@app.command()
def invoke(
    rows: Annotated[int | None, typer.Option(min=1, help="Number of rows; without it the size of a window.")] = None,
    drift: Annotated[
        str | None, typer.Option(help="Send rows with this drift: offset, scale, next_season, label_noise.")
    ] = None,
    target: Where = None,
) -> None:
    """Send production rows to the endpoint."""
    from mlops.data.production import invoke
    from mlops.display import show_sent

    shift = _shift(drift)
    show_sent(invoke(connect(target), [shift] if shift else [], rows))


@app.command()
def monitor() -> None:
    """Run the monitor once, over the rows since its last run."""
    from mlops.display import show_monitor
    from mlops.monitoring.schedule import raise_if_not_measured, run_monitor

    client = connect_laptop()
    run = run_monitor(client)
    show_monitor(run)
    raise_if_not_measured(run)
    _deliver_events(client)


@app.command()
def labels(target: Where = None) -> None:
    """Bind the monitor to the newest labels: run this after you have registered labels."""
    from mlops.console import console
    from mlops.monitoring.schedule import rebind_labels

    version = rebind_labels(connect(target))
    console.print(f"The monitor reads version {version} of the labels." if version else "No monitor reads labels here.")


@app.command()
def drift(
    baseline: Annotated[Path, typer.Option(help="The rows to compare with: CSV, Parquet or an MLTable folder.")],
    production: Annotated[Path, typer.Option(help="The rows to check: CSV, Parquet or an MLTable folder.")],
    numerical: Annotated[str, typer.Option(help="Columns to treat as numbers: a,b")] = "",
    categorical: Annotated[str, typer.Option(help="Columns to treat as categories: a,b")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Compute Azure's drift and quality metrics of two files."""
    from mlops.display import show_comparison
    from mlops.monitoring.drift import compare_files

    show_comparison(compare_files(baseline, production, _names(numerical), _names(categorical)), json)


@app.command()
def calibrate(
    runs_per_alert: Annotated[int, typer.Option(min=2, help="Allow at most one false alert per N monitor runs.")] = 20,
    version: Annotated[str | None, typer.Option(help="The model version whose reference to use.")] = None,
    target: Where = None,
) -> None:
    """Set the monitor's thresholds so that undrifted data rarely triggers an alert."""
    from mlops.display import show_calibration
    from mlops.monitoring.schedule import calibrate_monitor, monitor_file

    show_calibration(calibrate_monitor(connect(target), version, runs_per_alert), monitor_file())


@app.command()
def retrain(
    job: Annotated[str | None, typer.Option(help="The name of the training job, from triage.")] = None,
    target: Where = None,
) -> None:
    """Train on the old and the newly labelled rows."""
    from mlops.display import show_training
    from mlops.training.retrain import retrain

    client = connect(target)
    show_training(retrain(client, job))
    _deliver_events(client)


@app.command()
def triage(
    wanted: Annotated[Literal["retrain", "deploy"], typer.Argument(help="The outcome that the workflow can handle.")],
    file: Annotated[
        Path | None, typer.Option(help="A file with the event; without it EVENT_TYPE and EVENT_PAYLOAD.")
    ] = None,
    target: Where = None,
) -> None:
    """Decide about an event, and give the reason."""
    from mlops.console import console
    from mlops.events.triage import Outcome
    from mlops.events.workflow_event import decide, read_message, report
    from mlops.settings import load_settings

    able = Outcome.RETRAIN if wanted == "retrain" else Outcome.DEPLOY
    decision = decide(connect(target), read_message(os.environ, file), able, load_settings(), os.environ)
    report(decision, os.environ)
    console.print(f"[bold]{decision.outcome}[/]: {escape(decision.reason)}", highlight=False, soft_wrap=True)


@app.command()
def poll(target: Where = None) -> None:
    """Find breaches and new models and report them to GitHub, for projects without Event Grid."""
    from mlops.console import console
    from mlops.events.poll import poll
    from mlops.settings import load_settings

    for (event_type, _), decision in poll(connect(target), load_settings(), os.environ):
        console.print(f"{event_type}: {decision.outcome}: {escape(decision.reason)}", highlight=False, soft_wrap=True)


@app.command()
def doctor(
    job: Annotated[bool, typer.Option("--job", help="Also submit one small job, which looks around inside.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
    target: Where = None,
) -> None:
    """Look for what stands in the way, and name the remedy; it only reads, unless --job submits a job."""
    from mlops.doctor.checks import CHECKS
    from mlops.doctor.display import show_lines
    from mlops.doctor.examination import examine
    from mlops.doctor.lines import Outcome, presentable

    client = connect(target)
    found = examine(client, CHECKS)
    if job:
        from mlops.doctor.job import inside
        from mlops.jobs.display import show_steps
        from mlops.jobs.watching import last_of

        found += examine(client, [inside(last_of if json else show_steps)])
    lines = presentable(found)
    show_lines(lines, json)
    if any(line.outcome is Outcome.PROBLEM for line in lines):
        sys.exit(1)


@app.command()
def provision(dry_run: DryRun = False) -> None:
    """Deploy the Bicep; GITHUB_PRINCIPAL_ID names the identity that may train and deploy."""
    from mlops.azure.provision import provision
    from mlops.settings import load_settings

    _perform(provision(load_settings(), os.environ.get("GITHUB_PRINCIPAL_ID", "")), dry_run)


@app.command()
def bootstrap(dry_run: DryRun = False) -> None:
    """Set the project up in Azure and on GitHub; safe to run again."""
    from mlops.azure.bootstrap import bootstrap
    from mlops.settings import load_settings

    _perform(bootstrap(load_settings()), dry_run)


@app.command()
def teardown(
    confirm: Annotated[str, typer.Option(help="The GitHub repository, owner/name, to confirm.")] = "",
    dry_run: DryRun = False,
) -> None:
    """Remove the Azure resources that cost money."""
    from mlops.azure.teardown import teardown
    from mlops.settings import load_settings

    settings = load_settings()
    if not dry_run and confirm != settings.github.repository:
        raise WrongInputError(f"To remove everything in Azure, confirm with --confirm {settings.github.repository}.")
    _perform(teardown(settings), dry_run)


@app.command()
def loop(shift: ShiftName = None) -> None:
    """Run the whole loop: data, training, deployment, drift, alert, retraining, and a window without an alert."""
    from mlops.loop.display import LoopDisplay
    from mlops.loop.loop import Outcome, load_progress, run_loop
    from mlops.loop.report import write_report

    client, progress = connect_laptop(), load_progress(_shift(shift))
    try:
        with LoopDisplay(progress) as display:
            outcome = run_loop(client, progress, display.update)
    finally:
        close(client)
    path = write_report(progress)
    display.show_end(path)
    if outcome is not Outcome.CLOSED:
        sys.exit(1)


def _deliver_events(client: "MLClient") -> None:
    """Run the workflows that a registered model or a breach starts; Azure does so by itself.

    A command inside a workflow leaves its events to the command that runs the workflow.
    """
    from mlops.display import show_hop

    if os.environ.get("MLOPS_EVENTS") != "later":
        for _ in deliver_events(client, show_hop):
            pass


def _shift(name: str | None) -> "Shift | None":
    from mlops.data.shifts import Shift

    if name is None:
        return None
    if name not in list(Shift):
        raise WrongInputError(f"Unknown drift '{name}': choose {', '.join(Shift)}.")
    return Shift(name)


def _perform(commands: "list[Command]", dry_run: bool) -> None:
    from mlops.azure.commands import run, script
    from mlops.console import console

    if dry_run:
        print(script(commands), end="")
    else:
        changes = run(commands, lambda line: console.print(line, highlight=False, markup=False))
        console.print(f"{changes} of {len(commands)} commands changed something")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def run() -> None:
    """Run the command: exit code 2 for wrong input, 1 for a failed run, with a message instead of a stack trace.

    MLOPS_DEBUG=1 shows the stack trace.
    """
    # The SDK warns about its experimental classes on every load.
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    if not sys.stderr.isatty():
        # In a log each step of an upload's progress bar is a separate line.
        os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        app()
    except Exception as error:
        known = _ending(error)
        if known is None or os.environ.get("MLOPS_DEBUG"):
            raise
        print(f"mlops: {known[0]}", file=sys.stderr)
        sys.exit(known[1])


def _ending(error: Exception) -> tuple[str, int] | None:
    """Return the message and the exit code for an error, None for a fault of this project."""
    if isinstance(error, WrongInputError | RunFailedError):
        return str(error), 2 if isinstance(error, WrongInputError) else 1
    if isinstance(error, ValueError):
        from model.contract import ContractError

        if isinstance(error, ContractError):
            return str(error), 2
    from mlops.refusals.explain import explained, refusal_of

    return (str(explained(error)), 1) if refusal_of(error) else None


if __name__ == "__main__":
    run()
