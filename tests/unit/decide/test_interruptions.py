"""Random histories in which the controller dies at any moment, and a new one goes on from what was written."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from msgspec.structs import replace
from tests.unit.decide.happenings import NAMES, any_history_keeps, edit, network, of, pools, relabelling, spec
from tests.unit.decide.interrupted import Cluster, Controller, pools_of
from tests.unit.decide.reference import Held, is_of_others, world_of

from metalev.model.meta import Name
from metalev.model.services import Service, ServiceStatus

FEW = [1, 2, 3]
STEPS = [
    *[spec, spec, spec, spec, pools, network, relabelling, edit],
    of("remove", NAMES),
    of("garble", NAMES),
    of("mend"),
    *[of("see", FEW), of("see", FEW), of("look", FEW), of("look", FEW), of("look", FEW)],
    *[of("write", [0, 1, 2, 3, 4])] * 3,
    of("wait", [1, 20, 61]),
    of("settle"),
    *[of("restart", [False, True])] * 3,
]


class History:
    """A cluster, the controller of the moment, and who has to keep what, whatever becomes of controllers."""

    def __init__(self) -> None:
        self.now = 1_800_000_000
        self.cluster = Cluster()
        self.controller = Controller(self.cluster)
        self.content: dict[Name, Held] = {}

    def step(self, step: Any) -> None:
        match step:
            case ("see", count):
                self.controller.see(count)
            case ("look", count):
                self.controller.look(count, self.now)
            case ("write", place):
                self.controller.write(place)
            case ("wait", seconds):
                self.now += seconds
            case ("settle",):
                self.settle()
            case ("restart", backwards):
                self.restart(backwards=backwards)
            case _:
                self.happen(step)

    def happen(self, step: Any) -> None:
        """Somebody changes something; what that concerns need not stay as it is."""
        match step:
            case Service():
                self.specify(step)
            case ("remove", name):
                self.concerns(name)
                self.cluster.remove(name)
                self.all_is_read()
            case ("edit", name, texts):
                self.edit(name, tuple(map(ip_address, texts)))
            case ("garble", name):
                self.cluster.garble(name)
            case ("mend",):
                self.cluster.mend()
                self.all_is_read()
            case _:
                self.content.clear()
                self.change(step)

    def change(self, step: Any) -> None:
        match step:
            case ("pools", *declared):
                self.cluster.change(pools=pools_of(declared))
            case ("network", node, state):
                self.cluster.change(nodes={node.name: node}, speakers={state.name: state})
            case ("labels", one):
                self.cluster.change(namespaces={**self.cluster.truth.namespaces, one.name: one})

    def specify(self, service: Service) -> None:
        old = self.cluster.truth.services.get(service.name)
        if old and is_of_others(old) != is_of_others(service):
            return
        self.concerns(service.name)
        self.cluster.put(replace(service, status=old.status if old else ServiceStatus()))

    def edit(self, name: Name, addresses: Held) -> None:
        """Somebody writes a status by hand, in a world that has come to rest, and nothing that others have."""
        self.settle()
        service = self.cluster.truth.services.get(name)
        world = world_of(self.cluster.truth, {})
        if service is None or is_of_others(service) or any(map(world.holders, addresses)):
            return
        self.now += 61
        self.concerns(name)
        self.cluster.put(replace(service, status=replace(service.status, addresses=addresses)))

    def all_is_read(self) -> None:
        """An address that is in no pool, as can be told now, is kept no longer."""
        if not self.cluster.garbled:
            world = world_of(self.cluster.truth, {})
            self.content = {name: held for name, held in self.content.items() if all(map(world.is_known, held))}

    def concerns(self, name: Name) -> None:
        """Its owner has to do with it, and so have those with whom it shares."""
        service = self.cluster.truth.services.get(name)
        held = set(service.status.addresses) if service else set()
        self.content = {one: theirs for one, theirs in self.content.items() if one != name and not held & set(theirs)}

    def restart(self, *, backwards: bool) -> None:
        """The controller is gone, with whatever it had seen, decided and not written."""
        self.controller = Controller(self.cluster, backwards=backwards)
        world = world_of(self.cluster.truth, {})
        self.content = {name: one.status.addresses for name, one in world.services.items() if world.is_content(one)}

    def settle(self) -> None:
        """Everything has been seen, decided and written: everybody has kept what nobody took from them."""
        self.controller.settle(self.now)
        services = self.cluster.truth.services
        assert {name: services[name].status.addresses for name in self.content} == self.content
        if not self.cluster.garbled:
            self.check()

    def check(self) -> None:
        """What is true of a world that has settled."""
        world = world_of(self.cluster.truth, {})
        for service in world.services.values():
            held, expected = service.status.addresses, world.expected(service, replacing=False)
            assert held == expected, f"{service.name} waits in vain, or holds what it should not"
            assert is_of_others(service) or all(map(world.is_known, held))
            assert all(world.has_room(service, address) for address in held)

    def end(self) -> None:
        """One more restart, of a world that has settled, changes nothing."""
        self.cluster.mend()
        self.all_is_read()
        self.settle()
        before = self.holdings()
        self.restart(backwards=True)
        self.settle()
        assert self.holdings() == before

    def holdings(self) -> dict[Name, Held]:
        return {name: one.status.addresses for name, one in self.cluster.truth.services.items()}


def goes_on(steps: Sequence[Any]) -> None:
    history = History()
    for step in steps:
        history.step(step)
    history.end()


def test_a_controller_may_die_at_any_moment_and_the_next_one_goes_on_where_it_stopped() -> None:
    any_history_keeps(goes_on, STEPS, histories=3000, longest=40)
