"""MetalLB's old ConfigMap counts while there is no IPAddressPool."""

from __future__ import annotations

from tests.unit.decide.worlds import pool

from metalev.decide.controller import ControllerDecider
from metalev.decide.desired import ControllerDesired
from metalev.decide.diff import controller_actions
from metalev.decide.legacy import InForce, superseded
from metalev.model.actions import RecordEvent
from metalev.model.legacy import LegacyConfig
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import L2Advertisement, Pool
from metalev.model.snapshot import Snapshot, key_of

NAME = Name("metallb-system", "config")
KEY = ObjectKey(Kind.CONFIG_MAP, NAME)
ADVERTISEMENT = L2Advertisement(Name("metallb-system", "l2advertisement1"), pools=("old",))


def config(*pools: Pool, version: str = "1") -> LegacyConfig:
    return LegacyConfig(NAME, version, pools, (ADVERTISEMENT,))


def resources(*pools: Pool, legacy: LegacyConfig | None, advertisements: tuple[L2Advertisement, ...] = ()) -> Snapshot:
    return Snapshot(
        pools={one.name: one for one in pools},
        l2_advertisements={one.name: one for one in advertisements},
        legacy_configs={legacy.name: legacy} if legacy else {},
    )


def test_without_a_config_map_the_resources_are_what_counts() -> None:
    given = resources(pool("new", "10.0.0.0/24"), legacy=None)
    assert InForce().of(given) is given


def test_without_an_ip_address_pool_the_config_map_counts() -> None:
    found = InForce().of(resources(legacy=config(pool("old", "10.0.0.0/24"))))
    assert [(name.name, one.source) for name, one in found.pools.items()] == [("old", KEY)]
    assert list(found.l2_advertisements.values()) == [ADVERTISEMENT]


def test_an_ip_address_pool_sets_all_of_the_config_map_aside() -> None:
    given = resources(pool("new", "10.0.0.0/24"), legacy=config(pool("old", "10.0.1.0/24")))
    assert InForce().of(given) is given


def test_an_l2_advertisement_counts_beside_the_config_map_and_wins_by_name() -> None:
    extra, same = L2Advertisement(Name("metallb-system", "extra")), L2Advertisement(ADVERTISEMENT.name, pools=("x",))
    found = InForce().of(resources(legacy=config(pool("old", "10.0.0.0/24")), advertisements=(extra, same)))
    assert found.l2_advertisements == {extra.name: extra, same.name: same}


def test_a_pool_has_the_version_of_the_config_map_that_gives_it() -> None:
    found = InForce().of(resources(legacy=config(pool("old", "10.0.0.0/24"), version="7")))
    assert [one.version for one in found.pools.values()] == ["7"]


def test_what_does_not_change_keeps_its_identity() -> None:
    in_force, given = InForce(), resources(legacy=config(pool("old", "10.0.0.0/24")))
    before, after = in_force.of(given), in_force.of(given)
    assert before.pools is after.pools
    assert before.l2_advertisements is after.l2_advertisements


def test_a_changed_config_map_gives_new_pools() -> None:
    in_force = InForce()
    in_force.of(resources(legacy=config(pool("old", "10.0.0.0/24"))))
    found = in_force.of(resources(legacy=config(pool("young", "10.0.0.0/24"))))
    assert [name.name for name in found.pools] == ["young"]


def test_a_config_map_in_force_is_not_superseded() -> None:
    assert superseded(InForce().of(resources(legacy=config(pool("old", "10.0.0.0/24"))))) == {}


def test_a_superseded_config_map_is_told_by_which_pools() -> None:
    pools = [pool(f"new{number}", f"10.0.{number}.0/24") for number in range(5)]
    (why,) = superseded(resources(*pools, legacy=config())).values()
    assert why.startswith("nothing in this ConfigMap is used, because IPAddressPools win over it, and there is ")
    assert '"new0", "new1", "new2" and 2 more' in why


def warnings(before: ControllerDesired, now: ControllerDesired, snapshot: Snapshot) -> list[tuple[ObjectKey, str]]:
    actions = controller_actions(before, now, snapshot.pools)
    return [(one.event.regarding, one.event.reason) for one in actions if isinstance(one, RecordEvent)]


def test_the_controller_tells_a_superseded_config_map_once() -> None:
    given = Snapshot(
        pools={one.name: one for one in (pool("new", "10.0.0.0/24"),)}, legacy_configs={NAME: config()}, synced=True
    )
    desired = ControllerDecider().desired(given)
    assert warnings(ControllerDesired(), desired, given) == [(KEY, "ConfigurationIgnored")]
    assert warnings(desired, desired, given) == []


def test_what_is_wrong_with_a_pool_of_the_config_map_is_told_on_the_config_map() -> None:
    old = config(pool("a", "10.0.0.0/24"), pool("b", "10.0.0.0/25"))
    given = InForce().of(Snapshot(legacy_configs={NAME: old}, synced=True))
    desired = ControllerDecider().desired(given)
    assert warnings(ControllerDesired(), desired, given) == [(key_of(old), "ConfigurationError")]
