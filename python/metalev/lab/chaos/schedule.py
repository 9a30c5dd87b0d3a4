"""What happens in a run, drawn from a seed, and what each kind of event may cost: pure values.

The bounds are those of ``docs/concepts/failover-proof.md``, in milliseconds, on a machine that runs whoever is to run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Literal, TypeAlias

from msgspec import Struct

Kind: TypeAlias = Literal[
    "death",
    "kill",
    "term",
    "pause",
    "restart",
    "cable",
    "mute",
    "deaf",
    "partition",
    "loss",
    "firewall",
    "starve",
    "rekey",
]
DEAD_MS = 160  # after the last beacon, the next candidate takes over
MEET_MS = 310  # two that lost each other speak four times a second, and the first word settles it


class Bound(Struct, frozen=True):
    """How long an address may be silent, and until how long after its end (ms) two may answer; None means never."""

    silent_ms: float
    double_ms: float | None = None
    lasting: bool = False  # the silence may last as long as the fault, and ``silent_ms`` longer


BOUNDS: Mapping[Kind, Bound] = {
    "death": Bound(DEAD_MS),
    "kill": Bound(DEAD_MS),
    "term": Bound(0, double_ms=0),  # while it hands over: make before break
    "pause": Bound(DEAD_MS),
    "restart": Bound(DEAD_MS),
    "cable": Bound(DEAD_MS),
    "mute": Bound(DEAD_MS, double_ms=MEET_MS),
    "deaf": Bound(DEAD_MS, double_ms=MEET_MS, lasting=True),
    "partition": Bound(0, double_ms=MEET_MS),
    "loss": Bound(DEAD_MS, double_ms=MEET_MS),
    "firewall": Bound(0),
    "starve": Bound(0),
    "rekey": Bound(0),
}
MEANING: Mapping[Kind, str] = {
    "death": "the node loses its power, and comes back",
    "kill": "its speaker gets SIGKILL, and is started again later",
    "term": "its speaker gets SIGTERM, and is started again",
    "pause": "its speaker gets SIGSTOP, questions queue, then SIGCONT",
    "restart": "its speaker gets SIGKILL and is started again at once",
    "cable": "its cable is out, then in again",
    "mute": "nothing that it sends arrives",
    "deaf": "nothing that is sent to it arrives",
    "partition": "nothing passes between it and the other nodes; the client reaches all",
    "loss": "30 % of what the nodes send each other is lost",
    "firewall": "it drops UDP 7946",
    "starve": "twice as many programs as there are processors spin",
    "rekey": "the key file gets a second key, which signs then, and loses the first",
}


class Event(Struct, frozen=True):
    """One fault: of the node that announces the ``service``, else of ``node``; mended after ``seconds``."""

    number: int
    kind: Kind
    service: str
    node: str
    seconds: float

    @property
    def bound(self) -> Bound:
        """What it may cost."""
        return BOUNDS[self.kind]

    def __str__(self) -> str:
        whom = f"the announcer of {self.service}" if self.service else self.node
        return f"{self.number} {self.kind} of {whom} for {self.seconds:g} s"


def schedule(seed: int, count: int, *, services: Sequence[str], nodes: Sequence[str]) -> list[Event]:
    """``count`` events; the same arguments give the same ones, and a longer run begins with a shorter one.

    Every kind comes once in each row of as many events as there are kinds.
    """
    random = Random(seed)  # noqa: S311 (nothing is guarded by it)
    events: list[Event] = []
    while len(events) < count:
        for kind in random.sample(list(BOUNDS), len(BOUNDS)):
            service = random.choice([*services, *services, ""])  # an announcer two times out of three or more
            seconds = round(random.uniform(0.3, 1.0), 2)
            events.append(Event(len(events) + 1, kind, service, random.choice(nodes), seconds))
    return events[:count]
