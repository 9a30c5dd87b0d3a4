"""MetalLB's file of interfaces to leave alone: what is read of it, and what a bad one does."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from metalev.adapters.native import DEFAULT_EXCLUDE, check_patterns
from metalev.model.errors import StartError
from metalev.speaker import excludefile
from metalev.speaker.excludefile import read_exclude_file

# The ConfigMap `metallb-excludel2` of MetalLB's manifests.
SHIPPED = "announcedInterfacesToExclude:\n" + "".join(f'- "{pattern}"\n' for pattern in DEFAULT_EXCLUDE)


def read(tmp_path: Path, text: str) -> tuple[str, ...] | None:
    path = tmp_path / "excludel2.yaml"
    path.write_text(text)
    return read_exclude_file(path, check_patterns)


def test_the_file_that_metallb_ships_is_the_default_list(tmp_path: Path) -> None:
    assert read(tmp_path, SHIPPED) == DEFAULT_EXCLUDE


def test_an_empty_list_excludes_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "announcedInterfacesToExclude: []\n") == ()


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "expected a mapping, got nothing"),
        ("announcedInterfacesToExclude: ^lo$\n", 1, "announcedInterfacesToExclude: expected a list, got a string"),
        ("announcedInterfacesToExclud: []\n", 1, "announcedInterfacesToExclude: is missing"),
        ("announcedInterfacesToExclude:\n- ^lo$\n- 7\n", 3, "announcedInterfacesToExclude[1]: expected a string"),
        ("announcedInterfacesToExclude:\n- '['\n", 2, 'announcedInterfacesToExclude[0]: "[" is no regular expression'),
        ("announcedInterfacesToExclude:\n- (?=lo)\n", 2, '"(?=lo)" is no regular expression for interfaces to exclude'),
        ("announcedInterfacesToExclude:\n- ''\n", 2, "is empty, and would match every interface: remove it"),
        ("announcedInterfacesToExclude: [\n", 2, "cannot be read as YAML"),
    ],
)
def test_a_file_that_makes_no_sense_is_named_by_line_and_the_default_list_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, line: int, problem: str
) -> None:
    assert read(tmp_path, text) is None
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    said = record.getMessage()
    assert said.startswith(f"{tmp_path}/excludel2.yaml:{line}: ")
    assert problem in said
    assert said.endswith("; the interfaces of the default list are left alone instead")


def test_without_metallbs_file_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(excludefile, "EXCLUDE_FILE", tmp_path / "none.yaml")
    assert read_exclude_file(None, check_patterns) is None
    assert not caplog.records


def test_metallbs_file_is_read_where_its_manifests_mount_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path("/etc/metallb/excludel2.yaml") == excludefile.EXCLUDE_FILE
    monkeypatch.setattr(excludefile, "EXCLUDE_FILE", tmp_path / "excludel2.yaml")
    (tmp_path / "excludel2.yaml").write_text("announcedInterfacesToExclude: [^wg]\n")
    assert read_exclude_file(None, check_patterns) == ("^wg",)


def test_a_file_that_was_named_and_is_not_there_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot read --exclude-file .*none: No such file"):
        read_exclude_file(tmp_path / "none", check_patterns)
