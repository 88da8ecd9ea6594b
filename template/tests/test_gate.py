"""The gate promotes a model only if it is better beyond noise."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor

from model.evaluate import row_losses
from model.gate import decide, metric_name

MARGIN = 0.01


class Oracle:
    """Knows each row's target: no estimator is better."""

    def __init__(self, target):
        self._target = target
        self.classes_ = sorted(target.unique())

    def predict(self, features):
        return self._target.loc[features.index]

    def predict_proba(self, features):
        return np.array([[float(name == own) for name in self.classes_] for own in self.predict(features)])


@pytest.fixture
def losses(rows, contract):
    """Each model's loss on each of the project's rows."""
    guess = DummyClassifier() if contract.is_classification else DummyRegressor()
    guess.fit(rows[contract.features], rows[contract.target])
    models = {"better": Oracle(rows[contract.target]), "worse": guess}
    return {name: row_losses(model, rows, contract) for name, model in models.items()}


def decision(contract, challenger, champion, baseline):
    return decide(metric_name(contract.task), challenger, champion, baseline, MARGIN).decision


def test_better_than_the_champion_is_promoted(losses, contract):
    assert decision(contract, losses["better"], losses["worse"], losses["worse"]) == "PROMOTE"


def test_worse_than_the_champion_is_retained(losses, contract):
    assert decision(contract, losses["worse"], losses["better"], losses["worse"]) == "RETAIN"


def test_as_good_as_the_champion_is_retained(losses, contract):
    assert decision(contract, losses["better"], losses["better"], losses["worse"]) == "RETAIN"


def test_first_model_must_beat_the_baseline(losses, contract):
    assert decision(contract, losses["worse"], None, losses["worse"]) == "RETAIN"


def test_first_model_that_beats_the_baseline_is_promoted(losses, contract):
    assert decision(contract, losses["better"], None, losses["worse"]) == "PROMOTE"


@pytest.mark.parametrize("broken", ["challenger", "champion"])
def test_missing_metric_never_promotes(losses, contract, broken):
    known = {"challenger": losses["better"], "champion": losses["worse"], "baseline": losses["worse"]}
    assert decision(contract, **(known | {broken: losses["worse"] * np.nan})) == "RETAIN"


def test_improvement_within_noise_is_retained():
    noise = np.random.default_rng(0).normal(0, 1, 50)
    champion = np.full(50, 10.0)
    assert decide("log_loss", champion - 0.15 + noise, champion, champion, MARGIN).decision == "RETAIN"
