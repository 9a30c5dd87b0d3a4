"""Somebody else who keeps writing the same status: whether to go on, and what to say.

k3s' servicelb, kube-vip, Cilium and others write ``status.loadBalancer``, too. Each write of one is news to the other,
so that both would write for ever. After :data:`ROUNDS` rounds metalev leaves the Service to the other one.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from metalev.decide.outcome import COMPONENT, CONDITION
from metalev.decide.words import quoted
from metalev.model.actions import Action, Event, EventType, RecordEvent, WriteServiceStatus
from metalev.model.address import IPAddress
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.services import Condition, ConditionStatus, Service, ServiceStatus

ROUNDS = 3
"""How often what was written may be replaced by somebody else."""
WITHIN_SECONDS = 60.0
"""Within which time: a program answers within seconds, a person who tries something does not."""
AGAIN_SECONDS = 3600.0
"""After which time it is tried once more: the other one may have gone."""

CONTESTED = "StatusContested"
"""The reason of the condition and of the event."""

_OURS = "metalev.io/"
# Written together with the addresses, so that it is no edit of whoever owns the Service.
_WRITTEN = ("metallb.io/ip-allocated-from-pool", "metallb.universe.tf/ip-allocated-from-pool")


class Verdict(Enum):
    """What to do about a Service."""

    OURS = "ours"
    """Decide as always."""
    REPORT = "report"
    """Leave it to the other one, and say so."""
    LEFT = "left"
    """It has been left to the other one, and that has been said."""


class _Contest(Struct):
    """The times at which somebody else wrote, until it was given up at ``given_up``."""

    asked: Service
    lost: list[float]
    given_up: float | None = None
    told: bool = False


class Contests:
    """What this program wrote of each Service, and how often somebody else has replaced it."""

    def __init__(self) -> None:
        self._written: dict[Name, tuple[IPAddress, ...]] = {}
        self._meant: dict[Name, tuple[IPAddress, ...]] = {}
        self._contests: dict[Name, _Contest] = {}

    def means(self, service: Name, addresses: tuple[IPAddress, ...]) -> None:
        """These addresses are about to be written; if no answer comes, they may be there all the same."""
        self._meant[service] = addresses

    def wrote(self, service: Name, addresses: tuple[IPAddress, ...]) -> None:
        """A write of these addresses has succeeded."""
        contest = self._contests.get(service)
        if contest is not None and contest.given_up is not None:
            contest.told = True
        else:
            self._written[service] = addresses

    def forget(self, service: Name) -> None:
        """It is gone, or none of ours."""
        for known in (self._written, self._meant, self._contests):
            known.pop(service, None)

    def look(self, service: Service, now: float) -> Verdict:
        """Take in what its status shows; says what to do about it. ``now`` is in seconds."""
        name, shown = service.name, service.status.addresses
        contest = self._contests.get(name)
        if contest is not None and contest.asked != asked(service):
            contest = None
            self.forget(name)
        if shown == self._meant.get(name):
            self._written[name] = shown
        elif self._written.get(name, shown) != shown:
            del self._written[name]
            contest = self._contests.setdefault(name, contest or _Contest(asked(service), []))
            contest.lost.append(now)
        return Verdict.OURS if contest is None else self._judge(name, contest, now)

    def rest(self, service: Name, now: float) -> float | None:
        """Seconds until it is tried again; ``None`` if it has not been given up."""
        contest = self._contests.get(service)
        if contest is None or contest.given_up is None:
            return None
        return max(0.0, contest.given_up + AGAIN_SECONDS - now)

    def _judge(self, name: Name, contest: _Contest, now: float) -> Verdict:
        if contest.given_up is not None and now >= contest.given_up + AGAIN_SECONDS:
            # Once: if the other one is still there, the next time is the last for as long again.
            contest.given_up, contest.told, contest.lost = None, False, [now] * (ROUNDS - 1)
        contest.lost = [at for at in contest.lost if at > now - WITHIN_SECONDS]
        if contest.given_up is None and len(contest.lost) >= ROUNDS:
            contest.given_up = now
        if contest.given_up is not None:
            return Verdict.LEFT if contest.told else Verdict.REPORT
        if not contest.lost:
            del self._contests[name]
        return Verdict.OURS


def report(service: Service, manager: str) -> tuple[Action, ...]:
    """What to write and tell of a Service that is left to ``manager``, a field manager (empty: it is not known)."""
    message = words(manager)
    others = tuple(one for one in service.status.conditions if not one.type.startswith(_OURS))
    condition = Condition(CONDITION, ConditionStatus.FALSE, CONTESTED, message)
    status = ServiceStatus(service.status.addresses, "", (*others, condition))
    event = Event(ObjectKey(Kind.SERVICE, service.name), EventType.WARNING, CONTESTED, message, COMPONENT)
    return WriteServiceStatus(service, status, message), RecordEvent(event)


def words(manager: str) -> str:
    """Who it is, and what will be."""
    who = f"field manager {quoted(manager)}" if manager else "another controller"
    return (
        f"{who} keeps writing this Service's status, too: {ROUNDS} times it replaced what metalev wrote. "
        f"metalev leaves it alone until the Service is edited, and tries once more after {AGAIN_SECONDS / 3600:g} h"
    )


def contested(service: Service) -> Condition | None:
    """The condition that says that it was left to somebody else."""
    found = (one for one in service.status.conditions if (one.type, one.reason) == (CONDITION, CONTESTED))
    return next(found, None)


def asked(service: Service) -> Service:
    """What its owner wants of it: all but what controllers write."""
    annotations = {key: text for key, text in service.annotations.items() if key not in _WRITTEN}
    return replace(service, version="", status=ServiceStatus(), annotations=annotations)
