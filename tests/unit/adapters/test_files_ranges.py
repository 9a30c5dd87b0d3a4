"""Ranges that cannot be used, most of all because they overlap across files: named where they stand until mended."""

from __future__ import annotations

from tests.unit.adapters.folder import Folder

SECOND = """\
# ours
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: second}}
spec:
  addresses:
  - 198.51.100.0/24
  - {text}
"""
FIRST = SECOND.replace("second", "first").replace("198.51.100.0", "203.0.113.0")
OVERLAPPING = SECOND.format(text="192.0.2.128/25")


def test_the_later_pool_is_named_by_file_line_and_field(folder: Folder) -> None:
    folder.write("first.yaml", FIRST.format(text="192.0.2.0/24"))
    folder.write("second.yaml", "# of the shop\n---\n" + OVERLAPPING)
    _, seen = folder.open()
    message = 'CIDR "192.0.2.128/25" in pool "second" overlaps with already defined CIDR "192.0.2.0/24"'
    assert seen.problems == {
        "second.yaml:10": f"IPAddressPool metallb-system/second: spec.addresses[1]: {message}",
    }
    assert seen.serious == {"second.yaml:10"}


def test_both_pools_are_delivered_all_the_same(folder: Folder) -> None:
    folder.write("first.yaml", FIRST.format(text="192.0.2.0/24"))
    folder.write("second.yaml", OVERLAPPING)
    _, seen = folder.open()
    assert sorted(key.name.name for key in seen.objects) == ["first", "second"]


def test_a_mended_range_withdraws_the_complaint(folder: Folder) -> None:
    folder.write("first.yaml", FIRST.format(text="192.0.2.0/25"))
    folder.write("second.yaml", SECOND.format(text="192.0.2.0/24"))
    cluster, seen = folder.open()
    assert list(seen.problems) == ["second.yaml:8"]
    folder.write("second.yaml", OVERLAPPING)
    cluster.relist()
    assert not seen.problems


def test_the_complaint_follows_the_pool_to_another_line(folder: Folder) -> None:
    folder.write("first.yaml", FIRST.format(text="192.0.2.0/24"))
    folder.write("second.yaml", OVERLAPPING)
    cluster, seen = folder.open()
    folder.write("second.yaml", "#\n#\n" + OVERLAPPING)
    cluster.relist()
    assert list(seen.problems) == ["second.yaml:10"]


def test_a_range_of_loopback_addresses_is_named_by_file_line_and_field(folder: Folder) -> None:
    folder.write("second.yaml", SECOND.format(text="127.0.0.0/24"))
    _, seen = folder.open()
    (place, message), *others = seen.problems.items()
    assert (place, others, seen.serious) == ("second.yaml:8", [], {"second.yaml:8"})
    assert message.startswith("IPAddressPool metallb-system/second: spec.addresses[1]: ")
    assert 'CIDR "127.0.0.0/24" in pool "second" has loopback addresses' in message
