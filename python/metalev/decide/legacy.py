"""MetalLB's old ConfigMap beside its resources: which of them count.

MetalLB has not read the ConfigMap since 0.13, so one that was forgotten must not hand out addresses again: a single
IPAddressPool is enough to set all of it aside.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from metalev.decide.words import quoted
from metalev.model.legacy import LegacyConfig
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import L2Advertisement, Pool
from metalev.model.snapshot import Snapshot, key_of

_Pools = Mapping[Name, Pool]
_Advertisements = Mapping[Name, L2Advertisement]


class InForce:
    """Puts the pools of the ConfigMap where those of resources would be, if there is no such resource.

    It keeps what it made, so that mappings that did not change keep their identity.
    """

    def __init__(self) -> None:
        self._given: tuple[object, ...] = ()
        self._made: tuple[_Pools, _Advertisements] = {}, {}

    def of(self, resources: Snapshot) -> Snapshot:
        """``resources`` with the pools and advertisements that count."""
        if resources.pools or not resources.legacy_configs:
            return resources
        given = resources.legacy_configs, resources.l2_advertisements
        if len(self._given) != len(given) or any(now is not then for now, then in zip(given, self._given, strict=True)):
            self._given, self._made = given, _from_config_maps(*given)
        pools, advertisements = self._made
        return replace(resources, pools=pools, l2_advertisements=advertisements)


def superseded(snapshot: Snapshot) -> Mapping[ObjectKey, str]:
    """The ConfigMaps that do not count, each with the reason for a person."""
    pools = sorted(name.name for name, pool in snapshot.pools.items() if pool.source is None)
    if not pools or not snapshot.legacy_configs:
        return {}
    listed = ", ".join(map(quoted, pools[:3])) + (f" and {len(pools) - 3} more" if len(pools) > 3 else "")
    why = (
        f"nothing in this ConfigMap is used, because IPAddressPools win over it, and there is {listed}: "
        "remove the ConfigMap; a pool that stands only here has to become an IPAddressPool and an L2Advertisement first"
    )
    return {ObjectKey(Kind.CONFIG_MAP, name): why for name in snapshot.legacy_configs}


def _from_config_maps(
    configs: Mapping[Name, LegacyConfig], resources: _Advertisements
) -> tuple[_Pools, _Advertisements]:
    pools: dict[Name, Pool] = {}
    advertisements: dict[Name, L2Advertisement] = {}
    for config in configs.values():
        for pool in config.pools:
            pools[pool.name] = replace(pool, version=config.version, source=key_of(config))
        advertisements |= {one.name: one for one in config.advertisements}
    return pools, advertisements | dict(resources)
