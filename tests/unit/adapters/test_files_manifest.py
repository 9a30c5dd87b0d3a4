"""One manifest file: its objects, its complaints, and its last good state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalev.adapters.codec import Codec
from metalev.adapters.files.manifest import Manifest, read_manifest
from metalev.model.services import Service

CODEC = Codec("metallb-system", default_families=(4,))
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  ports:
  - port: {port}
  type: LoadBalancer
"""


def service(name: str, port: object = 80) -> str:
    return SERVICE.format(name=name, port=port)


def file(*documents: str) -> str:
    return "---\n".join(documents)


def read(text: str, before: Manifest | None = None, path: str = "web.yaml") -> Manifest:
    return read_manifest(path, text.encode(), before, CODEC)


def names(manifest: Manifest) -> list[str]:
    return sorted(key.name.name for key in manifest.given)


def complaints(manifest: Manifest) -> list[tuple[int, str]]:
    return [(complaint.line, complaint.message) for complaint in manifest.complaints]


def ports(manifest: Manifest) -> dict[str, int]:
    objects = [given.obj for given in manifest.given.values()]
    return {obj.name.name: obj.ports[0].port for obj in objects if isinstance(obj, Service)}


def test_broken_document_costs_only_itself() -> None:
    manifest = read(file(service("a"), 'b: "cut\n', service("c")))
    assert names(manifest) == ["a", "c"]
    assert not manifest.whole


def test_complaint_names_the_line_of_the_field() -> None:
    manifest = read(file(service("a"), service("b", "http")))
    message = "Service default/b: spec.ports[0].port: expected a whole number, got a string"
    assert complaints(manifest) == [(16, message)]


def test_complaint_about_syntax_names_its_line_in_the_file() -> None:
    manifest = read(file(service("a"), "kind: Service\nmetadata: {name: b\n"))
    assert complaints(manifest)[0][0] in {11, 12}


def test_wrong_object_stays_as_it_was_and_the_others_follow_the_file() -> None:
    before = read(file(service("a"), service("b"), service("c")))
    after = read(file(service("a", "http"), service("c", 81)), before)
    assert ports(after) == {"a": 80, "c": 81}


def test_document_that_says_nothing_of_itself_keeps_everything() -> None:
    before = read(file(service("a"), service("b")))
    after = read(file('kind: "cut\n', service("b", 81)), before)
    assert ports(after) == {"a": 80, "b": 81}


def test_file_cut_in_a_document_keeps_what_followed() -> None:
    text = file(service("a"), service("b"), service("c"))
    after = read(text[: text.index("ports", text.index("name: b"))], read(text))
    assert names(after) == ["a", "b", "c"]


def test_emptied_file_keeps_everything_until_it_is_filled_or_removed() -> None:
    after = read("", read(service("a")))
    assert names(after) == ["a"]
    assert "is empty" in after.complaints[0].message
    assert read(service("b"), after).complaints == ()


@pytest.mark.parametrize(("content", "problem"), [(b"", "is empty"), (b"\xff", "is not UTF-8")])
def test_what_was_wrong_in_a_file_is_not_mended_by_emptying_or_garbling_it(content: bytes, problem: str) -> None:
    before = read(file(service("a"), service("b", "http")))
    for earlier in (b"", b"\xff", b"\n\xff"):
        after = read_manifest("web.yaml", content, read_manifest("web.yaml", earlier, before, CODEC), CODEC)
        assert after.complaints[:-1] == before.complaints
        assert after.complaints[-1].message.startswith(problem)


def test_file_that_was_always_empty_is_no_reason_to_complain() -> None:
    assert read("") == Manifest()


def test_document_removed_from_a_good_file_takes_its_object_with_it() -> None:
    assert names(read(service("a"), read(file(service("a"), service("b"))))) == ["a"]


def test_unknown_kind_is_named_and_removes_go_on() -> None:
    before = read(file(service("a"), service("b")))
    after = read(file(service("a"), "apiVersion: example.com/v1\nkind: Gizmo\nmetadata: {name: g}\n"), before)
    assert names(after) == ["a"]
    assert after.whole
    assert complaints(after) == [(10, 'kind "Gizmo" (apiVersion example.com/v1) is not read by metalev')]


def test_second_document_about_one_object_is_not_used() -> None:
    manifest = read(file(service("a", 80), service("a", 81)))
    assert ports(manifest) == {"a": 80}
    assert complaints(manifest) == [(10, "Service default/a stands already at line 1: this one is not used")]


def test_items_of_a_list_are_objects_with_lines_of_their_own() -> None:
    manifest = read("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Node, metadata: {name: n}}\n- text\n")
    assert names(manifest) == ["n"]
    assert complaints(manifest) == [(5, "expected a mapping, got a string")]


def test_json_may_be_indented_with_tabs() -> None:
    text = '{\n\t"apiVersion": "v1",\n\t"kind": "Namespace",\n\t"metadata": {"name": "shop"}\n}'
    assert names(read(text, path="ns.json")) == ["shop"]


def test_bytes_that_are_no_text_keep_everything() -> None:
    before = read(service("a"))
    after = read_manifest("web.yaml", b"a: 1\nb: \xff\n", before, CODEC)
    assert names(after) == ["a"]
    assert complaints(after) == [(2, "is not UTF-8: save it as such")]


def test_byte_order_mark_is_no_part_of_the_text() -> None:
    assert names(read("\ufeff" + service("a"))) == ["a"]


def test_state_of_a_speaker_is_not_taken_from_a_manifest() -> None:
    manifest = read("apiVersion: metalev.io/v1alpha1\nkind: SpeakerState\nmetadata: {name: node1}\n")
    assert not manifest.given
    assert "written by its speaker" in manifest.complaints[0].message


def test_layout_and_comments_do_not_make_a_new_version() -> None:
    plain, commented = read(service("a")), read("# of the shop\n\n" + service("a"))
    assert [item.obj for item in plain.given.values()] == [item.obj for item in commented.given.values()]


def test_only_edited_documents_are_read_again() -> None:
    before = read(file(service("a"), service("b")))
    after = read(file("# moved down\n" + service("x"), service("b")), before)
    kept = before.parts.keys() & after.parts.keys()
    assert len(kept) == 1
    assert all(after.parts[digest] is before.parts[digest] for digest in kept)


@given(st.integers(min_value=0))
def test_cut_anywhere_loses_no_object_that_it_hides(cut: int) -> None:
    documents = [service("a"), service("b"), service("c")]
    text = file(*documents)
    end = cut % len(text)
    after = read(text[:end], read(text))
    untouched = {name for count, name in enumerate("abc", 1) if end >= len(file(*documents[:count]))}
    assert untouched <= set(names(after))
    assert after.whole or names(after) == ["a", "b", "c"]


@given(st.binary(max_size=200), st.sampled_from(["web.yaml", "web.json"]))
def test_no_bytes_whatever_raise_or_lose_the_last_good_state(content: bytes, path: str) -> None:
    before = read(service("a"))
    after = read_manifest(path, content, before, CODEC)
    assert after.whole or names(after) == ["a"]
