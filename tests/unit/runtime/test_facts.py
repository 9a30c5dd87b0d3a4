"""What the engine tells of others on the wire, as levels."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace

from metalev.model.ownership import Fact, FactKind
from metalev.runtime.facts import TROUBLE_KEPT, FactLevels

ADDRESS = ip_address("192.0.2.1")
CLEAN = Fact(FactKind.CLEAN, 1.0, "probe", "", addresses=(ADDRESS,))
CONFLICT = Fact(FactKind.CONFLICT, 2.0, "probe", "in use", addresses=(ADDRESS,), mac="02:00:00:00:09:09")
OVER = replace(CONFLICT, kind=FactKind.CONFLICT_OVER)
KERNEL = replace(CONFLICT, kind=FactKind.OWN_KERNEL, message="the kernel answers")
PATIENCE = Fact(FactKind.PATIENCE, 3.0, "late-beacons", "late", peer="node2", patience=0.5)
PROXY = replace(CONFLICT, kind=FactKind.PROXY_ARP, message="a proxy")


def levels(*facts: Fact) -> FactLevels:
    made = FactLevels()
    for fact in facts:
        made.note(fact)
    return made


def field(name: str, *facts: Fact) -> object:
    return levels(*facts).fields()[name]


def test_a_conflict_lasts_until_it_is_over() -> None:
    assert field("conflicts", CONFLICT) == {"192.0.2.1": CONFLICT}
    assert field("conflicts", CONFLICT, OVER) == {}


def test_a_longer_patience_lasts_until_it_is_over() -> None:
    longer = replace(PATIENCE, patience=0.75)
    over = replace(PATIENCE, kind=FactKind.PATIENCE_OVER, patience=0.0)
    assert field("patience", PATIENCE, longer) == {"node2": longer}
    assert field("patience", PATIENCE, over) == {}


def test_a_clean_address_is_clean_until_somebody_has_it() -> None:
    assert field("clean", CLEAN) == {"192.0.2.1"}
    assert field("clean", CLEAN, CONFLICT) == frozenset()
    assert field("clean", CLEAN, CONFLICT, OVER) == frozenset()


def sentences(*facts: Fact) -> set[str]:
    """What is told of others."""
    found = field("trouble", *facts)
    assert isinstance(found, frozenset)
    return {fact.message for fact in found}


def test_beacons_that_are_not_heeded_are_told_of_nodes_until_that_is_over() -> None:
    unheeded = replace(KERNEL, kind=FactKind.UNHEEDED, peer="node2", message="another key")
    elsewhere = replace(unheeded, mac="02:00:00:00:00:07")
    over = replace(unheeded, kind=FactKind.UNHEEDED_OVER, message="no other key")
    assert sentences(unheeded) == {"another key"}
    assert sentences(unheeded, over) == set()
    assert sentences(unheeded, elsewhere, over) == {"another key"}
    assert sentences(replace(unheeded, peer="")) == set()


def test_a_kernel_or_a_proxy_that_answers_is_told_until_that_is_over() -> None:
    kernel_over, proxy_over = (
        replace(KERNEL, kind=FactKind.OWN_KERNEL_OVER),
        replace(PROXY, kind=FactKind.PROXY_ARP_OVER),
    )
    assert sentences(KERNEL, PROXY) == {"the kernel answers", "a proxy"}
    assert sentences(KERNEL, PROXY, kernel_over) == {"a proxy"}
    assert sentences(KERNEL, PROXY, replace(proxy_over, addresses=())) == {"the kernel answers"}


def test_the_end_of_one_kernel_s_answers_is_not_that_of_another_s() -> None:
    other = replace(KERNEL, addresses=(ip_address("192.0.2.2"),), message="another answers")
    assert sentences(KERNEL, other, replace(other, kind=FactKind.OWN_KERNEL_OVER)) == {"the kernel answers"}


def test_who_varies_its_mac_makes_no_more_than_a_few_sentences() -> None:
    many = [replace(PROXY, mac=f"02:00:00:00:{n:02x}:00", message=f"proxy {n}") for n in range(100)]
    assert sentences(*many) == {f"proxy {n}" for n in range(100 - TROUBLE_KEPT, 100)}


def test_one_kind_of_trouble_pushes_out_no_other() -> None:
    many = [replace(PROXY, mac=f"02:00:00:00:{n:02x}:00", message=f"proxy {n}") for n in range(100)]
    assert "the kernel answers" in sentences(KERNEL, *many)


def test_what_the_kernel_does_not_send_is_told_while_it_lasts_of_each_way() -> None:
    refused = Fact(FactKind.UNSENT, 1.0, "refused", "eth0 is full", interface="eth0")
    lasts = replace(refused, kind=FactKind.UNSENT_LASTS)
    elsewhere = replace(lasts, interface="UDP to 192.0.2.7", message="a firewall")
    over = replace(refused, kind=FactKind.UNSENT_OVER)
    assert sentences(refused) == set(), "a moment's trouble"
    assert sentences(lasts, elsewhere) == {"eth0 is full", "a firewall"}
    assert sentences(lasts, replace(lasts, message="eth0 is down"), elsewhere, over) == {"a firewall"}


def test_what_concerns_no_conflict_leaves_them_the_same_object() -> None:
    made = levels(CONFLICT)
    before = made.fields()["conflicts"]
    made.note(CLEAN)
    assert made.fields()["conflicts"] is before
