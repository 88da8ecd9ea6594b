"""Runs a batch deployment's scoring script over files, as Azure's driver does: `batch_driver.py SETTINGS`.

A mini-batch whose `run` raises, takes too long or returns neither a list nor a DataFrame is tried again; then all of
its files have failed. If it returns fewer results than it had files, the difference counts as failed files. The job
fails if more files failed than the error threshold allows, or if no file succeeded and rows are appended.
"""

import importlib.util
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO


def main(settings: dict[str, Any]) -> None:
    """Score every mini-batch and append the results to the output file.

    Raises:
        SystemExit: the script lacks a function, the output exists already, or too many files failed.
    """
    output = Path(settings["output"])
    if output.exists():
        raise SystemExit(f"Output already exists: {output}. A batch deployment does not overwrite a file.")
    script = _load(Path(settings["script"]))
    script.init()
    signal.signal(signal.SIGALRM, _too_slow)
    files, size, failed = settings["files"], settings["mini_batch_size"], 0
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w", encoding="utf-8") as rows:
        for start in range(0, len(files), size):
            batch = files[start : start + size]
            results = _attempt(script, batch, settings)
            failed += max(0, len(batch) - len(results))
            if 0 <= settings["error_threshold"] < failed:
                raise SystemExit(
                    f"{failed} of {len(files)} files failed, error_threshold allows {settings['error_threshold']}."
                )
            if settings["append_row"]:
                _append(rows, results)
    if settings["append_row"] and failed == len(files):
        raise SystemExit(
            "No succeeded mini batch item returned from run(). "
            "Please check 'response: run()' in https://aka.ms/batch-inference-documentation."
        )
    print(f"{len(files)} files, {failed} of them failed")


def _attempt(script: Any, batch: list[str], settings: dict[str, Any]) -> Any:
    for attempt in range(settings["max_retries"] + 1):
        signal.setitimer(signal.ITIMER_REAL, settings["timeout"])
        try:
            return _checked(script.run(batch))
        except Exception:
            signal.setitimer(signal.ITIMER_REAL, 0)
            print(f"Attempt {attempt + 1} at {', '.join(Path(name).name for name in batch)} failed:", file=sys.stderr)
            traceback.print_exc()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return []


def _checked(returned: Any) -> Any:
    if isinstance(returned, tuple):
        return list(returned)
    if not isinstance(returned, list) and not _is_table(returned):
        raise TypeError(f"The return value '{returned}' is not a Pandas DataFrame or a list.")
    return returned


def _is_table(returned: Any) -> bool:
    # A script that returns a DataFrame has imported pandas.
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(returned, pandas.DataFrame)


def _append(rows: TextIO, results: Any) -> None:
    if _is_table(results):
        results.to_csv(rows, header=False, index=False, sep=" ")
    else:
        rows.writelines(f"{result}\n" for result in results)


def _too_slow(*_: Any) -> None:
    raise TimeoutError("The mini-batch took longer than retry_settings.timeout.")


def _load(path: Path) -> Any:
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("scoring_script", path)
    assert spec and spec.loader, path
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name in ("init", "run"):
        if not callable(getattr(script, name, None)):
            raise SystemExit(
                f"The scoring script {path.name} has no function {name}(): it must contain init() and run()."
            )
    return script


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    sys.stdout.flush()
    # Every row is written. Native threads of libraries that are still running can abort a process as it ends.
    os._exit(0)
