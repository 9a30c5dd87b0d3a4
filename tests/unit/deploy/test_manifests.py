"""What is shipped fits together: manifests, image, scripts and workflows, and the programs that they start."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.docs.markdown import ROOT, tables

from metalev.adapters.codec.core import SPEAKER_LABEL
from metalev.cli import options
from metalev.cli.main import _parser
from metalev.controller.seat import LEASE

DEPLOY = ROOT / "deploy"
PERMISSIONS = ROOT / "docs" / "concepts" / "permissions.md"
CONTAINERFILE = (ROOT / "Containerfile").read_text()
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PROGRAMS = ("controller", "speaker")


def workload(program: str) -> dict[str, Any]:
    """Its Deployment or DaemonSet."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / f"{program}.yaml").read_text())
    return found


def container(program: str) -> dict[str, Any]:
    """Its one container."""
    (found,) = workload(program)["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_the_image_is_of_this_version() -> None:
    (image,) = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["images"]
    assert (image["name"], image["newTag"]) == ("metalev", VERSION)


def test_every_manifest_is_installed() -> None:
    listed = set(yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["resources"])
    files = {path.relative_to(DEPLOY).as_posix() for path in DEPLOY.rglob("*.yaml")} - {"kustomization.yaml"}
    assert listed == files


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_takes_its_arguments(program: str) -> None:
    assert container(program)["args"][0] == program
    _parser().parse_args(container(program)["args"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_reads_its_environment(program: str) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "python" / "metalev").rglob("*.py"))
    for variable in container(program)["env"]:
        assert variable["name"] in sources


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_is_probed_and_scraped_where_the_program_serves(program: str) -> None:
    port = int(options.DEFAULT_METRICS.rpartition(":")[2])
    (named,) = container(program)["ports"]
    assert named == {"name": "monitoring", "containerPort": port}
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container(program)[probe]["httpGet"] == {"path": path, "port": "monitoring"}
    annotations = workload(program)["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": str(port)}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_answers_late_on_a_busy_node_is_not_restarted_soon(program: str) -> None:
    probe = container(program)["livenessProbe"]
    assert probe["timeoutSeconds"] * probe["failureThreshold"] >= 15


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_is_not_throttled_nor_evicted_early_and_is_given_the_time_to_end(program: str) -> None:
    pod = workload(program)["spec"]["template"]["spec"]
    assert container(program)["resources"].keys() == {"requests"}
    assert pod["priorityClassName"].startswith("system-")
    assert pod["terminationGracePeriodSeconds"] >= 10


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_writes_nothing_to_its_image_and_gains_no_privilege(program: str) -> None:
    context = container(program)["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"]["drop"] == ["ALL"]


def test_a_speaker_starts_where_nobody_listed_interfaces_to_leave_alone() -> None:
    for volume in workload("speaker")["spec"]["template"]["spec"]["volumes"]:
        assert volume["configMap"]["optional"] is True


def test_a_speaker_is_on_the_nodes_network_and_finds_names_of_the_cluster() -> None:
    pod = workload("speaker")["spec"]["template"]["spec"]
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")


def test_speakers_are_replaced_one_after_the_other_and_never_two_on_a_node() -> None:
    strategy = workload("speaker")["spec"]["updateStrategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}


def test_speakers_are_told_from_those_of_metallb() -> None:
    assert SPEAKER_LABEL in workload("speaker")["spec"]["template"]["metadata"]["labels"]


def test_no_speaker_may_take_the_controllers_lease() -> None:
    assert not LEASE.startswith("speaker-")


def test_the_image_is_built_from_files_that_are_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert names
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_the_context_of_the_image_holds_what_is_copied() -> None:
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE)
    assert {name.split("/")[0] for line in copied for name in line.split()} == admitted


def test_the_image_is_built_with_the_locked_maturin() -> None:
    (script,) = re.findall(r"sed -n '([^']+)'", CONTAINERFILE)
    assert script == "/^maturin==/,/^[a-z#]/ { /^maturin==/p; /^ /p }"
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    (block,) = re.findall(r"^maturin==.*\n(?: .*\n)+", lock, re.MULTILINE)
    assert "--hash=sha256:" in block


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_a_workflow_runs_scripts_and_actions_that_are_there(path: Path) -> None:
    text = path.read_text()
    assert yaml.safe_load(text)["name"]
    for script in re.findall(r"(?:^|[ =])((?:kind|scripts)/[\w.-]+\.sh)", text):
        assert (ROOT / script).is_file(), script
    for action in re.findall(r"uses: (\./\S+)", text):
        assert (ROOT / action / "action.yml").is_file(), action


def test_kind_has_nodes_for_an_address_to_move_between() -> None:
    cluster = yaml.safe_load((ROOT / "kind" / "cluster.yaml").read_text())
    assert [node["role"] for node in cluster["nodes"]].count("worker") >= 2
    assert f"cluster={cluster['name']}" in (ROOT / "kind" / "e2e.sh").read_text()


def rows_of_the_roles(program: str) -> list[tuple[set[str], set[str], set[str]]]:
    """Resources, names and verbs of each rule of the program's roles, in the order of the file."""
    return [
        (set(rule["resources"]), set(rule.get("resourceNames", ())), set(rule["verbs"]))
        for one in yaml.safe_load_all((DEPLOY / "rbac" / f"{program}.yaml").read_text())
        for rule in one.get("rules", ())
    ]


def test_every_right_is_explained_and_none_that_is_not_there() -> None:
    described = [
        tuple({word for word in cell.split(", ") if word} for cell in row[:3])
        for row in tables(PERMISSIONS, "resources", "names", "verbs", "why")
    ]
    assert described == [row for program in PROGRAMS for row in rows_of_the_roles(program)]
