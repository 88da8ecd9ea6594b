"""Checks the monitor: its schedule, the components and tables that its signals name, and its last run."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops.data.assets import newest_version, read_asset
from mlops.doctor.bound import Asset, bound_monitor, components_of, deployment_of, readings_of, signals_of
from mlops.doctor.lines import Line, not_known, ok, problem
from mlops.errors import RunFailedError
from mlops.jobs.jobs import created_at, status_of
from mlops.monitoring.runs import descendants, mentions, roots
from mlops.monitoring.schedule import monitor_name
from mlops.paths import LABELLED_DATA, LABELS, read_yaml
from mlops.refusals.explain import is_missing
from mlops.workspace import is_local, now
from model.contract import load_contract

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# Azure's preprocessor sets it on the root of a run whose window has no rows (azureml-assets, model monitoring).
ERROR_TAG = "azureml.modelmonitor.error"
NO_DATA = "no data found"
REBIND = "`mlops deploy` binds the monitor again and registers what it names"
AFTER_RUN = timedelta(hours=2)


def look_at_data(client: "MLClient") -> Iterator[Line]:
    """Yield whether there are rows to train on."""
    name = str(read_yaml(LABELLED_DATA)["name"])
    newest = newest_version(client, name)
    yield ok(f"data asset {name}", f"newest version {newest}" if newest else "not registered yet: run `mlops data`")


def look_at_schedule(client: "MLClient") -> Iterator[Line]:
    """Yield whether the monitor runs, when it runs next, and whether what it watches still exists."""
    name = f"schedule {monitor_name()}"
    schedule = bound_monitor(client)
    if schedule is None:
        yield ok(name, "there is none yet: `mlops deploy` creates it")
        return
    moment = now(client)
    start, end = (_moment(getattr(schedule.trigger, key, None)) for key in ("start_time", "end_time"))
    if schedule.is_enabled is False:
        yield problem(name, "it is disabled", f"Enable it: `az ml schedule enable -n {monitor_name()}`")
    elif end and end < moment:
        yield problem(name, f"it ended at {_text(end)}", f"{REBIND}; the YAML has no `end_time`")
    else:
        yield ok(
            name,
            f"next run {_text(_next_run(schedule.trigger, moment, start))}"
            if _is_daily(schedule.trigger)
            else "it is enabled",
        )
    watched = deployment_of(schedule)
    if watched:
        yield from _watched(client, *watched)


def _watched(client: "MLClient", endpoint: str, name: str) -> Iterator[Line]:
    looked_at = f"monitored deployment {name}"
    try:
        client.online_deployments.get(name, endpoint)
        traffic = dict(client.online_endpoints.get(endpoint).traffic or {})
    except Exception as error:
        if not is_missing(error):
            raise
        yield problem(looked_at, "it does not exist any more, so the monitor gets no rows", REBIND)
        return
    if traffic.get(name):
        yield ok(looked_at, f"it exists and has {traffic[name]} % of the traffic")
    else:
        served = ", ".join(other for other, share in traffic.items() if share) or "no deployment"
        yield problem(looked_at, f"it has no traffic: {served} has", REBIND)


def look_at_components(client: "MLClient") -> Iterator[Line]:
    """Yield whether the components that the monitor names are registered."""
    schedule = bound_monitor(client)
    for asset, signals in components_of(schedule).items() if schedule else ():
        looked_at = f"component {asset.name}"
        try:
            client.components.get(asset.name, version=asset.version)
        except Exception as error:
            if not is_missing(error):
                raise
            named = ", ".join(signals)
            yield problem(looked_at, f"version {asset.version}, which {named} names, is not registered", REBIND)
        else:
            yield ok(looked_at, f"version {asset.version} is registered")


def look_at_tables(client: "MLClient") -> Iterator[Line]:
    """Yield whether the tables that the monitor compares with exist and have the columns that its signals need."""
    schedule = bound_monitor(client)
    needed: dict[Asset, dict[str, list[str]]] = {}
    for reading in readings_of(schedule) if schedule else ():
        signal = signals_of(schedule)[reading.signal]
        for column in _columns(signal, reading.asset.name):
            needed.setdefault(reading.asset, {}).setdefault(column, []).append(reading.signal)
    for asset, columns in needed.items():
        yield _table(client, asset, columns)


def _columns(signal: Any, asset: str) -> list[str]:
    """Return the columns that a signal needs of a table."""
    contract = load_contract()
    if asset == read_yaml(LABELS)["name"]:
        return [contract.id_column, contract.target]
    if str(getattr(signal, "type", "")).lower().endswith("prediction_drift"):
        return [contract.target]
    given = getattr(signal, "features", None)
    features = [str(name) for name in given] if isinstance(given, list) else contract.features
    return [*features, contract.target]


def _table(client: "MLClient", asset: Asset, columns: dict[str, list[str]]) -> Line:
    looked_at = f"data asset {asset.name}"
    remedy = (
        "Register its next version with this column, then run `mlops labels`"
        if asset.name == read_yaml(LABELS)["name"]
        else "Train and deploy again: the training writes the reference"
    )
    try:
        rows = read_asset(client, asset.name, asset.version)
    except RunFailedError as error:
        return problem(looked_at, f"the monitor cannot read version {asset.version}: {error}", remedy)
    lacking = {column: signals for column, signals in columns.items() if column not in rows}
    if lacking:
        signals = ", ".join(dict.fromkeys(signal for signals in lacking.values() for signal in signals))
        named = ", ".join(lacking)
        return problem(looked_at, f"version {asset.version} has no column {named}, which {signals} needs", remedy)
    if rows.empty:
        return problem(looked_at, f"version {asset.version} has no rows", remedy)
    return ok(looked_at, f"version {asset.version} has the columns that the monitor needs")


def look_at_last_run(client: "MLClient") -> Iterator[Line]:
    """Yield how the monitor's last run ended, and why it failed."""
    schedule = bound_monitor(client)
    if schedule is None:
        return
    looked_at, moment = "last run of the monitor", now(client)
    # Without a run that names the monitor, the others may be of any pipeline.
    named = [job for job in roots(client, monitor_name(), moment) if mentions(job, monitor_name())]
    runs = sorted(named, key=lambda job: created_at(job) or moment)
    if not runs:
        yield _never_ran(looked_at, schedule, moment, is_local(client))
        return
    last = runs[-1]
    steps = list(descendants(client, str(last.name)))
    told = [str((run.tags or {}).get(ERROR_TAG, "")) for run in (last, *steps)]
    failed = dict.fromkeys(str(run.display_name or run.name) for run in steps if status_of(run) == "Failed")
    when = f"the run of {_text(created_at(last) or moment)}"
    if any(NO_DATA in text.lower() for text in told):
        yield problem(
            looked_at,
            f"{when} found no rows in its window",
            "If the deployment got requests, look at the line about its collected rows; else send some",
        )
    elif status_of(last) == "Failed" or failed:
        reason = next(filter(None, told), "")
        yield problem(
            looked_at,
            f"{when} failed at {', '.join(failed) or 'no step that is known'}{f': {reason}' if reason else ''}",
            "Open the log of this step in the studio, and search for its message in docs/troubleshooting.md",
        )
    elif status_of(last) == "Completed":
        yield ok(looked_at, f"{when} completed")
    else:
        yield not_known(looked_at, f"{when} is {status_of(last)}", "Look again when it has ended")


def _never_ran(looked_at: str, schedule: Any, moment: datetime, is_laptop: bool) -> Line:
    """Return a line about a monitor without a recent run. On the laptop it runs on request only."""
    start = _moment(getattr(schedule.trigger, "start_time", None))
    if is_laptop or start is None or start + AFTER_RUN > moment:
        return ok(looked_at, "it has not run yet")
    return not_known(
        looked_at,
        f"no run is listed, but its first was due at {_text(start)}",
        "Open the schedule in the studio under Monitoring: it shows its runs",
    )


def _moment(given: Any) -> datetime | None:
    if not given:
        return None
    found = given if isinstance(given, datetime) else datetime.fromisoformat(str(given).replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _next_run(trigger: Any, moment: datetime, start: datetime | None) -> datetime:
    """Return the next time at which a daily trigger runs."""
    first = max(moment, start) if start else moment
    times = getattr(trigger, "schedule", None)
    hours, minutes = (_first(getattr(times, name, None)) for name in ("hours", "minutes"))
    due = first.replace(hour=hours, minute=minutes, second=0, microsecond=0)
    return due if due >= first else due + timedelta(days=1)


def _is_daily(trigger: Any) -> bool:
    """Return whether a trigger is the one of this project's YAML; the times of others are not computed."""
    is_daily = str(getattr(trigger, "frequency", "")).lower() == "day" and getattr(trigger, "interval", None) == 1
    return is_daily and bool(getattr(getattr(trigger, "schedule", None), "hours", None))


def _first(given: Any) -> int:
    return int(given[0] if isinstance(given, list) else given or 0)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
