"""The store: changes in, snapshots out, identity kept for what did not change."""

from ipaddress import ip_address

from metalev.model.cluster import Node
from metalev.model.legacy import LegacyConfig
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.ownership import Fact, FactKind
from metalev.model.pools import Pool
from metalev.model.services import EndpointSlice, Service
from metalev.model.snapshot import Deleted, Listed, Noticed, Rejected, Synced, Upserted
from metalev.runtime.store import Store

WEB = Name("default", "web")
API = Name("default", "api")


def service(name: Name = WEB, version: str = "1") -> Service:
    return Service(name, version=version, type="LoadBalancer")


def endpoint_slice(name: str, of: Name, version: str = "1") -> EndpointSlice:
    return EndpointSlice(Name("default", name), service=of, version=version)


def fact(
    kind: FactKind,
    *,
    group: str = "",
    addresses: tuple[str, ...] = (),
    peer: str = "",
    interface: str = "",
    term: int = 0,
) -> Fact:
    key = ip_address(group) if group else None
    concerned = tuple(ip_address(one) for one in addresses)
    return Fact(kind, 1.0, "", "", group=key, addresses=concerned, peer=peer, interface=interface, term=term)


def test_an_upserted_object_is_in_the_snapshot_and_touched() -> None:
    store = Store()
    applied = store.apply([Upserted(service())])
    assert store.snapshot.services == {WEB: service()}
    assert applied.touched == {ObjectKey(Kind.SERVICE, WEB)}


def test_every_kind_lands_in_its_own_field() -> None:
    store = Store()
    node, pool = Node(Name("", "node1")), Pool(Name("metallb-system", "first"))
    store.apply([Upserted(node), Upserted(pool)])
    assert (store.snapshot.nodes, store.snapshot.pools) == ({node.name: node}, {pool.name: pool})
    assert store.snapshot.services == {}


def test_kinds_that_do_not_change_keep_their_identity() -> None:
    store = Store()
    before = store.apply([Upserted(service()), Upserted(Node(Name("", "node1")))]).after
    after = store.apply([Upserted(service(version="2"))]).after
    assert after.nodes is before.nodes
    assert after.services is not before.services
    assert before.services[WEB].version == "1"


def test_the_same_object_again_changes_nothing() -> None:
    store = Store()
    store.apply([Upserted(service())])
    applied = store.apply([Upserted(service())])
    assert not applied.changed
    assert applied.touched == frozenset()


def test_a_deleted_object_is_gone_and_touched() -> None:
    store = Store()
    store.apply([Upserted(service())])
    applied = store.apply([Deleted(ObjectKey(Kind.SERVICE, WEB))])
    assert applied.after.services == {}
    assert applied.touched == {ObjectKey(Kind.SERVICE, WEB)}


def test_deleting_what_is_not_there_changes_nothing() -> None:
    assert not Store().apply([Deleted(ObjectKey(Kind.SERVICE, WEB))]).changed


def test_a_list_drops_what_is_not_in_it() -> None:
    store = Store()
    store.apply([Upserted(service(WEB)), Upserted(service(API)), Upserted(Node(WEB))])
    applied = store.apply([Listed(Kind.SERVICE, frozenset({API}))])
    assert set(applied.after.services) == {API}
    assert set(applied.after.nodes) == {WEB}
    assert applied.touched == {ObjectKey(Kind.SERVICE, WEB)}


def test_endpoints_are_grouped_by_service() -> None:
    store = Store()
    first, second, other = endpoint_slice("a", WEB), endpoint_slice("b", WEB), endpoint_slice("c", API)
    store.apply(map(Upserted, (first, second, other)))
    assert store.snapshot.endpoints == {WEB: {first.name: first, second.name: second}, API: {other.name: other}}


def test_endpoints_of_other_services_keep_their_identity() -> None:
    store = Store()
    before = store.apply([Upserted(endpoint_slice("a", WEB)), Upserted(endpoint_slice("c", API))]).after
    after = store.apply([Upserted(endpoint_slice("a", WEB, version="2"))]).after
    assert after.endpoints[API] is before.endpoints[API]
    assert before.endpoints[WEB][Name("default", "a")].version == "1"


def test_a_slice_that_changes_its_service_leaves_the_old_one() -> None:
    store = Store()
    store.apply([Upserted(endpoint_slice("a", WEB))])
    store.apply([Upserted(endpoint_slice("a", API))])
    assert set(store.snapshot.endpoints) == {API}


def test_a_service_without_slices_has_no_endpoints_entry() -> None:
    store = Store()
    store.apply([Upserted(endpoint_slice("a", WEB)), Upserted(endpoint_slice("c", API))])
    store.apply([Deleted(ObjectKey(Kind.ENDPOINT_SLICE, Name("default", "a")))])
    assert set(store.snapshot.endpoints) == {API}


def test_a_slice_missing_from_a_list_is_dropped() -> None:
    store = Store()
    store.apply([Upserted(endpoint_slice("a", WEB)), Upserted(endpoint_slice("b", WEB))])
    store.apply([Listed(Kind.ENDPOINT_SLICE, frozenset({Name("default", "b")}))])
    assert set(store.snapshot.endpoints[WEB]) == {Name("default", "b")}


def test_a_slice_deleted_and_made_again_in_one_batch_is_there() -> None:
    store = Store()
    store.apply([Upserted(endpoint_slice("a", WEB))])
    gone = Deleted(ObjectKey(Kind.ENDPOINT_SLICE, Name("default", "a")))
    store.apply([gone, Upserted(endpoint_slice("a", WEB, version="2"))])
    assert store.snapshot.endpoints[WEB][Name("default", "a")].version == "2"


def test_a_rejected_input_is_a_problem_until_it_is_withdrawn() -> None:
    store = Store()
    store.apply([Rejected("web.yaml:3", "spec.ports is no list")])
    assert store.snapshot.problems == {"web.yaml:3": "spec.ports is no list"}
    store.apply([Rejected("web.yaml:3", "")])
    assert store.snapshot.problems == {}


def test_withdrawing_an_unknown_problem_changes_nothing() -> None:
    assert not Store().apply([Rejected("web.yaml:3", "")]).changed


def test_synced_is_remembered() -> None:
    store = Store()
    store.apply([Synced()])
    assert store.snapshot.synced
    assert not store.apply([Synced()]).changed


def test_a_group_is_held_from_taking_to_yielding_it() -> None:
    store = Store()
    took = fact(FactKind.TOOK, group="192.0.2.1", term=3)
    applied = store.apply([Noticed(took)])
    assert applied.after.held == {"192.0.2.1": took}
    assert applied.facts == (took,)
    store.apply([Noticed(fact(FactKind.YIELDED, group="192.0.2.1"))])
    assert store.snapshot.held == {}


def test_a_peer_is_heard_while_it_is_heard_on_any_interface() -> None:
    store = Store()
    store.apply([Noticed(fact(FactKind.PEER_HEARD, peer="node2", interface=name)) for name in ("lan0", "lan1")])
    store.apply([Noticed(fact(FactKind.PEER_LOST, peer="node2", interface="lan0"))])
    assert store.snapshot.peers_heard == {"node2"}
    store.apply([Noticed(fact(FactKind.PEER_LOST, peer="node2", interface="lan1"))])
    assert store.snapshot.peers_heard == frozenset()


def test_a_peer_lost_by_udp_is_lost_whichever_interface_it_last_arrived_on() -> None:
    store = Store()
    store.apply([Noticed(fact(FactKind.PEER_HEARD, peer="node2", interface="udp (lan0)"))])
    store.apply([Noticed(fact(FactKind.PEER_LOST, peer="node2", interface="udp ()"))])
    assert store.snapshot.peers_heard == frozenset()


def test_interfaces_come_and_go() -> None:
    store = Store()
    store.apply([Noticed(fact(FactKind.INTERFACE_UP, interface=name)) for name in ("lan0", "lan1")])
    store.apply([Noticed(fact(FactKind.INTERFACE_DOWN, interface="lan1"))])
    assert store.snapshot.interfaces == {"lan0"}


def test_the_addresses_of_interfaces_are_those_last_told() -> None:
    store = Store()
    store.apply([Noticed(fact(FactKind.INTERFACE_UP, interface="lan0", addresses=("192.0.2.10", "fe80::1")))])
    store.apply([Noticed(fact(FactKind.INTERFACE_UP, interface="lan1", addresses=("2001:db8::10",)))])
    assert store.snapshot.local_addresses == {"192.0.2.10", "2001:db8::10"}
    store.apply([Noticed(fact(FactKind.INTERFACE_UP, interface="lan0", addresses=("192.0.2.11",)))])
    assert store.snapshot.local_addresses == {"192.0.2.11", "2001:db8::10"}


def test_gateways_are_those_last_told_and_go_with_their_interface() -> None:
    store = Store()
    for interface, gateway in (("lan0", "192.0.2.254"), ("lan1", "198.51.100.254"), ("lan1", "198.51.100.253")):
        store.apply([Noticed(fact(FactKind.GATEWAYS, interface=interface, addresses=(gateway,)))])
    assert store.snapshot.gateways == {"192.0.2.254", "198.51.100.253"}
    store.apply([Noticed(fact(FactKind.INTERFACE_DOWN, interface="lan1"))])
    assert store.snapshot.gateways == {"192.0.2.254"}


def test_what_the_host_has_on_other_interfaces_counts_beside_what_those_in_use_have() -> None:
    store = Store()
    store.apply([Noticed(fact(FactKind.INTERFACE_UP, interface="lan0", addresses=("192.0.2.10",)))])
    store.apply([Noticed(fact(FactKind.GATEWAYS, interface="lan0", addresses=("192.0.2.254",)))])
    store.apply([Noticed(fact(FactKind.HOST_ADDRESSES, addresses=("172.17.0.1", "192.0.2.10")))])
    store.apply([Noticed(fact(FactKind.HOST_GATEWAYS, addresses=("198.51.100.254",)))])
    assert store.snapshot.local_addresses == {"172.17.0.1", "192.0.2.10"}
    assert store.snapshot.gateways == {"192.0.2.254", "198.51.100.254"}
    assert store.snapshot.interfaces == {"lan0"}


def test_what_the_host_has_is_what_was_last_told_of_it() -> None:
    store = Store()
    for kind in (FactKind.HOST_ADDRESSES, FactKind.HOST_GATEWAYS):
        store.apply([Noticed(fact(kind, addresses=("172.17.0.1", "172.17.0.2")))])
        store.apply([Noticed(fact(kind, addresses=("172.17.0.2",)))])
    assert store.snapshot.local_addresses == store.snapshot.gateways == {"172.17.0.2"}


def test_a_group_is_one_that_cannot_be_announced_until_it_can() -> None:
    store = Store()
    cannot = fact(FactKind.UNABLE, group="192.0.2.1")
    store.apply([Noticed(cannot)])
    assert store.snapshot.unable == {"192.0.2.1": cannot}
    store.apply([Noticed(fact(FactKind.ABLE, group="192.0.2.1"))])
    assert store.snapshot.unable == {}


def test_a_snapshot_handed_out_never_changes() -> None:
    store = Store()
    kept = store.apply([Upserted(service()), Noticed(fact(FactKind.TOOK, group="192.0.2.1"))]).after
    store.apply([Deleted(ObjectKey(Kind.SERVICE, WEB)), Noticed(fact(FactKind.YIELDED, group="192.0.2.1"))])
    assert set(kept.services) == {WEB}
    assert set(kept.held) == {"192.0.2.1"}


def test_what_is_merely_not_used_is_a_note_and_no_problem() -> None:
    store = Store()
    store.apply([Rejected("gizmo.yaml:1", 'kind "Gizmo" is not read by metalev', serious=False)])
    assert not store.snapshot.problems
    assert list(store.snapshot.notes) == ["gizmo.yaml:1"]
    store.apply([Rejected("gizmo.yaml:1", "")])
    assert not store.snapshot.notes


def test_pools_of_the_old_config_map_are_in_the_snapshot_until_there_is_an_ip_address_pool() -> None:
    store = Store()
    old, new = Pool(Name("metallb-system", "old")), Pool(Name("metallb-system", "new"))
    config = LegacyConfig(Name("metallb-system", "config"), "1", (old,))
    store.apply([Upserted(config)])
    assert list(store.snapshot.pools) == [old.name]
    store.apply([Upserted(new)])
    assert store.snapshot.pools == {new.name: new}
    store.apply([Deleted(ObjectKey(Kind.POOL, new.name))])
    assert list(store.snapshot.pools) == [old.name]
    store.apply([Deleted(ObjectKey(Kind.CONFIG_MAP, config.name))])
    assert store.snapshot.pools == {}


def test_a_list_of_ip_address_pools_does_not_take_the_old_config_maps_away() -> None:
    store = Store()
    old = Pool(Name("metallb-system", "old"))
    store.apply([Upserted(LegacyConfig(Name("metallb-system", "config"), "1", (old,)))])
    before = store.snapshot.pools
    applied = store.apply([Listed(Kind.POOL, frozenset())])
    assert not applied.changed
    store.apply([Upserted(service())])
    assert store.snapshot.pools is before
