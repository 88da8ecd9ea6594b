"""Checks what deployments collect: whether they are told to, and the newest hour for which there are rows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops.data.collected import FOLDER
from mlops.doctor.lines import Line, not_known, ok, problem
from mlops.paths import BATCH_ENDPOINT, ONLINE_DEPLOYMENT, ONLINE_ENDPOINT, ROOT, read_yaml
from mlops.refusals.explain import is_missing
from mlops.storage import Container, container
from mlops.workspace import now

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# The window of the monitor, and the time that its run takes to start.
RECENT = timedelta(hours=26)
NOT_YET = "nothing is deployed yet: run `mlops deploy`"


def look_at_deployments(client: "MLClient") -> Iterator[Line]:
    """Yield whether each deployment with traffic collects, and the newest hour with rows."""
    if ONLINE_ENDPOINT.exists():
        yield from _online(client, str(read_yaml(ONLINE_ENDPOINT)["name"]))
    if BATCH_ENDPOINT.exists():
        yield from _batch(client, str(read_yaml(BATCH_ENDPOINT)["name"]))


def _online(client: "MLClient", endpoint: str) -> Iterator[Line]:
    looked_at = f"online endpoint {endpoint}"
    found = _endpoint(client.online_endpoints, endpoint)
    serving = [name for name, share in (found.traffic or {}).items() if share] if found else []
    if not serving:
        yield ok(looked_at, NOT_YET)
        return
    wanted = read_yaml(ONLINE_DEPLOYMENT)["data_collector"]["collections"]
    for name in serving:
        deployment: Any = client.online_deployments.get(name, endpoint)
        collections = getattr(deployment.data_collector, "collections", None) or {}
        off = [each for each in wanted if not _is_on(collections.get(each))]
        if off:
            yield problem(
                f"deployment {name}",
                f"it does not collect {', '.join(off)}, which the monitor reads",
                f"Enable them in {ONLINE_DEPLOYMENT.relative_to(ROOT)} and deploy a new version",
            )
            continue
        newest = newest_hour(container(client), f"{FOLDER}/{endpoint}/{name}/model_inputs")
        yield _rows(f"collected rows of {name}", newest, now(client), "it")


def _batch(client: "MLClient", endpoint: str) -> Iterator[Line]:
    looked_at = f"batch endpoint {endpoint}"
    found = _endpoint(client.batch_endpoints, endpoint)
    default = getattr(getattr(found, "defaults", None), "deployment_name", None)
    if not default:
        yield ok(looked_at, NOT_YET)
        return
    try:
        client.batch_deployments.get(default, endpoint)
    except Exception as error:
        if not is_missing(error):
            raise
        yield problem(looked_at, f"its default deployment {default} does not exist", "Run `mlops deploy`")
        return
    yield ok(looked_at, f"{default} is its default deployment")
    if not ONLINE_ENDPOINT.exists():
        newest = newest_hour(container(client), f"scored/{endpoint}")
        yield _rows("rows that the batch endpoint scored", newest, now(client), "a job")


def _endpoint(endpoints: Any, name: str) -> Any:
    try:
        return endpoints.get(name)
    except Exception as error:
        if not is_missing(error):
            raise
        return None


def _is_on(collection: Any) -> bool:
    return str(getattr(collection, "enabled", "")).lower() == "true"


def _rows(looked_at: str, newest: datetime | None, moment: datetime, sender: str) -> Line:
    if newest is None:
        return not_known(
            looked_at,
            f"there are none: {sender} got no requests, or its rows were not collected",
            "Send rows with `mlops invoke`, wait ten minutes, and look again",
        )
    when = f"{newest:%Y-%m-%d %H}:00 UTC"
    if newest < moment - RECENT:
        return problem(
            looked_at,
            f"the newest are of {when}: the monitor's next window has none",
            "If there were requests since, the deployment's log says why they were not collected",
        )
    return ok(looked_at, f"the newest are of {when}")


def newest_hour(store: Container, folder: str) -> datetime | None:
    """Return the newest hour for which a folder has files, with one request for each level of year to hour."""
    path = f"{folder}/"
    for _ in range(4):
        below = [name for name in store.folders(path) if name.isdecimal()]
        if not below:
            return None
        path = f"{path}{max(below)}/"
    parts = path.removeprefix(f"{folder}/").strip("/").split("/")
    return datetime(*map(int, parts), tzinfo=UTC)  # type: ignore[arg-type,misc]
