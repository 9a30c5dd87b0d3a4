"""A drill: an operator moves an address, or has its announcer fall silent, to see what happens."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from metalev.model.address import IPAddress
from metalev.model.meta import Name

LONGEST = 30
"""Seconds after which a drill is over, whoever forgot about it; the engine and the CRD have the same bound."""
FORGOTTEN = 10 * LONGEST
"""Seconds after which a drill that is still there is one whose command was killed; the next command removes it."""


class DrillMode(StrEnum):
    """``move``: the nodes are no candidates for the address. ``crash``: they are silent, as if they had died."""

    MOVE = "move"
    CRASH = "crash"


class Drill(Struct, frozen=True):
    """What is drilled. It lasts ``seconds`` (1 to 30) from when a speaker first sees it; gone, it is over at once."""

    name: Name
    version: str = ""
    address: IPAddress | None = None
    nodes: tuple[str, ...] = ()
    mode: DrillMode = DrillMode.MOVE
    seconds: int = LONGEST
