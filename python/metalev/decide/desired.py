"""What the controller should say besides the Services' statuses."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from metalev.decide.words import quoted_list
from metalev.model.actions import Configuration
from metalev.model.address import IPAddress
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import PoolStatus
from metalev.model.snapshot import Snapshot


class Unannounced(Struct, frozen=True):
    """Addresses that no node may announce, the Services that hold them, and why."""

    addresses: tuple[IPAddress, ...]
    services: tuple[Name, ...]
    why: str

    @property
    def message(self) -> str:
        """The same words for the event and the condition."""
        return f"no node may announce {quoted_list(self.addresses)}: {self.why}"


class ControllerDesired(Struct, frozen=True):
    """What the controller says besides the Services' statuses: of pools by name, of groups by their key as text.

    Of ``unannounced``, a Service that shares its address with others that are announced has its name for a key.
    ``pool_problems`` are mistakes in the pools, ``pool_skips`` addresses of theirs that are not handed out.
    ``superseded`` are MetalLB's old ConfigMaps that do not count. ``configuration`` is what it makes of all that.
    """

    pool_statuses: Mapping[Name, PoolStatus] = {}
    pool_problems: Mapping[Name, str] = {}
    pool_skips: Mapping[Name, str] = {}
    unannounced: Mapping[str, Unannounced] = {}
    superseded: Mapping[ObjectKey, str] = {}
    configuration: Configuration | None = None


def configuration_of(snapshot: Snapshot, pool_problems: Mapping[Name, str] = {}) -> Configuration:
    """What a program makes of the configuration, a sentence for each thing that is wrong and where."""
    return Configuration(
        tuple(f"{source}: {message}" for source, message in sorted(snapshot.problems.items())),
        tuple(f"{ObjectKey(Kind.POOL, name)}: {message}" for name, message in sorted(pool_problems.items())),
    )
