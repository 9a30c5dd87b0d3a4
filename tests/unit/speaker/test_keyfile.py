"""The key of the beacons from a file."""

import base64
from pathlib import Path

import pytest

from metalev.model.cluster import BeaconKey
from metalev.model.errors import StartError
from metalev.model.snapshot import KeysRead
from metalev.speaker.keyfile import KeyFile, read_key_file

SECRET = bytes(range(32))
OTHER = bytes(range(32, 64))
FIRST, SECOND = BeaconKey(1, SECRET), BeaconKey(1, OTHER)


def secret(folder: Path, content: bytes) -> bytes:
    [key] = read_key_file(written(folder, content))
    return key.secret


def written(folder: Path, content: bytes) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    return path


def test_base64_is_decoded(tmp_path: Path) -> None:
    path = written(tmp_path, base64.b64encode(SECRET) + b"\n")
    assert read_key_file(path) == (BeaconKey(1, SECRET),)


def test_other_text_is_the_key_itself(tmp_path: Path) -> None:
    assert secret(tmp_path, b"a phrase of some length\n") == b"a phrase of some length"


def test_text_that_happens_to_be_base64_of_too_little_is_the_key_itself(tmp_path: Path) -> None:
    assert secret(tmp_path, b"abcdefghijklmnop") == b"abcdefghijklmnop"


def test_raw_bytes_are_the_key_itself(tmp_path: Path) -> None:
    assert secret(tmp_path, bytes(range(128, 160))) == bytes(range(128, 160))


def test_a_short_key_is_refused_with_the_way_to_a_good_one(tmp_path: Path) -> None:
    path = written(tmp_path, b"hunter2")
    with pytest.raises(StartError, match=r"holds a key of 7 bytes, and at least 16 are needed; make one with: openssl"):
        read_key_file(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none"
    with pytest.raises(StartError, match=f"^cannot read --key-file {path}: No such file"):
        read_key_file(path)


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    keys = read_key_file(written(tmp_path, b"a phrase of some length"))
    assert "phrase" not in repr(keys)


def lines(*secrets: bytes) -> bytes:
    return b"".join(base64.b64encode(secret) + b"\n" for secret in secrets)


def test_of_several_lines_of_base64_each_is_a_key_and_the_first_comes_first(tmp_path: Path) -> None:
    assert read_key_file(written(tmp_path, lines(OTHER, SECRET))) == (SECOND, FIRST)


def test_lines_of_which_one_is_no_key_are_one_text(tmp_path: Path) -> None:
    assert secret(tmp_path, lines(SECRET) + b"of mine\n") == lines(SECRET) + b"of mine"


class Watched:
    """A key file that a speaker has read, and what it tells of it later."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[tuple[BeaconKey, ...]] = []
        path = written(folder, lines(SECRET))
        self.file = KeyFile(path, read_key_file(path), self._tell)
        self.look_twice()

    def _tell(self, change: KeysRead) -> None:
        self.told.append(change.keys)

    def write(self, content: bytes) -> None:
        """Replace the file whole, so that no two are taken for the same."""
        other = self.folder / "new"
        other.write_bytes(content)
        other.replace(self.folder / "key")

    def look_twice(self) -> None:
        self.file.look()
        self.file.look()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_file_that_stays_as_it_is_tells_nothing(watched: Watched) -> None:
    watched.look_twice()
    assert watched.told == []


def test_a_second_key_in_the_file_is_told(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    watched.write(lines(SECRET, OTHER))
    watched.look_twice()
    assert watched.told == [(FIRST, SECOND)]
    assert "has changed: its first key signs beacons from now on, 1 more accepted" in caplog.text


def test_a_file_counts_only_once_it_has_stayed_as_it_is(watched: Watched) -> None:
    watched.write(lines(OTHER))
    watched.file.look()
    assert watched.told == []
    watched.write(lines(OTHER, SECRET))
    watched.file.look()
    assert watched.told == []
    watched.file.look()
    assert watched.told == [(SECOND, FIRST)]


@pytest.mark.parametrize("content", [b"", b"hunter2"])
def test_a_key_that_is_too_short_changes_nothing_and_is_told_once(
    watched: Watched, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write(content)
    watched.look_twice()
    watched.look_twice()
    assert watched.told == []
    assert caplog.text.count("the keys that were read before stay in force") == 1


def test_a_file_that_is_gone_changes_nothing_and_its_return_ends_the_complaint(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (watched.folder / "key").unlink()
    watched.look_twice()
    assert watched.told == []
    assert caplog.text.count("cannot read --key-file") == 1
    watched.write(lines(SECRET))
    watched.look_twice()
    assert watched.told == []
    assert "can be read again" in caplog.text
