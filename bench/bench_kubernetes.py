"""The controller on a real API server: cold start, reaction, writes, memory.

Method. etcd and kube-apiserver on loopback, no other controllers; three Nodes, and Services without node ports; the
real controller as a process, in one Python, with an administrator's kubeconfig. An observer watches the Services; it
and the server use the same two cores, as does the raw client that all is compared with: by the very code that metalev
asks an API server with, over eight connections that are open already and under the same observer, it does nothing but
the patches that give each Service an address, with no decision, no event and no watch. Two more floors are told
beside it: the same patches by urllib3, with which metalev asked before it had code of its own for that; and what no
controller of two cores can be faster than that says as much: patches with the pool beside the address, with one more
who watches. The controller finds its Python compiled, as in an image.

*Cold start* is from the start of the process (its Python included) to the last Service's address. *Reaction* is from
the answer to the creation of a Service to the watch event that shows its address, median of twenty.

What limits. On a machine where others are at work, times say little; the CPU time that the servers, the observer and
the client or the controller use together travels better: where the cores are what all wait for, its ratio is that of
the rates. The published figures of MetalLB beside them are of another machine and its raw rate there (662 patches a
second); so compare the ratios to the raw client.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench import cores
from bench.apiserver import CONNECTIONS, Plane, api_server
from bench.installation import resident
from bench.report import Benchmark

MIB = 1 << 20
ROUNDS = 20
IDLE_SECONDS = 10
# As published: the part of the raw rate in a cold start, and milliseconds of reaction, also just after a deletion.
METALLB_COLD = {1_000: "0.18", 5_000: "0.14-0.16"}
METALLB_MIB = {0: "56", 1_000: "77", 5_000: "126-142"}
METALLB_REACTION = {0: "13 ms", 1_000: "15 ms; after a deletion 1,278 ms"}


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    with api_server(tmp_path) as made:
        made.add_nodes(3)
        yield made


@pytest.mark.benchmark(group="a controller's cold start on an API server")
@pytest.mark.parametrize("services", [1_000, 5_000])
def test_cold_start(benchmark: Benchmark, services: int, plane: Plane, tell: Callable[[str], None]) -> None:
    plane.all_at_once(plane.create, services)
    floors, used = {}, 0.0
    for name, write, watchers in (
        ("urllib3", plane.write_by_urllib3, 1),
        ("whole", plane.write_whole, 2),
        ("raw", plane.write_raw, 1),
    ):
        used = plane.cpu_seconds()
        floors[name] = _observed(plane, services, write, watchers)
        used = plane.cpu_seconds() - used
        plane.all_at_once(plane.clear, services)
    raw, raw_cpu = floors["raw"], used
    before = plane.writes()
    used = plane.cpu_seconds()

    began = time.perf_counter()
    with plane.controller() as process:
        took = plane.until_addressed(services) - began
        cpu = cores.cpu_seconds(process.pid)
        used = plane.cpu_seconds() - used + cpu
        plane.settle()
        memory, idle = resident(process.pid)[0], _idle(process.pid)
    benchmark.pedantic(lambda: None, rounds=1)
    patches, events = _grown(plane, before, "PATCH services/status"), _grown(plane, before, "POST events")
    ratio = raw / took
    benchmark.extra_info.update(
        seconds=took, raw=raw, ratio=ratio, patches=patches, events=events, cpu_ratio=raw_cpu / used
    )
    benchmark.extra_info.update({f"ratio_to_{name}": floor / took for name, floor in floors.items()})
    tell(
        f"{services:,} Services cold: {took:.2f} s; raw patches over {CONNECTIONS} connections: {raw:.2f} s "
        f"({services / raw:.0f}/s); {ratio:.2f} of the raw rate (MetalLB {METALLB_COLD[services]}); "
        f"{patches / services:.2f} patches and {events / services:.2f} events a Service"
    )
    by_urllib3, whole = floors["urllib3"], floors["whole"]
    tell(
        f"beside urllib3's {services / by_urllib3:.0f}/s: {by_urllib3 / took:.2f}; beside {services / whole:.0f}/s of "
        f"all that it says, with one more who watches: {whole / took:.2f}"
    )
    tell(f"CPU of everybody: {used:.1f} s, of the raw client's run {raw_cpu:.1f} s: {raw_cpu / used:.2f}")
    tell(f"CPU {cpu:.1f} s, {memory / MIB:.0f} MiB (MetalLB {METALLB_MIB[services]}), idle {idle:.2%} of a core")


@pytest.mark.benchmark(group="a Service's address after its creation")
@pytest.mark.parametrize("others", [0, 1_000])
def test_reaction(benchmark: Benchmark, others: int, plane: Plane, tell: Callable[[str], None]) -> None:
    plane.all_at_once(plane.create, others)
    with plane.controller():
        plane.create(9_999)
        plane.until_addressed(others + 1)
        alone = [_reaction(plane, 10_000 + number) for number in range(ROUNDS)]
        after = []
        for number in range(ROUNDS):
            plane.delete(10_000 + number)
            after.append(_reaction(plane, 20_000 + number))
    benchmark.pedantic(lambda: None, rounds=1)
    plain, deleted = statistics.median(alone) * 1e3, statistics.median(after) * 1e3
    benchmark.extra_info.update(milliseconds=plain, after_deletion=deleted)
    tell(
        f"with {others:,} others: {plain:.1f} ms, just after a deletion {deleted:.1f} ms "
        f"(MetalLB, on another machine, {METALLB_REACTION[others]})"
    )


@pytest.mark.benchmark(group="a controller at rest on an API server")
def test_at_rest_without_services(benchmark: Benchmark, plane: Plane, tell: Callable[[str], None]) -> None:
    with plane.controller() as process:
        plane.wait_for(plane.pool_is_counted)
        plane.settle()
        idle = _idle(process.pid)
        memory = resident(process.pid)[0]
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(memory=memory, idle=idle)
    tell(f"no Service: {memory / MIB:.0f} MiB (MetalLB {METALLB_MIB[0]}), idle {idle:.2%} of a core")


def _reaction(plane: Plane, index: int) -> float:
    """Seconds from the creation's answer to the address, as a watch that was there before shows it."""
    name = f"app-{index:05}"
    seen = threading.Event()
    at = [0.0]
    query = {"fieldSelector": f"metadata.name={name}", "watch": "1", "timeoutSeconds": "30"}
    with plane.api.lines("/api/v1/namespaces/default/services", query, 30) as lines:

        def watch() -> None:
            for line in lines:
                if b'"ingress"' in line:
                    at[0] = time.perf_counter()
                    seen.set()
                    return

        thread = threading.Thread(target=watch)
        thread.start()
        plane.create(index)
        created = time.perf_counter()
        assert seen.wait(30)
        thread.join()
    return at[0] - created


def _observed(plane: Plane, services: int, write: Callable[[int], None], watchers: int) -> float:
    """Seconds for a raw client's patches, with the same observer beside them, or several."""
    observers = [threading.Thread(target=plane.until_addressed, args=(services,)) for _ in range(watchers)]
    for observer in observers:
        observer.start()
    took = plane.all_at_once(write, services)
    for observer in observers:
        observer.join()
    return took


def _grown(plane: Plane, before: object, what: str) -> int:
    assert isinstance(before, dict)
    return plane.writes().get(what, 0) - int(before.get(what, 0))


def _idle(pid: int) -> float:
    before = cores.cpu_seconds(pid)
    threading.Event().wait(IDLE_SECONDS)  # there is nothing to wait for but time
    return (cores.cpu_seconds(pid) - before) / IDLE_SECONDS
