"""MetalLB's old ConfigMap as a manifest: what it gives, where its mistakes stand, and what stays in force."""

from __future__ import annotations

import pytest
from tests.guide import POOLS_ALONE, TWO_POOLS
from tests.unit.adapters.folder import Folder, service

from metalev.adapters.codec import Codec
from metalev.adapters.files.manifest import Manifest, read_manifest
from metalev.model.address import WRITE_RANGES
from metalev.model.legacy import LegacyConfig
from metalev.model.meta import Kind, Name, ObjectKey

CODEC = Codec("metallb-system", default_families=(4,))
CONFIG = ObjectKey(Kind.CONFIG_MAP, Name("metallb-system", "config"))


def read(text: str, before: Manifest | None = None, path: str = "metallb.yaml") -> Manifest:
    return read_manifest(path, text.encode(), before, CODEC)


def pools(manifest: Manifest) -> dict[str, str]:
    given = [one.obj for one in manifest.given.values()]
    return {pool.name.name: str(pool.ranges[0]) for obj in given if isinstance(obj, LegacyConfig) for pool in obj.pools}


def complaints(manifest: Manifest) -> list[tuple[int, str]]:
    return [(complaint.line, complaint.message) for complaint in manifest.complaints]


def test_the_config_map_of_a_guide_gives_its_pools() -> None:
    assert pools(read(TWO_POOLS)) == {
        "production": "192.168.1.200-192.168.1.205",
        "development": "192.168.1.206-192.168.1.210",
    }
    assert complaints(read(TWO_POOLS)) == []


def test_the_pools_alone_are_as_good_as_the_config_map_around_them() -> None:
    assert list(pools(read(POOLS_ALONE))) == ["production", "staging", "development"]
    assert list(read(POOLS_ALONE).given) == [CONFIG]


def test_a_mistake_is_named_by_the_line_of_the_file_and_that_of_the_text() -> None:
    found = complaints(read("# ours\n" + TWO_POOLS.replace("206-", "299-")))
    wrong = f'invalid IP range "192.168.1.299-192.168.1.210": an end of it is no IP address: {WRITE_RANGES}'
    assert found == [(17, f"{CONFIG}: data.config: line 9: address-pools[1].addresses[0]: {wrong}")]


def test_a_mistake_in_a_quoted_text_is_named_by_the_line_of_its_key() -> None:
    quoted = TWO_POOLS[: TWO_POOLS.index("  config: |")] + '  config: "address-pools:\\n- name: 7\\n"\n'
    assert complaints(read(quoted))[0][0] == 7


def test_a_mistake_in_the_pools_alone_is_named_by_its_line() -> None:
    assert complaints(
        read(POOLS_ALONE.replace("- name: staging\n  protocol: layer2", "- name: staging\n  protcol: layer2"))
    ) == [(7, f'{CONFIG}: address-pools[1].protcol: unknown key: did you mean "protocol"?')]


def test_what_is_not_yaml_inside_is_named_by_its_line_in_the_file() -> None:
    ((line, message),) = complaints(read(TWO_POOLS.replace("name: development", 'name: "development')))
    assert line >= 13
    assert "data.config: line " in message
    assert "cannot be read as YAML" in message


def test_after_a_mistake_the_last_good_pools_stay() -> None:
    after = read(TWO_POOLS.replace("layer2", "layer3"), read(TWO_POOLS))
    assert pools(after) == pools(read(TWO_POOLS))
    assert not after.whole


# What is written in place of what, and what is said of it: the line of the file, the object, the field, what is right.
MISTAKES = {
    "no YAML": ("name: development", 'name: "development', 17, "data.config: line 10: cannot be read as YAML: "),
    "an unknown key": (
        "address-pools:",
        "addres-pools:",
        8,
        'data.config: line 1: addres-pools: unknown key: did you mean "address-pools"?',
    ),
    "a wrong type": (
        "\n      - 192.168.1.206-192.168.1.210",
        " 192.168.1.206/32",
        15,
        "data.config: line 8: address-pools[1].addresses: expected a list, got a string",
    ),
    "an unknown word": (
        "layer2\n      addresses:\n      - 192.168.1.206",
        "layer3\n      addresses:\n      - 192.168.1.206",
        14,
        "data.config: line 7: address-pools[1].protocol: invalid enum value 'layer3': write layer2 or bgp",
    ),
    "a missing field": ("name: development", "auto-assign: true", 13, "address-pools[1].name: is missing"),
    "a range that ends before it starts": (
        "206-192.168.1.210",
        "210-192.168.1.206",
        16,
        'address-pools[1].addresses[0]: invalid IP range "192.168.1.210-192.168.1.206": start IP "192.168.1.210"',
    ),
    "an address that is none": (
        "192.168.1.206-192.168.1.210",
        "192.168.1.256/32",
        16,
        'line 9: address-pools[1].addresses[0]: invalid CIDR "192.168.1.256/32"',
    ),
    "a name given twice": (
        "name: development",
        "name: production",
        13,
        'line 6: address-pools[1].name: duplicate pool "production": address-pools[0].name',
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_it_is_named_costs_nothing_else_and_the_last_good_pools_stay(mistake: str) -> None:
    old, new, line, message = MISTAKES[mistake]
    assert TWO_POOLS.count(old) == 1
    before = read(TWO_POOLS + "---\n" + service("web"))
    after = read(TWO_POOLS.replace(old, new) + "---\n" + service("web") + "---\n" + service("api"), before)
    ((place, told),) = complaints(after)
    assert (place, told.startswith(f"{CONFIG}: data.config: ")) == (line, True)
    assert message in told
    assert pools(after) == pools(before)
    assert {key.name.name for key in after.given} == {"config", "web", "api"}
    assert (after.whole, [one.serious for one in after.complaints]) == (False, [True])


def test_an_edit_moves_the_range_and_removes_a_pool() -> None:
    edited = TWO_POOLS[: TWO_POOLS.index("    - name: development")].replace("205", "220")
    assert pools(read(edited, read(TWO_POOLS))) == {"production": "192.168.1.200-192.168.1.220"}


def test_a_remark_is_no_reason_to_keep_what_is_gone() -> None:
    remarked = read(TWO_POOLS.replace("production", "Production"))
    assert remarked.whole
    assert [complaint.serious for complaint in remarked.complaints] == [False]
    assert complaints(remarked)[0][0] == 9
    assert list(read("# nothing\n", remarked).given) == []


def test_overlapping_pools_are_serious_and_in_force() -> None:
    (complaint,) = read(TWO_POOLS.replace("206-", "205-")).complaints
    assert (complaint.line, complaint.serious, complaint.lost) == (12, True, False)
    assert "overlaps" in complaint.message


def test_a_config_map_in_a_list_has_its_lines_too() -> None:
    item = "".join(f"  {line}\n" for line in TWO_POOLS.replace("layer2", "layer3", 1).splitlines())
    listed = read("apiVersion: v1\nkind: List\nitems:\n-" + item[1:])
    assert complaints(listed)[0][0] == 13


def test_the_status_of_its_pools_is_kept_as_long_as_it_gives_them(folder: Folder) -> None:
    folder.write("metallb.yaml", TWO_POOLS)
    folder.write(".metalev/controller/pools/production.yaml", "kind: IPAddressPool\n")
    folder.write(".metalev/controller/pools/staging.yaml", "kind: IPAddressPool\n")
    folder.open()
    kept = [path.stem for path in (folder.path / ".metalev" / "controller" / "pools").iterdir()]
    assert kept == ["production"]


def test_one_in_another_namespace_is_named_and_not_used() -> None:
    manifest = read(TWO_POOLS.replace("metallb-system", "default"))
    wrong = "metadata.namespace: MetalLB's configuration is read in metallb-system alone: move it there"
    assert complaints(manifest) == [(4, f"ConfigMap default/config: {wrong}")]
    assert [complaint.serious for complaint in manifest.complaints] == [False]
    assert pools(manifest) == {}


def test_without_a_namespace_its_pools_are_given_as_those_of_a_resource_are() -> None:
    assert pools(read(TWO_POOLS.replace("  namespace: metallb-system\n", ""))) == pools(read(TWO_POOLS))


def test_two_config_maps_are_told_of_each_other(folder: Folder) -> None:
    folder.write("a.yaml", TWO_POOLS)
    folder.write("b.yaml", POOLS_ALONE)
    _, seen = folder.open()
    assert seen.problems == {"b.yaml:1": f"{CONFIG} is given by a.yaml:1 already: remove one of the two"}
