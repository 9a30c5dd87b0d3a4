"""The addresses that no node may announce, and what is said of that on each of their Services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from metalev.decide.announcements import Announcements
from metalev.decide.candidates import Why
from metalev.decide.desired import Unannounced
from metalev.decide.groups import Groups, why_nobody
from metalev.decide.ledger import Ledger
from metalev.decide.newcomers import Newcomers
from metalev.decide.outcome import Allocation
from metalev.decide.unread import ANNOUNCEABLE
from metalev.model.address import IPAddress
from metalev.model.meta import Name
from metalev.model.services import Condition, ConditionStatus, Service, ServiceStatus
from metalev.model.snapshot import Snapshot


class Silences:
    """Remembers of which Services it has been decided to say so; nothing until everything has been looked at once."""

    def __init__(self, ledger: Ledger, newcomers: Newcomers, lb_class: str | None, *, ignore_exclude_lb: bool) -> None:
        self._ledger = ledger
        self._newcomers = newcomers
        self._announcements = Announcements("", lb_class, ignore_exclude_lb=ignore_exclude_lb, patient=True)
        self._groups = Groups()
        self._silent: dict[Name, Condition] = {}
        self._has_looked = False

    def look(self, snapshot: Snapshot, now: float) -> Mapping[str, Unannounced]:
        """What nobody may announce, by the groups' keys, or for a Service that has no say in its group, by its name.

        That an advertisement of a new pool is missing is not said yet.
        """
        announcements = self._announcements.update(snapshot)
        addresses = {name: snapshot.services[name].status.addresses for name in announcements}
        grouping = self._groups.form(addresses, announcements)
        found = {}
        for key, why in grouping.nobody.items():
            if Why.METALLB in grouping.excluded[key].values():
                continue  # it is announced, by somebody else
            names = grouping.services[key]
            everything = dict.fromkeys(address for name in names for address in addresses[name])
            found[key] = Unannounced(tuple(everything), names, why)
        for name, why in grouping.left_out.items():
            found[str(name)] = Unannounced(tuple(addresses[name]), (name,), why)
        return {key: one for key, one in found.items() if not self._is_early(one.addresses, one.why, now)}

    def news(self, unannounced: Iterable[Unannounced], snapshot: Snapshot) -> tuple[Name, ...]:
        """Take it for said; returns the Services on which it stands and is no longer so, or does not stand yet."""
        before, self._silent = self._silent, {name: _silence(one) for one in unannounced for name in one.services}
        # What was given and is not seen yet is not among them; it was looked at when it was given.
        self._silent.update((name, one) for name, one in before.items() if self._is_under_way(name, snapshot))
        everybody: Iterable[Name] = snapshot.services
        if self._has_looked:
            everybody = sorted(
                name for name in before.keys() | self._silent.keys() if before.get(name) != self._silent.get(name)
            )
        self._has_looked = True
        return tuple(name for name in everybody if self._is_marked_wrong(name, snapshot))

    def conditions(
        self, service: Service, snapshot: Snapshot, allocation: Allocation, now: float
    ) -> tuple[Condition, ...]:
        """What its status shall say of that; as it says until everything has been looked at once.

        A Service that is given an address of its own is looked at here, so that all is said in one write.
        """
        alone = not any(self._ledger.others_hold(service.name, one) for one in allocation.addresses)
        if not allocation.addresses or allocation.addresses == service.status.addresses or not alone:
            return self._as_said(service)
        given = replace(service, status=ServiceStatus(allocation.addresses))
        why = why_nobody(self._announcements.of(given, snapshot))
        said = bool(why) and not self._is_early(allocation.addresses, why, now)
        silence = (_silence(Unannounced(allocation.addresses, (service.name,), why)),) if said else ()
        self._silent.pop(service.name, None)
        self._silent.update((service.name, one) for one in silence)
        return silence

    def _is_early(self, addresses: Iterable[IPAddress], why: str, now: float) -> bool:
        pools = map(self._ledger.pool_of, addresses)
        return any(self._newcomers.excuse(pool.name.name, why, now) for pool in pools if pool is not None)

    def _is_under_way(self, name: Name, snapshot: Snapshot) -> bool:
        """Whether the Service has been given an address that its status does not show yet."""
        service = snapshot.services.get(name)
        return service is not None and set(self._ledger.addresses_of(name)) != set(service.status.addresses)

    def _is_marked_wrong(self, name: Name, snapshot: Snapshot) -> bool:
        service = snapshot.services.get(name)
        return service is not None and _marked(service) != self._as_said(service)

    def _as_said(self, service: Service) -> tuple[Condition, ...]:
        if not self._has_looked:
            return _marked(service)
        silence = self._silent.get(service.name)
        return () if silence is None else (silence,)


def _silence(unannounced: Unannounced) -> Condition:
    return Condition(ANNOUNCEABLE, ConditionStatus.FALSE, "NotAnnounced", unannounced.message)


def _marked(service: Service) -> tuple[Condition, ...]:
    return tuple(one for one in service.status.conditions if one.type == ANNOUNCEABLE)
