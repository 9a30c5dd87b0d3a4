"""Why a Service has traffic, or none: a chain of questions in the order in which traffic needs the answers.

It reads what the API has and decides nothing: the controller's and the speakers' own rules are asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from metalev.decide.allocation import decide_addresses
from metalev.decide.announcements import Announcements
from metalev.decide.announcers import Speakers, of_announcers, of_speakers
from metalev.decide.candidates import Announcement, fit_nodes, pool_by_status
from metalev.decide.contest import contested
from metalev.decide.controller import ControllerDecider
from metalev.decide.findings import Answer, Chain, Finding, mind
from metalev.decide.groups import Groups
from metalev.decide.outcome import CONDITION, Allocation
from metalev.decide.unread import ANNOUNCEABLE, legacy_is_unread
from metalev.decide.whyaddress import (
    hidden,
    of_address,
    of_annotations,
    of_class,
    of_conditions,
    of_contest,
    of_deletion,
    of_type,
    unknown,
)
from metalev.decide.whynodes import (
    GIVES_WAY,
    METALLB,
    goes_on,
    of_advertisements,
    of_endpoints,
    of_nodes,
    unread_advertisement,
)
from metalev.model.cluster import Heartbeat
from metalev.model.meta import Name
from metalev.model.pools import Pool
from metalev.model.services import Condition, ConditionStatus, Service
from metalev.model.snapshot import Snapshot


class Inquiry:
    """A complete snapshot, prepared once for questions about all of its Services.

    ``lb_class`` and ``ignore_exclude_lb`` are what the controller and the speakers are told. ``heartbeats`` are the
    Leases in metalev's namespace by name, where there are some: those who live renew them.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        lb_class: str | None = None,
        *,
        ignore_exclude_lb: bool = False,
        heartbeats: Mapping[str, Heartbeat] = {},
    ) -> None:
        self.snapshot = snapshot
        self._lb_class = lb_class
        self.ignore_exclude_lb = ignore_exclude_lb
        decider = ControllerDecider(lb_class, ignore_exclude_lb=ignore_exclude_lb)
        self.desired = decider.desired(snapshot)
        self.ledger = decider.ledger
        self.speakers = Speakers(snapshot, heartbeats)
        self.controller_wrote = any(map(_looked_at, snapshot.services.values()))
        """Whether a controller has ever said anything of a Service that there still is."""
        self._seen_from: dict[str, Mapping[Name, Announcement]] = {}
        self._silence = {name: one.message for one in self.desired.unannounced.values() for name in one.services}
        announcements = Announcements("", lb_class, ignore_exclude_lb=ignore_exclude_lb).update(snapshot)
        held = {name: snapshot.services[name].status.addresses for name in announcements}
        grouping = Groups().form(held, announcements)
        candidates = {str(group.key): group.candidates for group in grouping.groups}
        yielding = {str(group.key) for group in grouping.groups if group.gives_way}
        self._group_of: Mapping[Name, _Group] = {
            name: _Group(
                names, Announcement(candidates.get(key, ()), grouping.excluded[key], gives_way=key in yielding)
            )
            for key, names in grouping.services.items()
            for name in names
        }

    def chain(self, name: Name) -> Chain:
        """Everything there is to say about the Service ``name``, which need not exist."""
        service = self.snapshot.services.get(name)
        if service is None:
            return Chain(name, (unknown(name, self.snapshot.services), *self._input()), ours=False)
        if service.hidden:
            chain = (hidden(service), *self._input())
            return Chain(name, chain, service.status.addresses, service.status.pool, ours=False)
        whose = [
            *of_deletion(service),
            of_type(service),
            *([of_class(service, self._lb_class)] if service.wants_address else []),
        ]
        if any(one.answer is Answer.NO for one in whose):
            return Chain(name, tuple(whose), service.status.addresses, service.status.pool, ours=False)
        allocation = decide_addresses(
            service, self.ledger, self.snapshot.namespaces, lb_class=self._lb_class, unread=self.snapshot.problems
        )
        left = contested(service)
        if left is not None:
            address = of_contest(service, left)
            allocation = replace(allocation, condition=left)
        else:
            address = of_address(service, allocation, self.ledger, looked_at=self.controller_wrote)
        announced, nodes = self._announced(service) if service.status.addresses else (self._endpoints(service), ())
        findings = (*whose, *of_annotations(service), address, *announced, self._conditions(service, allocation))
        if any(one.answer is Answer.NO for one in findings):
            findings = (*findings, *self._input())
        return Chain(name, findings, service.status.addresses, service.status.pool, nodes)

    def speakerless(self) -> dict[str, str]:
        """The nodes without a state of their speaker that should have one, and why they have none.

        Those should that have a speaker's pod, or from which an L2Advertisement would announce.
        """
        fit = fit_nodes(self.snapshot, ignore_exclude_lb=self.ignore_exclude_lb)
        speakers = self.speakers
        due = (one for one in speakers.missing if one not in speakers.metallb and (one in fit or one in speakers.pods))
        return {node: speakers.why_missing(node) for node in due}

    def is_ours(self, service: Service) -> bool:
        """Whether metalev serves it."""
        return service.wants_address and service.load_balancer_class == self._lb_class

    def _announced(self, service: Service) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
        """The links between an address and who answers for it, and the nodes that do."""
        addresses = service.status.addresses
        group = self._group_of[service.name]
        candidates = group.announcement.candidates
        advertised = of_advertisements(service, self._pool_of(service), self.snapshot)
        if advertised.answer is Answer.NO and self.snapshot.problems and all(map(self.speakers.claims, addresses)):
            # They know what they read before somebody spoilt it.
            answer, names = of_announcers(addresses, candidates, self.speakers)
            legacy = legacy_is_unread(self.snapshot)
            return (unread_advertisement(advertised, legacy=legacy), *self._endpoints(service), answer), names
        silence = self._silence.get(service.name, "")
        nodes = of_nodes(group.announcement, group.services, silence, self.speakers.coming_up)
        if not candidates:
            answer, names = of_announcers(addresses, candidates, self.speakers)
            if names and answer.answer is Answer.YES and self._keep(group.services, names):
                return (advertised, *self._endpoints(service), goes_on(nodes, names), answer), names
        found = (advertised, *self._endpoints(service), nodes)
        if not candidates:
            return found, (METALLB,) if nodes.answer is Answer.MIND else ()
        answer, names = of_announcers(addresses, candidates, self.speakers)
        if group.announcement.gives_way and not names:
            answer = replace(answer, text=f"{answer.text}: {GIVES_WAY}")
        return (*found, of_speakers(self.speakers, candidates), answer), names

    def _keep(self, services: Iterable[Name], nodes: Iterable[str]) -> bool:
        """Whether these nodes, which announce the addresses of ``services``, go on though none may any more."""
        return all(self._serves(node, service) for node in nodes for service in services)

    def _serves(self, node: str, service: Name) -> bool:
        if node not in self._seen_from:
            seen = Announcements(node, self._lb_class, ignore_exclude_lb=self.ignore_exclude_lb)
            self._seen_from[node] = dict(seen.update(self.snapshot))
        found = self._seen_from[node].get(service)
        return found is not None and found.serves

    def _pool_of(self, service: Service) -> Pool | None:
        """The pool of its first address, as those see it who announce it."""
        pool = self.ledger.pool_of(service.status.addresses[0])
        return pool_by_status(service, self.ledger.pools) if pool is None and self.snapshot.problems else pool

    def _endpoints(self, service: Service) -> tuple[Finding, ...]:
        return (of_endpoints(service, self.snapshot.endpoints.get(service.name, {}), self.speakers.old),)

    def _conditions(self, service: Service, allocation: Allocation) -> Finding:
        """What the controller says, beside what it would say now."""
        due = [allocation.trouble] if allocation.trouble else []
        silence = None if contested(service) else self._silence.get(service.name)
        if silence is not None and allocation.addresses:
            due.append(Condition(ANNOUNCEABLE, ConditionStatus.FALSE, "NotAnnounced", silence))
        return of_conditions(service, tuple(due))

    def _input(self) -> tuple[Finding, ...]:
        """What cannot be read may be what is missing."""
        problems = [f"{source}: {message}" for source, message in sorted(self.snapshot.problems.items())]
        problems += [f"{name}: {problem}" for name, problem in sorted(self.desired.pool_problems.items())]
        if not problems:
            return ()
        advice = "correct it: what it said last stays in force"
        return (mind("input", f"{len(problems)} mistakes in what metalev reads", advice, *problems[:5]),)


class _Group(Struct, frozen=True):
    """The Services whose addresses move together, and who may announce all of them."""

    services: tuple[Name, ...]
    announcement: Announcement


def _looked_at(service: Service) -> bool:
    return bool(service.status.pool) or any(one.type == CONDITION for one in service.status.conditions)
