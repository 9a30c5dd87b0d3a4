"""Splitting a file, reading one document, and finding a field's line."""

from __future__ import annotations

import pytest

from metalev.adapters.files.documents import Places, UnreadableDocument, load_json, load_yaml, split

TEXT = """# a file

apiVersion: v1
spec:
  ports:
  - port: 80

  - port: 81
"""


def lines(text: str) -> list[int]:
    return [document.line for document in split(text)]


def test_documents_are_split_at_lines_of_three_dashes() -> None:
    assert [document.text for document in split("a: 1\n---\nb: 2\n")] == ["a: 1\n", "---\nb: 2\n"]


def test_each_document_knows_its_line() -> None:
    assert lines("a: 1\n---\nb: 2\n---   # c\nc: 3\n") == [1, 2, 4]


@pytest.mark.parametrize("text", ["", "\n\n", "---\n", "# only a comment\n---\n\n---\n", "%YAML 1.2\n---\n", "---\r\n"])
def test_nothing_is_no_document(text: str) -> None:
    assert lines(text) == []


def test_dashes_inside_a_value_do_not_split() -> None:
    assert lines("a: |\n  ---\n  b\nc: '--- d'\n----: e\n") == [1]


def test_content_on_the_line_of_the_dashes_counts() -> None:
    assert [load_yaml(document.text) for document in split("--- {a: 1}\n--- {b: 2}\n")] == [{"a": 1}, {"b": 2}]


def test_windows_line_ends_split_as_well() -> None:
    assert [load_yaml(document.text) for document in split("a: 1\r\n---\r\nb: 2\r\n")] == [{"a": 1}, {"b": 2}]


def test_dates_and_base_sixty_numbers_stay_text() -> None:
    assert load_yaml("{date: 2024-01-01, community: 10:20, port: 0x50, flag: true}") == {
        "date": "2024-01-01",
        "community": "10:20",
        "port": 80,
        "flag": True,
    }


def test_key_that_stands_twice_is_refused_at_its_second_place() -> None:
    with pytest.raises(UnreadableDocument, match='"kind" stands twice: is a line "---" missing above') as caught:
        load_yaml("kind: Service\nspec: {}\nkind: Service\n")
    assert caught.value.line == 3


@pytest.mark.parametrize(
    "text", ['a: "cut', "a: [1, 2", "a: b: c", "\ta: 1", "a: *unknown", "? [1]\n: 2", "a: !!python/none x"]
)
def test_text_that_is_no_yaml_is_an_error_with_a_line(text: str) -> None:
    with pytest.raises(UnreadableDocument, match="cannot be read as YAML: ") as caught:
        load_yaml(text)
    assert caught.value.line >= 1


def test_text_that_is_no_json_is_an_error_with_a_line() -> None:
    with pytest.raises(UnreadableDocument, match="cannot be read as JSON: ") as caught:
        load_json('{"a":\n\n1')
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("path", "line"),
    [("", 3), ("spec", 4), ("spec.ports[0].port", 6), ("spec.ports[1]", 8), ("spec.ports[1].name", 8), ("metadata", 3)],
)
def test_field_is_found_by_its_path_or_by_what_should_hold_it(path: str, line: int) -> None:
    assert Places(TEXT).line_of(path) == line


def test_a_key_with_dots_is_found_where_it_is_in_quotes() -> None:
    assert Places("labels:\n  a: b\n  example.com/tier: web\n").line_of('labels["example.com/tier"]') == 3


def test_place_in_what_cannot_be_parsed_is_its_first_line() -> None:
    assert Places('\n\na: "cut').line_of("a") == 3
