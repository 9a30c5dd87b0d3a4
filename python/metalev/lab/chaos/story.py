"""A run as it is told: its seed, a line for each event beyond its bound, and a table of what each kind cost."""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import median

from metalev.lab.chaos.judge import Cost
from metalev.lab.chaos.run import AT_ONCE, SERVICES, Chaos
from metalev.lab.chaos.schedule import BOUNDS, MEANING, schedule
from metalev.lab.ledger import work_directory

SEEDS = 1_000_000


def main(count: int, seed: int | None, keep: Path | None) -> int:
    """Run ``count`` events; the exit status: 0 if every one was within its bounds. ``keep`` is for logs to stay in."""
    seed = secrets.randbelow(SEEDS) if seed is None else seed
    print(f"{count} events, seed {seed}; the same again: python -m metalev.lab chaos --events {count} --seed {seed}")
    began = time.monotonic()
    with nullcontext(keep) if keep else work_directory() as directory, Chaos(Path(directory)) as chaos:
        events = schedule(seed, count, services=list(SERVICES), nodes=list(chaos.cluster.lab.nodes))
        costs: list[Cost] = []
        for first in range(0, count, AT_ONCE):
            costs += chaos.play(events[first : first + AT_ONCE])
            for cost in costs[first:]:
                if not cost.fine:
                    print(f"BEYOND ITS BOUND: {told(cost)}")
            print(f"{len(costs)} of {count} events in {time.monotonic() - began:.0f} s", flush=True)
    print("\n".join(table(costs)))
    beyond = [cost for cost in costs if not cost.fine]
    print(f"seed {seed}: {count - len(beyond)} of {count} events within their bounds, no address stuck")
    return 1 if beyond else 0


def told(cost: Cost) -> str:
    """What an event cost, in a line."""
    return (
        f"event {cost.happened.event} ({cost.happened.node}): {cost.silent or 'nothing'} silent for "
        f"{cost.silent_ms:g} ms of {cost.silent_bound_ms:g}, {cost.doubles_beyond} questions "
        f"answered twice beyond the bound{_when(cost)}; the machine missed {cost.missed_ms:g} ms"
    )


def _when(cost: Cost) -> str:
    if not cost.doubles:
        return ""
    mended = cost.happened.mended
    first, last = ((at - mended) * 1000 for at in (min(cost.doubles), max(cost.doubles)))
    return f" (twice from {first:+.0f} to {last:+.0f} ms from the mending at {mended:.3f})"


def table(costs: Sequence[Cost]) -> list[str]:
    """A row for each kind: what it cost at the median and at most, in milliseconds."""
    of_kind = defaultdict(list)
    for cost in costs:
        of_kind[cost.happened.event.kind].append(cost)
    head = f"{'kind':<10}{'events':>7}{'silent p50':>12}{'most':>8}{'bound':>7}{'double most':>13}{'bound':>7}  what"
    return [head, *(_row(kind, of_kind[kind]) for kind in BOUNDS if of_kind[kind])]


def _row(kind: str, costs: Sequence[Cost]) -> str:
    bound = costs[0].happened.event.bound
    silent = [cost.silent_ms for cost in costs]
    double = "0" if bound.double_ms is None else f"+{bound.double_ms:g}"
    return (
        f"{kind:<10}{len(costs):>7}{median(silent):>12.0f}{max(silent):>8.0f}"
        f"{bound.silent_ms:>6.0f}{'+' if bound.lasting else ' '}"
        f"{max(cost.double_ms for cost in costs):>13.0f}{double:>7}  {MEANING[costs[0].happened.event.kind]}"
    )
