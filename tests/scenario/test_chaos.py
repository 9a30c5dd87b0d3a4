"""A short run of chaos: every kind of event at least once, each within its bounds."""

from pathlib import Path

import pytest

from metalev.lab.chaos.run import SERVICES, Chaos
from metalev.lab.chaos.schedule import schedule
from metalev.lab.chaos.story import told

SEED = 1
EVENTS = 16


@pytest.mark.timeout(600)
def test_no_event_of_a_short_run_costs_more_than_its_bound(tmp_path: Path) -> None:
    with Chaos(tmp_path) as chaos:
        events = schedule(SEED, EVENTS, services=list(SERVICES), nodes=list(chaos.cluster.lab.nodes))
        costs = chaos.play(events)
    assert [cost.happened.event for cost in costs] == events
    assert [told(cost) for cost in costs if not cost.fine] == []
