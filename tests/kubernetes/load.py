"""A cluster under load: Services that come, change and go, controllers behind proxies, and an observer.

The controllers are the real program with a shorter lease (``quick.py``).
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

from tests.kubernetes.observer import Observer
from tests.programs.program import Program

from metalev.lab.kubernetes.api import ApiError, Object
from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.kubernetes.faultproxy import FaultProxy
from metalev.lab.kubernetes.kubeconfig import ADMIN

PATIENCE = 120.0
SERVICES = 50
SYSTEM = "metallb-system"
QUICK = Path(__file__).with_name("quick.py")


def pause(seconds: float) -> None:
    """Let a fault last."""
    threading.Event().wait(seconds)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until it is so."""
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end, f"it never came that {what}"
        pause(0.05)


class Controller:
    """One replica behind a proxy of its own, which can be killed and started again."""

    def __init__(self, proxy: FaultProxy, config: Path) -> None:
        self.proxy = proxy
        self._config = proxy.kubeconfig(config)
        self.start()

    def start(self) -> None:
        options = ("--kubeconfig", self._config, "--metrics-address", "off", "--address-rest", "2")
        self.program = Program("controller", *options, program=(QUICK,))

    def kill(self) -> None:
        self.program.kill()

    def leads(self) -> bool:
        found = [line for line in self.program.catch_up() if re.search("this controller leads|stands by", line)]
        return bool(found) and "leads" in found[-1]

    def told(self, pattern: str) -> list[str]:
        """The lines of its log that have ``pattern``, without their times."""
        return [line.split(" ", 1)[1].strip() for line in self.program.catch_up() if re.search(pattern, line)]

    def said_once_and_over(self) -> bool:
        """Wait until all that it complained of is over; hold it to have said nothing twice before it was over.

        Tells whether it complained at all: who only stands by may not notice.
        """
        until(lambda: self._open_troubles() == set(), "all troubles are over")
        assert len(self.told(f"{LASTS}|over: ")) <= TROUBLE_LINES, self.told(f"{LASTS}|over: ")
        return bool(self.told(LASTS))

    def _open_troubles(self) -> set[str]:
        """What it has said to be wrong and not yet to be over."""
        wrong: set[str] = set()
        for line in self.told(f"{LASTS}|INFO +over: "):
            if line.endswith(LASTS):
                trouble = line.removeprefix("WARN").removesuffix(LASTS).strip()
                assert trouble not in wrong, f"said again before it was over: {trouble}"
                wrong.add(trouble)
            else:
                wrong = {trouble for trouble in wrong if trouble not in line}
        return wrong


TROUBLE_LINES = 40
"""Lines about the API server in one outage at most, both ways: each of some fifteen resources that a role may lack has
one of its own, and a server that comes back does so in several steps."""
LASTS = "; what was read before stays in force"


def leader(*controllers: Controller) -> Controller:
    """The one that leads, once one does."""
    until(lambda: any(one.leads() for one in controllers), "a controller leads")
    return next(one for one in controllers if one.leads())


class World:
    """Services in a namespace of their own, out of a pool of their own, and whoever changes them."""

    def __init__(self, plane: ControlPlane, name: str, addresses: str) -> None:
        self.plane, self.name = plane, name
        self._api = plane.client(ADMIN)
        self._pool = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": {"name": name, "namespace": SYSTEM},
            "spec": {"addresses": [addresses]},
        }
        self.path = f"/api/v1/namespaces/{name}/services"
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        self.persist(lambda: self._api.create("/api/v1/namespaces", {"metadata": {"name": self.name}}))
        self.persist(lambda: self._api.create("/api/v1/nodes", {"metadata": {"name": "node1"}}))
        pools = f"/apis/metallb.io/v1beta1/namespaces/{SYSTEM}/ipaddresspools"
        self.persist(lambda: self._api.create(pools, self._pool))
        self.stack.callback(self._api.close)
        self.stack.callback(lambda: self.persist(lambda: self._api.delete(f"{pools}/{self.name}")))
        self.stack.callback(self.empty)
        self.observer = self.stack.enter_context(Observer(self.plane))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()

    def controller(self, name: str) -> Controller:
        """A replica, until the end."""
        key = self.plane._certificates.client(ADMIN.name, ADMIN.groups)
        proxy = self.stack.enter_context(FaultProxy(self.plane.server, authority=self.plane.authority, identity=key))
        controller = Controller(proxy, self.plane.directory / f"{self.name}-{name}.kubeconfig")
        self.stack.callback(controller.kill)
        return controller

    def create(self, name: str, **annotations: str) -> None:
        spec = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}]}
        body = {"metadata": {"name": name, "annotations": annotations}, "spec": spec}
        self.persist(lambda: self._api.create(self.path, body))

    def get(self, name: str) -> Object:
        return self._api.get(f"{self.path}/{name}")

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """The addresses of this world's Services as the observer sees them."""
        ours = f"{self.name}/"
        now = self.observer.history.now().items()
        return {name.removeprefix(ours): addresses for name, addresses in now if name.startswith(ours)}

    def announce(self, name: str, address: str) -> None:
        """Say what a speaker would say that announces the Service ``name``."""
        path = "/apis/metalev.io/v1alpha1/speakerstates"
        head = {"apiVersion": "metalev.io/v1alpha1", "kind": "SpeakerState", "metadata": {"name": "node1"}}
        holding = {
            "group": address,
            "addresses": [address],
            "services": [f"{self.name}/{name}"],
            "term": 1,
            "cause": "",
        }
        self.persist(lambda: self._api.create(path, head))
        self.persist(lambda: self._api.patch(f"{path}/node1/status", {"status": {"holdings": [holding]}}))
        self.stack.callback(lambda: self.persist(lambda: self._api.delete(f"{path}/node1")))

    @contextmanager
    def other_controller(self, name: str, address: str, *, manager: str) -> Iterator[None]:
        """Somebody who writes the status of a Service whenever it is not as he wants it."""
        ended = threading.Event()
        status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}

        def run() -> None:
            api = self.plane.client(ADMIN)
            while not ended.wait(0.05):
                shown = api.get(f"{self.path}/{name}")["status"]["loadBalancer"].get("ingress", [])
                if [one["ip"] for one in shown] != [address]:
                    api.patch(f"{self.path}/{name}/status?fieldManager={manager}", status)
            api.close()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def events(self, name: str, reason: str) -> list[Object]:
        """The events of one reason on a Service."""
        found = self._api.get(f"/api/v1/namespaces/{self.name}/events?fieldSelector=involvedObject.name={name}")
        return [event for event in found["items"] if event["reason"] == reason]

    def edit(self, name: str) -> None:
        body = {"metadata": {"labels": {"edited": str(monotonic())}}}
        self.persist(lambda: self._api.patch(f"{self.path}/{name}", body))

    def change_type(self, name: str, to: str) -> None:
        self.persist(lambda: self._api.patch(f"{self.path}/{name}", {"spec": {"type": to}}))

    def delete(self, name: str) -> None:
        self.persist(lambda: self._api.delete(f"{self.path}/{name}"))

    def empty(self) -> None:
        found: list[Object] = []
        self.persist(lambda: found.extend(self._api.get(self.path)["items"]))
        for item in found:
            self.delete(item["metadata"]["name"])

    def persist(self, change: Callable[[], Any]) -> None:
        """Do it, however long the API server is away."""
        end = monotonic() + PATIENCE
        while monotonic() < end:
            try:
                change()
            except ApiError as error:
                if error.status in {404, 409}:
                    return
            except (OSError, HTTPException):
                pass
            else:
                return
            pause(0.1)
        raise AssertionError("the API server did not come back")

    def settled(self) -> None:
        """Wait until every Service has an address, and hold what was seen until then to the rules."""
        ours = f"{self.name}/"
        self.observer.until(
            lambda now: all(addresses for name, addresses in now.items() if name.startswith(ours)),
            "every Service has an address",
        )
        assert self.observer.history.doubles() == []
        assert self.observer.history.changes() == []


class Churn:
    """Services come, change and go, by a thread, for as long as the ``with`` block runs."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = random.Random(seed)
        self._names: list[str] = []
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.changes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        assert self._failure is None, self._failure

    def _run(self) -> None:
        try:
            while not self._ended.wait(0.02):
                self._step()
        except BaseException as error:  # noqa: BLE001
            self._failure = error

    def _step(self) -> None:
        dice = self._random.random()
        self.changes += 1
        if len(self._names) < SERVICES or dice < 0.3:
            name = f"s{self.changes}"
            self._names.append(name)
            self._world.create(name)
        elif dice < 0.6:
            self._world.delete(self._names.pop(self._random.randrange(len(self._names))))
        else:
            self._world.edit(self._random.choice(self._names))
