"""The key of the beacons from a file."""

import base64
from pathlib import Path

import pytest

from metalev.model.cluster import BeaconKey
from metalev.model.errors import StartError
from metalev.speaker.keyfile import read_key_file

SECRET = bytes(range(32))


def written(folder: Path, content: bytes) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    return path


def test_base64_is_decoded(tmp_path: Path) -> None:
    path = written(tmp_path, base64.b64encode(SECRET) + b"\n")
    assert read_key_file(path) == BeaconKey(1, SECRET)


def test_other_text_is_the_key_itself(tmp_path: Path) -> None:
    assert read_key_file(written(tmp_path, b"a phrase of some length\n")).secret == b"a phrase of some length"


def test_text_that_happens_to_be_base64_of_too_little_is_the_key_itself(tmp_path: Path) -> None:
    assert read_key_file(written(tmp_path, b"abcdefghijklmnop")).secret == b"abcdefghijklmnop"


def test_raw_bytes_are_the_key_itself(tmp_path: Path) -> None:
    assert read_key_file(written(tmp_path, bytes(range(128, 160)))).secret == bytes(range(128, 160))


def test_a_short_key_is_refused_with_the_way_to_a_good_one(tmp_path: Path) -> None:
    path = written(tmp_path, b"hunter2")
    with pytest.raises(StartError, match=r"holds a key of 7 bytes, and at least 16 are needed; make one with: openssl"):
        read_key_file(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none"
    with pytest.raises(StartError, match=f"^cannot read --key-file {path}: No such file"):
        read_key_file(path)


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    key = read_key_file(written(tmp_path, b"a phrase of some length"))
    assert "phrase" not in repr(key)
