"""MetalLB's manifests on the lab's Kubernetes, run by stand-ins; metalev applied over them; and back again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

import yaml
from msgspec import Struct
from tests.kubernetes.manifests import Manifest, advertisement, apply, deployment, pool, service

from metalev.lab import census
from metalev.lab.chaos import meter
from metalev.lab.chaos.judge import OBSERVED_MS, PROGRAMS
from metalev.lab.kubernetes.api import Api, Object, Reflector
from metalev.lab.kubernetes.cluster import SYSTEM, KubernetesLab
from metalev.lab.kubernetes.kubeconfig import ADMIN

MANIFESTS = Path(__file__).with_name("metallb.yaml")
PODS = f"/api/v1/namespaces/{SYSTEM}/pods?labelSelector=component%3D"
WEBHOOKS = "ValidatingWebhookConfiguration"
POLICIES = "validatingadmissionpolicy"
POLICY_NAMES = ("metalev-speaker", "metalev-speaker-events", "metalev-controller")
SERVICES = 12
# A process that has said that it ends is gone so much later, at most.
EXIT_S = 0.2
TAKING_MS = 100
"""From when the API server tells that nobody of MetalLB is left to the first answer; docs/tasks promise as much."""
POOL = pool("first", "192.168.1.200-192.168.1.219", "fd00:192:168:1::200-fd00:192:168:1::219")
ADVERTISEMENT = advertisement("all", ipAddressPools=["first"])


class Life(Struct, frozen=True):
    """A speaker of MetalLB: where it ran, and from when to when it may have answered."""

    mac: str
    began: float
    ended: float

    def covers(self, at: float) -> bool:
        """Whether it may have answered a question asked then."""
        return self.began <= at <= self.ended + EXIT_S


class Handover(Struct, frozen=True):
    """How long an address was silent, for how much of that its Pod was still known, and how late this machine was."""

    silent_ms: float
    waited_ms: float
    missed_ms: float

    @property
    def fine(self) -> bool:
        """Whether it was no longer than it need be: what the API server does not know, nobody can act upon."""
        return self.silent_ms <= self.waited_ms + TAKING_MS + OBSERVED_MS + PROGRAMS * self.missed_ms


class Way(Struct):
    """What was seen while one side replaced the other, at whatever of both there was."""

    report: census.Report
    lives: list[Life]
    statuses: dict[str, Object]
    together: set[frozenset[str]]
    """Whose controllers' Pods were there at a time."""
    known: float
    """When the API server told that the last Pod of MetalLB's speakers was gone; 0 if one is there."""
    lateness: list[meter.Lateness]

    def handover(self, record: census.Record) -> Handover:
        """From one side to the other: from the last question that the former one answered."""
        sides = [self.is_metallbs(span.mac, span.last) for span in record.spans]
        first = next(number for number, side in enumerate(sides) if side != sides[0])
        begin, end = record.spans[first - 1].last, record.spans[first].first
        missed = meter.late_by(self.lateness, begin, end)
        waited = max(0.0, self.known - begin)
        return Handover(round((end - begin) * 1000, 1), round(waited * 1000, 1), round(missed * 1000, 1))

    def is_metallbs(self, mac: str, at: float) -> bool:
        """Whether a speaker of MetalLB may have given an answer."""
        return any(life.mac == mac and life.covers(at) for life in self.lives)

    def sides(self, record: census.Record) -> str:
        """Who answered, in order: M for MetalLB, o for ours; those who follow each other as one letter."""
        letters = ["M" if self.is_metallbs(span.mac, span.last) else "o" for span in record.spans]
        return "".join(letter for before, letter in zip(["", *letters], letters, strict=False) if letter != before)

    def doubles(self, record: census.Record) -> list[census.Double]:
        """Questions that speakers of both answered."""
        return [one for one in record.doubles if len({self.is_metallbs(mac, one.at) for mac in one.macs}) > 1]

    def of_ours(self, record: census.Record) -> list[str]:
        """The nodes whose speaker of metalev answered, in order; those who follow each other once."""
        macs = [span.mac for span in record.spans if not self.is_metallbs(span.mac, span.last)]
        return [mac for before, mac in zip(["", *macs], macs, strict=False) if mac != before]


class Migration:
    """A cluster that MetalLB serves: 14 addresses, of 12 Services of one family and one of both."""

    def __init__(self, lab: KubernetesLab) -> None:
        self.lab = lab
        self._install()
        self.before = self.statuses()
        self.addresses = [
            ip_address(entry["ip"]) for status in self.before.values() for entry in status.get("ingress", ())
        ]

    def there(self) -> Way:
        """metalev replaces MetalLB."""
        return self._watched("there", self.lab.install)

    def back(self) -> Way:
        """MetalLB replaces metalev, in the words of docs/tasks/migrate-from-metallb.md."""

        def replace() -> None:
            self.lab.plane.kubectl("delete", f"{POLICIES}binding,{POLICIES}", *POLICY_NAMES)
            self.lab.plane.kubectl("delete", "deployment", "controller", "-n", SYSTEM, "--cascade=foreground")
            self.lab.plane.kubectl("apply", "-f", str(MANIFESTS))
            self._await_rollout()

        return self._watched("back", replace)

    def statuses(self) -> dict[str, Object]:
        """What each Service of type LoadBalancer holds."""
        found = json.loads(self.lab.plane.kubectl("get", "services", "-o", "json"))["items"]
        return {
            one["metadata"]["name"]: one["status"]["loadBalancer"]
            for one in found
            if one["spec"]["type"] == "LoadBalancer"
        }

    def _install(self) -> None:
        """MetalLB's webhooks come last: no stand-in serves them, so nothing could be applied after them."""
        manifests = list(yaml.safe_load_all(MANIFESTS.read_text()))
        self.lab.plane.kubectl(
            "apply", "-f", "-", stdin=yaml.safe_dump_all(one for one in manifests if one["kind"] != WEBHOOKS)
        )
        definitions = ("crd/ipaddresspools.metallb.io", "crd/l2advertisements.metallb.io")
        self.lab.plane.kubectl("wait", "--for=condition=Established", *definitions)
        apply(self.lab, POOL, ADVERTISEMENT, deployment("web", 3), *services())
        self._await_rollout()
        self.lab.plane.kubectl("apply", "-f", str(MANIFESTS))
        self.lab.wait_for("every Service has its address", lambda: all(map(bool, self.statuses().values())))

    def _await_rollout(self) -> None:
        for workload in ("deployment/controller", "daemonset/speaker"):
            self.lab.plane.kubectl("rollout", "status", "-n", SYSTEM, workload, "--timeout=120s", timeout=150)

    def _watched(self, name: str, replace: Callable[[], object]) -> Way:
        """Do it, while every address is asked for all the time."""
        seen: set[frozenset[str]] = set()
        leaving = Leaving()
        controllers = Reflector(self._admin(), f"{PODS}controller", lambda _: seen.add(whose(controllers.objects)))
        speakers = Reflector(self._admin(), f"{PODS}speaker", lambda _: leaving.note(whose(speakers.objects)))
        for reflector in (controllers, speakers):
            reflector.start()
        measuring = meter.start(self.lab.client, log=self.lab.directory / f"meter-{name}")
        asking = census.start(self.lab.client, self.addresses, log=self.lab.directory / f"census-{name}")
        try:
            replace()
            for address in self.addresses:
                self.lab.wait_for_announcer(address)
        finally:
            report, lateness = census.finish(asking), meter.finish(measuring)
            for reflector in (controllers, speakers):
                reflector.stop()
        return Way(report, list(self._lives()), self.statuses(), seen, leaving.known, lateness)

    def _admin(self) -> Api:
        return self.lab.plane.client(ADMIN)

    def _lives(self) -> Iterator[Life]:
        """By what the speakers of MetalLB printed."""
        for log in (self.lab.directory / "pods").glob(f"{SYSTEM}-speaker-*/log"):
            times = {
                words[1]: (words[0], words[2])
                for line in log.read_text().splitlines()
                if len(words := line.split()) == 3
            }
            if "answers" in times:
                node, began = times["answers"]
                ended = times["ended"][1] if "ended" in times else "inf"
                yield Life(self.lab.nodes[node].mac, float(began), float(ended))


class Leaving:
    """When the last Pod of MetalLB went."""

    def __init__(self) -> None:
        self.known = 0.0

    def note(self, sides: frozenset[str]) -> None:
        """These have Pods now."""
        if "MetalLB" in sides:
            self.known = 0.0
        elif not self.known:
            self.known = census.now()


def services() -> Iterator[Manifest]:
    """Of one backend."""
    for number in range(SERVICES):
        yield service(f"service-{number}", selector={"app": "web"}, ipFamilyPolicy="SingleStack")
    yield service("of-both", selector={"app": "web"}, ipFamilyPolicy="RequireDualStack")


def whose(pods: Mapping[tuple[str, str], Object]) -> frozenset[str]:
    """Whose Pods these are."""
    images = [pod["spec"]["containers"][0]["image"] for pod in list(pods.values())]
    return frozenset("MetalLB" if "metallb.invalid" in image else "metalev" for image in images)
