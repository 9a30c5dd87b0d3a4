"""How much longer than usual speakers waited for one another, by their own word: pure.

What they promise and how patient they are stands in their metrics; how long one was waited for that was given up, in
their logs. So the bound of an event is widened by the dead time that was really in force, and by no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

PROMISE_S = 0.15  # what a speaker promises that is in time
PATIENCE_S = 0.16  # how long its peers wait for it
PROMISE = "metalev_promise_seconds"
PATIENCE = "metalev_peer_patience_seconds"
# The engine's words: of a peer that is given up, and of a speaker that did not run, and so has let go by itself.
_GIVEN_UP = re.compile(r"silent for \d+ ms \(patience (\d+) ms\)")
_OVERSLEPT = re.compile(r"did not run for (\d+) ms \(the promise lasts (\d+) ms\)")


def in_force(metrics: Iterable[Mapping[str, float]]) -> float:
    """By how many seconds a speaker may wait longer than usual for another now, by what all of them show."""
    longer = [
        value - (PROMISE_S if name == PROMISE else PATIENCE_S)
        for samples in metrics
        for name, value in samples.items()
        if name == PROMISE or name.startswith(f"{PATIENCE}{{")
    ]
    return max(0.0, *longer) if longer else 0.0


def was_in_force(logs: Mapping[str, str], struck: str) -> float:
    """By how many seconds one waited longer, by what the speakers of these nodes logged meanwhile.

    One that did not run falls silent and then listens, which is its host's doing; unless that was done to it, being the
    one that was ``struck``.
    """
    waited = [int(patience) / 1000 - PATIENCE_S for log in logs.values() for patience in _GIVEN_UP.findall(log)]
    others = (log for node, log in logs.items() if node != struck)
    slept = [(int(pause) + int(promise)) / 1000 for log in others for pause, promise in _OVERSLEPT.findall(log)]
    return max(0.0, *waited, *slept) if waited or slept else 0.0
