"""Checks the workspace's storage: a monitor reads it by Hadoop, whose driver depends on how the datastore signs in."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlops.doctor.lines import Line, ok, problem
from mlops.monitoring.schedule import COLLECTED, monitor_file
from mlops.paths import ROOT, read_yaml
from mlops.refusals.explain import is_missing
from mlops.storage import BLOB_STORE

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

DEFAULT, OWN = "default datastore", f"datastore {BLOB_STORE}"
WITHOUT = "NoneCredentialConfiguration"


def look_at_storage(client: "MLClient") -> Iterator[Line]:
    """Yield whether the default datastore has a key that a component of the monitor would fail with."""
    store = client.datastores.get_default()
    with_key = _has_key(store)
    reading = sorted(_preprocessed(read_yaml(monitor_file())["create_monitor"]["monitoring_signals"]))
    if with_key and reading:
        # Hadoop's azureml:// becomes wasb with a key, and wasb reads no append blobs, which the collector writes.
        yield problem(
            DEFAULT,
            f"{store.name} has a key, and the signals {', '.join(reading)} read collected rows with a component of "
            "their own: with a key Spark cannot read append blobs",
            f"Remove `pre_processing_component` from {monitor_file().relative_to(ROOT)}, so that Azure's own "
            "preprocessor reads them, or set the workspace's `systemDatastoresAuthMode` to identity",
        )
    else:
        yield ok(DEFAULT, f"{store.name}, {'with a key' if with_key else 'without a key'}")
    if store.name == BLOB_STORE:
        return
    try:
        client.datastores.get(BLOB_STORE)
    except Exception as error:
        if not is_missing(error):
            raise
        yield problem(
            OWN, "the workspace does not have it", "Create it in the studio: outputs and collected rows are kept there"
        )


def _has_key(store: Any) -> bool:
    return store.credentials is not None and type(store.credentials).__name__ != WITHOUT


def _preprocessed(signals: dict[str, Any]) -> set[str]:
    """Return the signals that read rows of the data collector with a component of the project."""
    found = set()
    for name, signal in signals.items():
        for data in [signal.get("production_data") or {}, *(signal.get("input_data") or {}).values()]:
            path = str((data.get("input_data") or {}).get("path"))
            if data.get("pre_processing_component") and (COLLECTED.match(path) or "modelDataCollector" in path):
                found.add(name)
    return found
