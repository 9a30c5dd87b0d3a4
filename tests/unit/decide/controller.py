"""A controller's decisions, carried out at once."""

from __future__ import annotations

from msgspec.structs import replace
from tests.unit.decide.worlds import name, pool, world

from metalev.decide.controller import ControllerDecider
from metalev.model.actions import Action, WriteServiceStatus
from metalev.model.pools import Pool
from metalev.model.services import Service


class Controller:
    """A controller whose writes succeed at once, over Services and pools that a test changes."""

    def __init__(self, *services: Service, pools: tuple[Pool, ...] = (pool("main", "10.0.0.0/30"),)) -> None:
        self.decider = ControllerDecider()
        self.snapshot = world(*services, pools=pools)

    def put(self, *services: Service) -> None:
        self.snapshot = replace(
            self.snapshot, services={**self.snapshot.services, **{one.name: one for one in services}}
        )

    def remove(self, text: str) -> None:
        left = {key: one for key, one in self.snapshot.services.items() if key != name(text)}
        self.snapshot = replace(self.snapshot, services=left)

    def set_pools(self, *pools: Pool) -> None:
        self.snapshot = replace(self.snapshot, pools={one.name: one for one in pools})

    def reconcile(self, text: str) -> tuple[Action, ...]:
        actions = self.decider.service(self.snapshot, name(text))
        for action in actions:
            if isinstance(action, WriteServiceStatus):
                self.put(replace(action.service, status=action.status))
        return actions

    def settle(self, *order: str) -> None:
        """Look at the Services in ``order``, then at whoever that concerns, until nothing is to be done."""
        queue = [name(text) for text in order]
        while queue:
            one = queue.pop(0)
            if self.reconcile(one.name):
                queue.append(one)
            queue += [due for due in self.decider.due() if due not in queue]

    def due(self) -> list[str]:
        return [one.name for one in self.decider.due()]

    def held(self, text: str) -> list[str]:
        return [str(address) for address in self.snapshot.services[name(text)].status.addresses]

    def holders(self) -> dict[str, list[str]]:
        return {key.name: self.held(key.name) for key in self.snapshot.services}
