"""How the values of options are spelled."""

from argparse import ArgumentTypeError

import pytest

from metalev.cli.options import at_least_one, listen_address, seconds


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":7472", ("", 7472)),
        (":0", ("", 0)),
        ("192.0.2.1:80", ("192.0.2.1", 80)),
        ("localhost:80", ("localhost", 80)),
        ("[2001:db8::1]:80", ("2001:db8::1", 80)),
        ("off", None),
        ("0", None),
    ],
)
def test_an_address_is_read(text: str, address: tuple[str, int] | None) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize("text", ["", "7472", "192.0.2.1", ":http", ":65536", ":-1", "2001:db8::1:80", "on"])
def test_what_is_no_address_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"is no address: write 192\.0\.2\.1:7472, :7472, "):
        listen_address(text)


@pytest.mark.parametrize(("text", "value"), [("0.05", 0.05), ("50ms", 0.05), ("2s", 2.0), ("1", 1.0)])
def test_a_duration_is_read(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "nan", "inf", "1m", "ms"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"is no duration: write 0\.05 or 50ms"):
        seconds(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "three", ""])
def test_a_count_starts_at_one(text: str) -> None:
    assert at_least_one("3") == 3
    with pytest.raises(ArgumentTypeError, match="is no whole number from 1 on"):
        at_least_one(text)
