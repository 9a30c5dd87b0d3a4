"""The Secret of the beacons disappears from a real API server: nothing moves, and it is there again, with its key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.kubernetes.asking import Asking
from tests.kubernetes.manifests import apply, deployment, service
from tests.kubernetes.said import log_of, until

from metalev.lab.kubernetes.cluster import SYSTEM, KubernetesLab

pytestmark = pytest.mark.timeout(600)

VIPS = 6
SECRET = "metalev-beacon"
POOL = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "IPAddressPool",
    "metadata": {"name": "first-pool", "namespace": SYSTEM},
    "spec": {"addresses": ["192.168.1.200-192.168.1.220"]},
}
ADVERTISEMENT = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "L2Advertisement",
    "metadata": {"name": "all", "namespace": SYSTEM},
}
MADE_AGAIN = "made the Secret of the beacons again, with the same key"
NO_KEY = f"the Secret {SYSTEM}/{SECRET} has no key any more; the last one stays in force"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[KubernetesLab]:
    with KubernetesLab(tmp_path, ipv6=False) as lab:
        lab.install()
        apply(lab, POOL, ADVERTISEMENT, deployment("web", 3))
        lab.wait_for_pods("app=web", 3, timeout=120)
        yield lab


def there(lab: KubernetesLab) -> dict[str, Any]:
    """The Secret as it is; empty while there is none."""
    listed = lab.plane.kubectl("get", "secrets", "-n", SYSTEM, "-o", "json")
    found = (dict(item) for item in json.loads(listed)["items"])
    return next((item for item in found if item["metadata"]["name"] == SECRET), {})


def test_a_secret_that_is_deleted_moves_nothing_and_is_made_again_with_the_same_key(lab: KubernetesLab) -> None:
    names = [f"steady{number}" for number in range(VIPS)]
    apply(lab, *(service(name, selector={"app": "web"}, ipFamilyPolicy="SingleStack") for name in names))
    given = [lab.wait_for_addresses(name, timeout=120)[0] for name in names]
    speakers = {node: log_of(process) for node, process in lab.programs("speaker").items()}
    controllers = [log_of(process) for process in lab.programs("controller").values()]
    secret = there(lab)
    with Asking(lab, given, speakers) as asking:
        asking.go_on()
        lab.plane.kubectl("delete", "secret", "-n", SYSTEM, SECRET)
        until(lambda: any(said.told(MADE_AGAIN) for said in controllers), "a controller makes it again, and says so")
        until(lambda: bool(there(lab)), "it is there again")
        asking.go_on()
    again = there(lab)
    assert again["metadata"]["uid"] != secret["metadata"]["uid"]
    assert again["data"] == secret["data"]
    # A speaker that hears of both at once has nothing to say.
    assert all(len(said.told(NO_KEY)) <= 1 for said in speakers.values())
    assert all(said.told("a key that this node does not have|ERROR|Traceback") == [] for said in speakers.values())
    assert asking.unexplained() == []
