"""What cannot be read when a program starts costs nobody an address, and nobody else gets it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.guide import CONFIG
from tests.programs.program import ON_A_WIRE, Program, until
from tests.programs.test_bad_input import POOL
from tests.programs.test_controller import API, ingress
from tests.programs.test_looking import look

OFF = ("--metrics-address", "off")
OLD = [{"ip": "192.0.2.200"}]
RANGE, TYPO = "192.0.2.200-192.0.2.201", "192.0.2.200-192.0.2.2O1"


def controller(manifests: Path) -> Program:
    return Program("controller", "--manifests", manifests, *OFF)


def until_both(program: Program, said: str) -> None:
    """Wait until something is said of both Services, in whichever order."""
    left = {"web", "zapi"}
    while left:
        left.discard(program.wait_for(f"default/(web|zapi): .*{said}")[1])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def allocated(manifests: Path) -> Path:
    """The manifests with two Services, after a controller has given both their addresses and gone."""
    (manifests / "api.yaml").write_text(API.replace("name: api", "name: zapi"))
    with controller(manifests) as program:
        until_both(program, "IP")
    return manifests


def holdings(manifests: Path) -> dict[str, object]:
    return {name: ingress(manifests, name) for name in ("web", "zapi")}


def starts_beside(manifests: Path, complaint: str, mend: Callable[[], None]) -> None:
    """A controller keeps both addresses beside what is broken, says why, and keeps them when that is mended."""
    before = holdings(manifests)
    with controller(manifests) as program:
        until_both(program, f"is in no pool that is known, and is kept because {complaint} cannot be read")
        assert holdings(manifests) == before
        mend()
        program.wait_for("nothing is wrong there any more")
        (manifests / "last.yaml").write_text(API.replace("name: api", "name: last"))
        program.wait_for("default/last: ")
    assert holdings(manifests) == before


def test_the_only_pool_is_broken(allocated: Path) -> None:
    world = allocated / "world.yaml"
    edit(world, RANGE, TYPO)
    starts_beside(allocated, r"world\.yaml:4", lambda: edit(world, TYPO, RANGE))


def test_one_of_two_pools_is_broken(allocated: Path) -> None:
    (allocated / "other.yaml").write_text(POOL.format(name="other", addresses="10.0.0.0/24"))
    world = allocated / "world.yaml"
    edit(world, RANGE, TYPO)
    starts_beside(allocated, r"world\.yaml:4", lambda: edit(world, TYPO, RANGE))


def old_config_map_alone(manifests: Path) -> Path:
    """Nothing but the old ConfigMap gives pools; where it stands."""
    parts = (manifests / "world.yaml").read_text().split("---\n")
    (manifests / "world.yaml").write_text("---\n".join(one for one in parts if "metallb.io" not in one))
    config = manifests / "config.yaml"
    config.write_text(CONFIG.replace("192.168.1.200-192.168.1.210", RANGE))
    return config


def test_the_old_config_map_is_broken(manifests: Path) -> None:
    config = old_config_map_alone(manifests)
    with controller(manifests) as program:
        program.wait_for("default/web: Assigned IP")
    edit(config, "      addresses:", "      adresses:")
    with Program("controller", "--manifests", manifests, *OFF, "--log-level", "debug") as program:
        program.wait_for(r"is in no pool that is known, and is kept because config\.yaml:\d+.* cannot be read")
        edit(config, "      adresses:", "      addresses:")
        program.wait_for(r'default/web: Assigned IP \["192\.0\.2\.200"\](\s|$)')
    assert ingress(manifests, "web") == OLD


def test_a_services_own_manifest_is_broken(allocated: Path) -> None:
    before = holdings(allocated)
    good = (allocated / "api.yaml").read_text()
    (allocated / "api.yaml").write_text('kind: "Service\n')
    (allocated / "next.yaml").write_text(API.replace("name: api", "name: next"))
    with controller(allocated) as program:
        program.wait_for("default/next: Failed to allocate IP|default/next.*no available IPs")
        (allocated / "api.yaml").write_text(good)
        program.wait_for("nothing is wrong there any more")
        (allocated / "last.yaml").write_text(API.replace("name: api", "name: last"))
        program.wait_for("default/last: ")
    assert holdings(allocated) == before


def test_a_services_own_manifest_is_removed_and_the_next_one_gets_its_address(allocated: Path) -> None:
    (allocated / "api.yaml").write_text('kind: "Service\n')
    (allocated / "next.yaml").write_text(API.replace("name: api", "name: next"))
    with controller(allocated) as program:
        program.wait_for("default/next: Failed to allocate IP|default/next.*no available IPs")
        (allocated / "api.yaml").unlink()
        program.wait_for("default/next: Assigned IP")


def test_a_speaker_announces_beside_a_broken_pool(allocated: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef0123456789abcdef\n")
    edit(allocated / "world.yaml", RANGE, TYPO)
    options = ("--node-name", "node1", "--key-file", tmp_path / "key", "--interface", "lan0", *OFF)
    with Program("speaker", "--manifests", allocated, *options, "--log-level", "debug", through=ON_A_WIRE) as speaker:
        speaker.wait_for(r"took 192\.0\.2\.20[01] ")
        until("all is well", lambda: look("why", "web", "--manifests", allocated)[0] == 0)
        status, said = look("why", "web", "--manifests", allocated)
    assert (status, "all is well: node1 answers for" in said) == (0, True), said
    assert "is in no pool that is known, and is kept because world.yaml:4 cannot be read" in " ".join(said.split())


def test_a_speaker_announces_beside_a_broken_old_config_map(manifests: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef0123456789abcdef\n")
    config = old_config_map_alone(manifests)
    with controller(manifests) as program:
        program.wait_for("default/web: Assigned IP")
    edit(config, "      addresses:", "      adresses:")
    options = ("--node-name", "node1", "--key-file", tmp_path / "key", "--interface", "lan0", *OFF)
    with Program("speaker", "--manifests", manifests, *options, through=ON_A_WIRE) as speaker:
        speaker.wait_for("unknown key: did you mean")
        speaker.wait_for(r"took 192\.0\.2\.200 ")
        with controller(manifests) as program:
            program.wait_for("is in no pool that is known, and is kept because")
            until("all is well", lambda: look("why", "web", "--manifests", manifests)[0] == 0)
        edit(config, "      adresses:", "      addresses:")
        speaker.wait_for("nothing is wrong there any more")
        assert not [line for line in speaker.said if "fell silent" in line]


@pytest.mark.parametrize(
    ("command", "expected"),
    [(("status",), "world.yaml:4: "), (("why", "web"), "is kept because world.yaml:4 cannot be read")],
)
def test_who_looks_while_a_pool_is_broken_is_not_told_that_the_address_is_lost(
    allocated: Path, command: tuple[str, ...], expected: str
) -> None:
    edit(allocated / "world.yaml", RANGE, TYPO)
    _, said = look(*command, "--manifests", allocated)
    assert expected in " ".join(said.split())
    assert "loses" not in said
    assert "create" not in said
