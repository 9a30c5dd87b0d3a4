"""What an event cost, by a census, and whether that is within its bound: pure.

The bound is widened by what is not metalev's: the questions' own pace, and three times what the meter found this
machine to have missed meanwhile, for the last beacon, the takeover and the answer each come from another program. It is
widened, too, by the dead time that was really in force: by as much as the speakers said that they wait longer than
usual, because beacons came late or their host had been starved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from msgspec import Struct

from metalev.lab.census import Record, Report
from metalev.lab.chaos.meter import Lateness, late_by
from metalev.lab.chaos.schedule import Event

OBSERVED_MS = 60  # between two questions, there and back
PROGRAMS = 3
BEFORE_S = 1.0  # lateness of beacons is remembered, and makes the others more patient, for about so long


class Happened(Struct, frozen=True):
    """An event, on which node, and its times (s of CLOCK_BOOTTIME): begun, mended, and all addresses answered again.

    ``patient``: by how many seconds the speakers said to wait longer than usual for one another, before, during
    or after it.
    """

    event: Event
    node: str
    began: float
    mended: float
    settled: float
    patient: float = 0.0


class Cost(Struct, frozen=True):
    """What it cost, against what it might: milliseconds, the address of the longest silence, the doubles."""

    happened: Happened
    silent_ms: float
    silent: str
    silent_bound_ms: float
    doubles: tuple[float, ...]
    doubles_beyond: int
    missed_ms: float

    @property
    def double_ms(self) -> float:
        """From the first question that two answered to the last."""
        return round((max(self.doubles) - min(self.doubles)) * 1000, 1) if self.doubles else 0.0

    @property
    def fine(self) -> bool:
        """Whether it is within the bounds."""
        return self.silent_ms <= self.silent_bound_ms and not self.doubles_beyond


def judge(happened: Happened, report: Report, lateness: list[Lateness]) -> Cost:
    """What the event cost."""
    silences = [(end - begin, address, begin, end) for address, begin, end in _silences(happened, report)]
    silence, address, begin, end = max(silences, default=(0.0, "", happened.began, happened.mended))
    missed = late_by(lateness, min(begin, happened.began) - BEFORE_S, end)
    bound = happened.event.bound
    patient_ms = happened.patient * 1000 if bound.silent_ms else 0.0
    allowed = bound.silent_ms + patient_ms + OBSERVED_MS + PROGRAMS * missed * 1000
    if bound.lasting:
        allowed += (happened.mended - happened.began) * 1000
    doubles = [double.at for record in report.records.values() for double in record.doubles]
    doubles = [at for at in doubles if _within(happened, at)]
    return Cost(
        happened=happened,
        silent_ms=round(silence * 1000, 1),
        silent=address,
        silent_bound_ms=round(allowed, 1),
        doubles=tuple(doubles),
        doubles_beyond=sum(at > _double_until(happened, lateness) for at in doubles),
        missed_ms=round(missed * 1000, 1),
    )


def _silences(happened: Happened, report: Report) -> Iterator[tuple[str, float, float]]:
    for address, record in report.records.items():
        for begin, end in _gaps(record):
            if end > happened.began and begin < happened.settled:
                yield address, begin, end


def _gaps(record: Record) -> Iterable[tuple[float, float]]:
    return [(before.last, after.first) for before, after in pairwise(record.spans)]


def _within(happened: Happened, at: float) -> bool:
    return happened.began <= at <= happened.settled


def _double_until(happened: Happened, lateness: list[Lateness]) -> float:
    """Until when two may answer."""
    allowed = happened.event.bound.double_ms
    if allowed is None:
        return happened.began
    missed = late_by(lateness, happened.began, happened.settled)
    return happened.mended + (allowed + OBSERVED_MS) / 1000 + PROGRAMS * missed
