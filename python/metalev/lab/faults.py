"""What is wrong with the segment right now, and the switch's packet filter that makes it so.

The filter drops frames of every protocol between ports of the bridge, so neither end can tell it from a fault of the
network: the carrier stays.
"""

from __future__ import annotations

from itertools import permutations
from typing import Literal, TypeAlias

from msgspec import Struct

Direction: TypeAlias = Literal["in", "out"]

TABLE = "metalev_lab"


class Faults(Struct, frozen=True):
    """``deaf`` hosts receive nothing, ``mute`` hosts' frames reach nobody, and no frame crosses between ``sides``.

    Of a hundred frames among the ``lossy`` hosts, ``loss_percent`` are lost.
    """

    deaf: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()
    sides: tuple[frozenset[str], ...] = ()
    lossy: frozenset[str] = frozenset()
    loss_percent: int = 0


def rules(faults: Faults) -> str:
    """The whole filter as nftables text that replaces whatever was there."""
    drops = [
        *(f'oifname "{port}" drop' for port in sorted(faults.deaf)),
        *(f'iifname "{port}" drop' for port in sorted(faults.mute)),
        *(f"iifname {_ports(one)} oifname {_ports(other)} drop" for one, other in permutations(faults.sides, 2)),
    ]
    if faults.lossy:
        among = f"iifname {_ports(faults.lossy)} oifname {_ports(faults.lossy)}"
        drops.append(f"{among} numgen random mod 100 < {faults.loss_percent} drop")
    lines = [
        f"table bridge {TABLE}",  # so that there is one to delete
        f"delete table bridge {TABLE}",
        f"table bridge {TABLE} {{",
        "  chain forward {",
        "    type filter hook forward priority 0; policy accept;",
        *(f"    {drop}" for drop in drops),
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _ports(names: frozenset[str]) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in sorted(names)) + " }"
