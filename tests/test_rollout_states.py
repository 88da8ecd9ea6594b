"""Tests a rollout in every state: the serving deployment is never deleted, and its traffic never gets lost."""

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops.rollout.plan import Action, Serving, back, forward, whole
from rollout_states import NEW, Fault, Simulated, World, run

OTHERS = ("model-1", "blue")
SHARES = (
    {},
    {"model-1": 0, NEW: 0, "blue": 0},
    {"model-1": 100},
    {NEW: 100},
    {"blue": 100},
    {"gone": 100},
    {"model-1": 90, NEW: 10},
    {"model-1": 60, "blue": 40},
    {NEW: 50, "blue": 50},
    {"model-1": 45, "blue": 45, NEW: 10},
    {"model-1": 30},
    {NEW: 30},
    {"gone": 60, "model-1": 40},
    {"gone": 60, NEW: 40},
)
UNFIT = ("", "create", "test", "watch")
FAULTS = [(kind, late) for kind in ("refused", "refused for good", "interrupted", "killed") for late in (False, True)]
tried = 0


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("mlops.rollout.protocol.PAUSES", (0.0, 0.0, 0.0))


def states(share):
    """Yield every state of an endpoint with up to three deployments."""
    for conditions in product(("", "sound", "broken"), repeat=3):
        deployments = {name: condition for name, condition in zip((NEW, *OTHERS), conditions, strict=True) if condition}
        for traffic in SHARES:
            if share or list(traffic.values()) in ([100], []):
                yield deployments, traffic


def check(make, unfit, fault, share):
    """Run a rollout with a fault, then again without one, and check both against the rules."""
    global tried
    tried += 1
    world = World(fault)
    endpoint = make(world)
    endpoint.unfit = unfit
    before, existed, others = endpoint.serving(), dict(endpoint.deployments), set(endpoint.deployments) - {NEW}
    is_alone = set(before) == {NEW}
    old = {name: part for name, part in before.items() if name != NEW}
    ended = run(endpoint)
    story = (existed, before, unfit, fault, ended, endpoint.log)
    assert world.violations == [], story
    if is_alone:
        assert NEW in endpoint.serving(), story
        assert not {"create", "test", "watch"} & set(endpoint.log), story
        assert ended != "unfit", story
    if ended == "serves":
        assert endpoint.serving() == {NEW: 100}, story
        assert set(endpoint.deployments) == {NEW} or endpoint.deployments[NEW] == "broken", story
    if ended == "unfit":
        assert unfit, story
        assert endpoint.serving() in (old, whole(old)), story
        assert others == set(endpoint.deployments) - {NEW}, story
        assert NEW not in endpoint.deployments or (fault and fault.kind.startswith("refused")), story
    if fault and fault.kind in ("refused", "interrupted") and ended != "serves" and old and NEW in existed | before:
        serving = set(endpoint.serving())
        assert serving == {NEW} or serving <= set(old) or not endpoint.log, story
    # The second run succeeds.
    world.fault, world.is_dead, endpoint.unfit = None, False, ""
    assert run(endpoint) == "serves", story
    assert world.violations == [], (story, endpoint.log)
    assert endpoint.serving() == {NEW: 100}, (story, endpoint.log)
    return world


def calls_of(make, unfit):
    world = World()
    endpoint = make(world)
    endpoint.unfit = unfit
    run(endpoint)
    return world.calls


@pytest.mark.parametrize("share", [10, None], ids=["online", "batch"])
def test_no_state_and_no_fault_removes_the_serving_deployment(share, record_property):
    """Try every state, every step that can be unfit, and every fault at every call; then run again without a fault."""
    global tried
    tried = 0
    for deployments, traffic in states(share):

        def make(world, deployments=deployments, traffic=traffic):
            return Simulated(world, deployments, traffic, share)

        for unfit in UNFIT:
            check(make, unfit, None, share)
            for at in range(calls_of(make, unfit)):
                for kind, late in FAULTS:
                    check(make, unfit, Fault(at, kind, late), share)
    record_property(f"states and faults of a rollout tried ({'online' if share else 'batch'})", tried)
    assert tried > 10_000


names = st.sampled_from((NEW, "model-1", "model-3", "blue", "green"))
kinds = st.sampled_from(FAULTS)


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deployments=st.dictionaries(names, st.sampled_from(("sound", "broken")), max_size=5),
    traffic=st.dictionaries(st.one_of(names, st.just("gone")), st.integers(0, 100), max_size=6),
    default=st.one_of(st.none(), names),
    share=st.integers(1, 99),
    unfit=st.sampled_from(UNFIT),
    at=st.integers(0, 30),
    kind=kinds,
    second=st.integers(0, 30),
    second_kind=kinds,
)
def test_both_endpoints_survive_two_faulty_runs(
    deployments, traffic, default, share, unfit, at, kind, second, second_kind
):
    world = World(Fault(at, *kind))
    online = Simulated(world, deployments, traffic, share)
    batch = Simulated(world, deployments, {default: 100} if default in deployments else {}, None)
    online.unfit = unfit
    served = [bool(endpoint.serving()) for endpoint in (batch, online)]
    for fault in (Fault(second, *second_kind), None):
        run(batch, online)
        assert world.violations == []
        assert all(not was or endpoint.serving() for was, endpoint in zip(served, (batch, online), strict=True))
        world.fault, world.is_dead, world.calls = fault, False, 0
    online.unfit = ""
    assert run(batch, online) == "serves"
    assert world.violations == []
    assert (online.serving(), batch.serving()) == ({NEW: 100}, {NEW: 100})


def test_one_endpoint_switches_only_when_the_other_is_ready():
    world = World()
    online = Simulated(world, {"model-1": "sound"}, {"model-1": 100}, 10)
    batch = Simulated(world, {"model-1": "sound"}, {"model-1": 100}, None)
    online.unfit = "watch"
    assert run(batch, online) == "unfit"
    assert batch.log == ["create", "test", f"delete {NEW}"]
    assert (online.serving(), batch.serving()) == ({"model-1": 100}, {"model-1": 100})


def test_rollout_that_another_runner_has_overtaken_changes_nothing():
    """Version 3 serves and version 1 is deleted, while version 2 still waits for its result."""
    endpoint = Simulated(World(), {"model-1": "sound"}, {"model-1": 100}, 10)

    def overtake():
        endpoint.deployments = {"model-3": "sound", NEW: "sound"}
        endpoint.traffic = {"model-3": 100}

    endpoint._judge = lambda step: overtake() if step == "watch" else None
    assert run(endpoint) == "serves"
    assert endpoint.world.violations == []
    assert endpoint.serving() == {NEW: 100}


def test_first_rollout_creates_and_tests_before_any_traffic():
    endpoint = Simulated(World(), {}, {}, 10)
    assert run(endpoint) == "serves"
    assert endpoint.log == ["create", "test", "watch", f"give {{'{NEW}': 100}}"]


def test_next_version_shares_first_and_deletes_last():
    endpoint = Simulated(World(), {"model-1": "sound"}, {"model-1": 100}, 10)
    run(endpoint)
    steps = [line.split()[0] for line in endpoint.log]
    assert steps == ["create", "test", "give", "watch", "give", "delete"]
    assert endpoint.log[2] == f"give {{'model-1': 90, '{NEW}': 10}}"


def test_version_with_all_traffic_only_loses_its_predecessors():
    """The state after a rollout that ended between all traffic and the last deletion."""
    endpoint = Simulated(World(), {"model-1": "sound", NEW: "sound"}, {NEW: 100, "model-1": 0}, 10)
    endpoint.unfit = "watch"
    assert run(endpoint) == "serves"
    assert endpoint.log == ["delete model-1"]


def test_version_that_serves_alone_changes_nothing():
    now = Serving(frozenset({NEW}), traffic={NEW: 100})
    assert forward(NEW, now).action is Action.NOTHING


def test_failed_deployment_with_a_share_loses_it_before_it_is_created_again():
    endpoint = Simulated(World(), {"model-1": "sound", NEW: "broken"}, {"model-1": 90, NEW: 10}, 10)
    assert run(endpoint) == "serves"
    assert endpoint.log[:3] == ["give {'model-1': 100}", f"delete {NEW}", "create"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 100), min_size=1, max_size=8),
    st.integers(1, 100),
)
def test_scaled_shares_sum_to_100(shares, total):
    scaled = whole(shares, total)
    assert sum(scaled.values()) == (total if any(shares.values()) else 0)
    assert all(
        abs(scaled.get(name, 0) - total * part / sum(shares.values())) < 1 for name, part in shares.items() if part
    )


def test_rollback_restores_every_share():
    now = Serving(frozenset({"a", "b", NEW}), traffic={"a": 54, "b": 36, NEW: 10})
    assert back(NEW, now, {"a": 60, "b": 40}, True).shares == {"a": 60, "b": 40}
