"""The results of one run of a monitor: the signals over a window, and the state of the run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from azureml_metrics.signals import Measurement, SignalResult, State, breach_tag

# These compare all rows of a window with the reference, and need no label.
DRIFT = ("data_drift", "prediction_drift")


@dataclass(frozen=True)
class MonitorRun:
    """One run of a monitor over one window."""

    name: str
    monitor: str
    start: str
    end: str
    signals: tuple[SignalResult, ...]

    @property
    def breached(self) -> tuple[SignalResult, ...]:
        """Return the signals that alert."""
        return tuple(signal for signal in self.signals if signal.state is State.ALERT)

    @property
    def unmeasured(self) -> tuple[SignalResult, ...]:
        """Return the signals that measured nothing."""
        return tuple(signal for signal in self.signals if signal.state is State.NOT_MEASURED)

    @property
    def state(self) -> State:
        """Return the state of the run.

        A run with one alert alerts. Otherwise the window counts as measured if a drift signal measured something, or in
        a monitor without drift signals any other one. A performance signal often has no labels yet.
        """
        if self.breached:
            return State.ALERT
        deciding = [signal for signal in self.signals if signal.type in DRIFT] or self.signals
        measured = any(signal.state is not State.NOT_MEASURED for signal in deciding)
        return State.NO_ALERT if measured else State.NOT_MEASURED

    @property
    def tags(self) -> dict[str, str]:
        """Return the tag text of each signal that alerts, as Azure's evaluate step sets it on its run."""
        return {signal.name: breach_tag(signal) for signal in self.signals if signal.is_tagged}


def to_json(run: MonitorRun) -> dict[str, Any]:
    """Return a run as JSON."""
    return asdict(run)


def from_json(content: Mapping[str, Any]) -> MonitorRun:
    """Return a run from its JSON."""
    signals = tuple(
        SignalResult(
            **{
                **signal,
                "measurements": tuple(Measurement(**found) for found in signal["measurements"]),
                "notes": tuple(signal["notes"]),
            }
        )
        for signal in content["signals"]
    )
    return MonitorRun(**{**content, "signals": signals})
