"""What the documents say is so: links lead somewhere, manifests are accepted, options exist."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.unit.docs.markdown import (
    DOCS,
    DOCUMENTS,
    FOR_USERS,
    ROOT,
    anchors,
    blocks,
    code_spans,
    links,
    prose,
    shown,
    tables,
)

from metalev.adapters.codec import Codec, unpack
from metalev.adapters.files import documents
from metalev.cli.main import main
from metalev.decide.controller import ControllerDecider
from metalev.decide.speaker import SpeakerDecider
from metalev.model.actions import WriteServiceStatus
from metalev.model.meta import Name
from metalev.model.snapshot import Object, Synced, Upserted
from metalev.runtime.store import Store

CODEC = Codec("metallb-system", default_families=(4,))
WALK_THROUGH = ROOT / "docs" / "tasks" / "without-kubernetes.md"
TROUBLESHOOTING = ROOT / "docs" / "tasks" / "troubleshooting.md"
LAB_KUBERNETES = ROOT / "docs/tasks/developing-with-the-lab.md"
DRILL = ROOT / "docs/tasks/drill.md"
PROBE = ROOT / "docs/tasks/probe.md"
LAB = ROOT / "docs" / "tasks" / "try-the-lab.md"
WITH_YAML = [path for path in FOR_USERS if blocks(path, "yaml")]


def objects(path: Path) -> list[Object | None]:
    """What the codec makes of the manifests in a document."""
    parts = [part for block in blocks(path, "yaml") for part in documents.split(block)]
    return [CODEC.decode(item) for part in parts for _, item in unpack(documents.load_yaml(part.text))]


def options_of(capsys: pytest.CaptureFixture[str], *command: str) -> set[str]:
    """The long options that a command's help names."""
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    return set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}


def options_named(path: Path) -> set[str]:
    """The options of metalev that a document names, in commands and in inline code."""
    commands = [line for block in blocks(path) for line in block.replace("\\\n", " ").splitlines()]
    said = [line for line in commands if re.search(r"metalev (controller|speaker|status|why|probe|drill) ", line)]
    said += [span for span in code_spans(prose(path)) if span.startswith(("--", "metalev "))]
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(said)))


@pytest.mark.parametrize("path", DOCUMENTS, ids=shown)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in links(path):
        file, _, anchor = target.partition("#")
        aim = (path.parent / file).resolve() if file else path
        assert aim.exists(), target
        assert not anchor or anchor in anchors(aim), target


def test_the_index_lists_every_document() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
    assert set(DOCS) - {index} <= listed


@pytest.mark.parametrize("path", WITH_YAML, ids=shown)
def test_every_manifest_that_is_shown_is_accepted(path: Path) -> None:
    assert all(objects(path))


def test_the_manifests_of_the_walk_through_lead_to_its_address_and_to_every_host() -> None:
    store = Store()
    store.apply([*(Upserted(obj) for obj in objects(WALK_THROUGH) if obj), Synced()])
    (write,) = (
        action
        for action in ControllerDecider().service(store.snapshot, Name("default", "web"))
        if isinstance(action, WriteServiceStatus)
    )
    assert write.status.addresses == (ip_address("192.168.1.200"),)
    store.apply([Upserted(replace(write.service, status=write.status))])
    (group,) = SpeakerDecider("node1").desired(store.snapshot).table.groups
    assert {candidate.node for candidate in group.candidates} == {"node1", "node2", "node3"}


@pytest.mark.parametrize("path", [*FOR_USERS, ROOT / "ARCHITECTURE.md"], ids=shown)
def test_every_option_that_is_named_exists(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = ("controller", "speaker", "status", "why", "probe", "drill")
    known = options_of(capsys).union(*(options_of(capsys, one) for one in commands))
    assert options_named(path) <= known


def test_every_option_is_described_with_the_programs_that_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    controller, speaker = options_of(capsys, "controller"), options_of(capsys, "speaker")
    rows = re.findall(r"^\| `(--[a-z-]+).*?` \| (\w+) \|", WALK_THROUGH.read_text(), re.MULTILINE)
    assert dict(rows) == {
        option: "both" if option in speaker & controller else "speaker" if option in speaker else "controller"
        for option in speaker | controller
    }


def test_every_option_of_the_commands_that_look_is_described_with_those_that_have_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, why = options_of(capsys, "status"), options_of(capsys, "why")
    described = {
        option: command
        for options, command, _ in tables(TROUBLESHOOTING, "option", "of", "meaning")
        for option in re.findall(r"--[a-z-]+", options)
    }
    assert described == {
        option: "both" if option in status & why else "status" if option in status else "why" for option in status | why
    }


@pytest.mark.parametrize(("command", "path"), [("probe", PROBE), ("drill", DRILL)])
def test_every_option_of_a_command_with_a_page_of_its_own_is_described_there(
    capsys: pytest.CaptureFixture[str], command: str, path: Path
) -> None:
    rows = [options for options, _ in tables(path, "option", "meaning")]
    assert set(re.findall(r"--[a-z-]+", " ".join(rows))) == options_of(capsys, command)


@pytest.mark.parametrize("path", [LAB, LAB_KUBERNETES], ids=shown)
def test_what_the_labs_example_uses_is_there(path: Path) -> None:
    (example,) = blocks(path, "python")
    imports = [node for node in ast.walk(ast.parse(example)) if isinstance(node, ast.ImportFrom)]
    assert imports
    for statement in imports:
        module = import_module(str(statement.module))
        assert all(hasattr(module, alias.name) for alias in statement.names)


@pytest.mark.parametrize(
    ("path", "variable", "type_name"),
    [
        (LAB, "node", "host.Node"),
        (LAB, "owner", "host.Node"),
        (LAB, "cluster", "cluster.LabCluster"),
        (LAB, "cluster.lab", "lab.Lab"),
        (LAB_KUBERNETES, "cluster", "kubernetes.cluster.KubernetesLab"),
        (LAB_KUBERNETES, "cluster.plane", "kubernetes.controlplane.ControlPlane"),
    ],
)
def test_what_can_be_done_in_the_lab_can_be_done(path: Path, variable: str, type_name: str) -> None:
    module, _, name = type_name.rpartition(".")
    methods = re.findall(rf"(?<![\w.]){re.escape(variable)}\.(\w+)\(", path.read_text())
    lab_type = getattr(import_module(f"metalev.lab.{module}"), name)
    assert methods
    assert [method for method in methods if not hasattr(lab_type, method)] == []


def test_the_architecture_names_every_package_and_crate_and_no_other() -> None:
    packages = {path.parent for path in (ROOT / "python" / "metalev").rglob("__init__.py")} - {ROOT / "python/metalev"}
    crates = {path.parent for path in (ROOT / "rust").glob("*/Cargo.toml")}
    spans = code_spans((ROOT / "ARCHITECTURE.md").read_text())
    named = {ROOT / span for span in spans if re.fullmatch(r"(python|rust)/[\w/]+", span)}
    assert named - {ROOT / "rust/engine/src", ROOT / "rust/engine/tests"} == {
        *packages - {ROOT / "python/metalev/lab/demo"},
        *crates,
    }


def test_every_source_file_that_the_architecture_names_exists() -> None:
    spans = set(re.findall(r"[\w/]+\.(?:py|rs)\b", (ROOT / "ARCHITECTURE.md").read_text()))
    sources = [path.as_posix() for folder in ("python", "rust") for path in (ROOT / folder).rglob("*.[pr][ys]")]
    assert [span for span in spans if not any(source.endswith(f"/{span}") for source in sources)] == []
