"""``python -m metalev.lab.kubernetes.metallb.controller``: gives addresses to Services without one, as MetalLB's does.

The first free address of each family that the Service has, out of any pool; the status is written whole, with the
pool's annotation. There is no lease: a second one gives addresses, too.
"""

from __future__ import annotations

import http.client
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network

from metalev.lab.kubernetes.api import Api, ApiError, Object, Reflector
from metalev.lab.kubernetes.metallb import ACCOUNT, connect, probes
from metalev.lab.kubernetes.metallb.election import addresses_of
from metalev.model.address import IPAddress

RETRY_S = 0.5
FROM_POOL = "metallb.io/ip-allocated-from-pool"


def main() -> None:
    """Until SIGTERM, at which MetalLB's ends at once."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    namespace = (ACCOUNT / "namespace").read_text()
    changed = threading.Event()
    services = Reflector(connect(), "/api/v1/services", lambda _: changed.set())
    pools = Reflector(
        connect(), f"/apis/metallb.io/v1beta1/namespaces/{namespace}/ipaddresspools", lambda _: changed.set()
    )
    probes.serve("0.0.0.0", lambda: True)  # noqa: S104  (a network of its own)
    for reflector in (services, pools):
        reflector.start()
    api = connect()
    while not ended.is_set():
        changed.clear()
        with suppress(OSError, http.client.HTTPException, ApiError):
            for service in list(services.objects.values()):
                serve(api, service, list(services.objects.values()), list(pools.objects.values()))
        changed.wait(RETRY_S if waiting(services) else None)


def waiting(services: Reflector) -> bool:
    """Whether a Service has no address yet."""
    return any(wants(service) for service in list(services.objects.values()))


def wants(service: Object) -> bool:
    """Whether a Service is to be given an address."""
    spec = service["spec"]
    return spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerClass") and not addresses_of(service)


def serve(api: Api, service: Object, services: list[Object], pools: list[Object]) -> None:
    """Give a Service what it lacks."""
    if not wants(service):
        return
    taken = {address for other in services for address in addresses_of(other)}
    for pool in pools:
        free = [address for address in every(pool) if address not in taken]
        families = [6 if family == "IPv6" else 4 for family in service["spec"].get("ipFamilies", ("IPv4",))]
        found = [next((one for one in free if one.version == family), None) for family in families]
        if None in found:
            continue
        meta = service["metadata"]
        annotations = {**meta.get("annotations", {}), FROM_POOL: pool["metadata"]["name"]}
        ingress = [{"ip": str(address)} for address in found]
        body = {
            **service,
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**meta, "annotations": annotations},
            "status": {"loadBalancer": {"ingress": ingress}},
        }
        answer = api.replace(f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}/status", body)
        service.update(answer)
        sys.stdout.write(f"{meta['name']} {' '.join(map(str, found))}\n")
        sys.stdout.flush()
        return


def every(pool: Object) -> Iterator[IPAddress]:
    """The addresses of a pool, in its order."""
    for text in pool["spec"]["addresses"]:
        if "-" in text:
            low, high = (ip_address(end.strip()) for end in text.split("-"))
            yield from (type(low)(number) for number in range(int(low), int(high) + 1))
        else:
            yield from ip_network(text, strict=False)


if __name__ == "__main__":
    main()
