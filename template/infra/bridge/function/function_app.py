"""Forwards an Event Grid event of the workspace to GitHub as a `repository_dispatch`.

Event Grid filters the events before it calls this function. `mlops triage` in the workflow decides what an event
means for the project. After an exception Event Grid delivers again, for a day, and then dead-letters the event.
"""

import logging
import os
import re
from typing import Any

import azure.functions as func
import requests
from azure.identity import ManagedIdentityCredential
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

AZURE_ML = "Microsoft.MachineLearningServices."
BREACH_TAG = "azureml_modelmonitor_threshold_breached"
TIMEOUT = 10
RETRY = Retry(total=3, backoff_factor=1, status_forcelist=[429, 500, 502, 503, 504], allowed_methods=None)

app = func.FunctionApp()


@app.function_name("dispatch")
@app.event_grid_trigger(arg_name="event")
def dispatch(event: func.EventGridEvent) -> None:
    """Forward an event to GitHub.

    Raises:
        requests.HTTPError: Key Vault or GitHub refused, or still failed after the retries.
    """
    message = to_dispatch(event)
    if message is None:
        logging.info("Event %s of type %s is not forwarded.", event.id, event.event_type)
        return
    with requests.Session() as session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=RETRY))
        post(session, message)
    logging.info("Event %s was forwarded as %s.", event.id, message["event_type"])


def to_dispatch(event: func.EventGridEvent) -> dict[str, Any] | None:
    """Return the dispatch for an event, or None. Keys are lower-cased: Azure's documents spell them both ways."""
    data = lower_keys(event.get_json())
    common = {"event_id": event.id, "workspace": event.topic.rsplit("/", 1)[-1]}
    if event.event_type == AZURE_ML + "ModelRegistered":
        model = {"model_name": data.get("modelname"), "model_version": str(data.get("modelversion"))}
        return {"event_type": "model-registered", "client_payload": common | model}
    if event.event_type == AZURE_ML + "RunStatusChanged":
        run, tags = data.get("runid"), lower_keys(data.get("runtags"))
        signal = re.search("signal '([^']*)'", str(tags.get(BREACH_TAG)))
        breach = {
            "root_run_id": tags.get("mlflow.rootrunid") or run,
            "run_id": run,
            "signal": signal[1] if signal else "",
            "status": data.get("runstatus"),
        }
        return {"event_type": "drift-detected", "client_payload": common | breach}
    return None


def lower_keys(value: object) -> dict[str, Any]:
    """Return a JSON object with its keys in lower case, an empty one for anything else."""
    return {str(key).lower(): item for key, item in value.items()} if isinstance(value, dict) else {}


def post(session: requests.Session, message: dict[str, Any]) -> None:
    """Send a dispatch with the current token from Key Vault."""
    url = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}/dispatches"
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {read_token(session)}",
        "User-Agent": "azure-ml-bridge",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    session.post(url, json=message, headers=headers, timeout=TIMEOUT).raise_for_status()


def read_token(session: requests.Session) -> str:
    """Read the GitHub token's newest version, so that a renewed one works at once."""
    vault = ManagedIdentityCredential().get_token("https://vault.azure.net/.default")
    headers = {"Authorization": f"Bearer {vault.token}"}
    answer = session.get(os.environ["GITHUB_TOKEN_URI"], headers=headers, timeout=TIMEOUT)
    answer.raise_for_status()
    return str(answer.json()["value"])
