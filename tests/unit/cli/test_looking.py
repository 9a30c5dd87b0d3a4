"""The commands that only look: what they are asked, what they leave alone, and their exit status."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.cluster import FakeCluster

from metalev.cli.main import main
from metalev.cli.reading import read
from metalev.cli.why import service_name
from metalev.model.errors import StartError, Unavailable
from metalev.model.meta import Name
from metalev.ports.cluster import ChangeSink

WORLD = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: LoadBalancer, ports: [{port: 80}]}
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "web.yaml").write_text(WORLD)
    yield folder
    folder.chmod(0o755)


@pytest.mark.parametrize(
    ("text", "namespace", "expected"),
    [
        ("web", "", Name("default", "web")),
        ("web", "shop", Name("shop", "web")),
        ("shop/web", "", Name("shop", "web")),
        ("shop/web", "shop", Name("shop", "web")),
        ("svc/web", "shop", Name("shop", "web")),
        ("service/web", "", Name("default", "web")),
    ],
)
def test_a_service_may_be_named_in_each_usual_way(text: str, namespace: str, expected: Name) -> None:
    assert service_name(text, namespace) == expected


@pytest.mark.parametrize(("text", "namespace"), [("a/b/c", ""), ("/web", ""), ("shop/", ""), ("shop/web", "bank")])
def test_what_is_no_name_of_a_service_is_refused(text: str, namespace: str) -> None:
    with pytest.raises(StartError):
        service_name(text, namespace)


def test_something_that_is_wrong_is_status_1(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "shop/web", "--manifests", str(manifests)]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].startswith("why: shop/web has no address: no IPAddressPool is defined")
    assert said.err == ""
    assert main(["status", "--manifests", str(manifests)]) == 1


def test_a_cluster_in_which_nothing_is_wrong_is_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "node.yaml").write_text("{apiVersion: v1, kind: Node, metadata: {name: node1}}")
    assert main(["status", "--manifests", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith("\n\nall is well: there is no Service of type LoadBalancer\n")


@pytest.mark.parametrize("command", [["status"], ["why", "web"]])
def test_what_cannot_be_read_is_one_line_and_status_2(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--manifests", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"metalev: error: --manifests {tmp_path / 'none'} is no directory\n"


def test_a_namespace_is_asked_for_by_n(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["why", "-n", "shop", "web", "--manifests", str(manifests)])
    assert capsys.readouterr().out.startswith("Service shop/web\n")
    main(["status", "-n", "bank", "--manifests", str(manifests)])
    assert "shop/web" not in capsys.readouterr().out


def test_a_program_gets_json(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "shop/web", "--manifests", str(manifests), "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["healthy"] is False
    assert main(["status", "--manifests", str(manifests), "--output", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["services"][0]["service"] == "shop/web"


def test_who_only_looks_makes_no_folder(manifests: Path) -> None:
    main(["status", "--manifests", str(manifests)])
    main(["status", "--manifests", str(manifests), "--state", str(manifests.parent / "state")])
    assert [path.name for path in manifests.parent.rglob("*")] == ["manifests", "web.yaml"]


def test_a_cluster_that_does_not_answer_is_given_up_and_let_go() -> None:
    class Mute(FakeCluster):
        stopped = False

        def start(self, sink: ChangeSink) -> None:
            pass

        def stop(self) -> None:
            self.stopped = True

    mute = Mute()
    with pytest.raises(Unavailable, match="could not be read within 0 s"):
        read(mute, patience=0)
    assert mute.stopped


def test_lines_are_wrapped_where_the_width_is_known(
    manifests: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for columns in ({}, {"COLUMNS": "70"}):
        monkeypatch.delenv("COLUMNS", raising=False)
        for key, value in columns.items():
            monkeypatch.setenv(key, value)
        main(["why", "shop/web", "--manifests", str(manifests)])
        longest = max(map(len, capsys.readouterr().out.splitlines()))
        assert (longest <= 70) is ("COLUMNS" in os.environ)
