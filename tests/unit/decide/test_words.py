"""Texts look as Go prints them."""

from __future__ import annotations

from ipaddress import ip_address

from metalev.decide.words import quoted, quoted_list


def test_a_string_is_quoted_as_go_does() -> None:
    assert quoted('a "b" \\ é') == '"a \\"b\\" \\\\ é"'


def test_a_list_has_blanks_and_no_commas() -> None:
    assert quoted_list([ip_address("10.0.0.1"), ip_address("fc00::1")]) == '["10.0.0.1" "fc00::1"]'
