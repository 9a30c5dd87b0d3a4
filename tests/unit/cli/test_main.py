"""The command line as a whole: what reaches the programs, and how errors end."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from metalev import __version__
from metalev.adapters.places import Directory, Source
from metalev.cli.main import main
from metalev.controller.main import ControllerOptions
from metalev.model.errors import StartError
from metalev.speaker.main import SpeakerOptions


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The options of every program that was run, instead of the programs."""
    options: list[Any] = []
    for variable in ("METALLB_NODE_NAME", "METALLB_NAMESPACE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("metalev.runtime.collector.tune_collector", lambda: None)  # it concerns the whole process
    for program in ("controller", "speaker"):
        monkeypatch.setattr(f"metalev.{program}.main.run", options.append)
    return options


def failed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What ``metalev`` says when it ends with status 1."""
    assert main(arguments) == 1
    return capsys.readouterr().err


def test_the_controller_runs_with_defaults(ran: list[Any], tmp_path: Path) -> None:
    assert main(["controller", "--manifests", str(tmp_path)]) == 0
    assert ran == [ControllerOptions(Directory(tmp_path), metrics=("", 7472))]


def test_every_option_of_the_controller_reaches_it(ran: list[Any], tmp_path: Path) -> None:
    line = f"controller --manifests {tmp_path} --state {tmp_path}/s --namespace lb --metrics-address 127.0.0.1:1"
    main([*line.split(), *["--lb-class", "example.com/lb", "--log-level", "debug", "--log-format", "json"]])
    assert ran == [
        ControllerOptions(
            Directory(tmp_path, tmp_path / "s"), "lb", ("127.0.0.1", 1), "debug", "json", "example.com/lb"
        )
    ]


def test_every_option_of_the_speaker_reaches_it(ran: list[Any], tmp_path: Path) -> None:
    line = f"speaker --manifests {tmp_path} --node-name node1 --key-file k --metrics-address off --interface lan0"
    more = "--beacon-interval 20ms --beacon-misses 5 --interface lan1 --exclude-interface ^a --exclude-interface b"
    main([*line.split(), *more.split(), "--gratuitous-interval", "0"])
    assert ran == [
        SpeakerOptions(
            Directory(tmp_path),
            "node1",
            key_file=Path("k"),
            beacon_interval=0.02,
            beacon_misses=5,
            interfaces=("lan0", "lan1"),
            exclude=("^a", "b"),
            gratuitous_interval=0.0,
        )
    ]


def test_how_long_an_address_rests_can_be_said(ran: list[Any], tmp_path: Path) -> None:
    for extra in ([], ["--address-rest", "5"], ["--address-rest", "0"]):
        main(["controller", "--manifests", str(tmp_path), *extra])
    assert [options.address_rest for options in ran] == [60.0, 5.0, 0.0]


@pytest.mark.parametrize("program", [["controller"], ["speaker", "--node-name", "n"]])
def test_both_programs_can_be_told_to_ignore_the_exclude_label(
    ran: list[Any], tmp_path: Path, program: list[str]
) -> None:
    main([*program, "--manifests", str(tmp_path)])
    main([*program, "--manifests", str(tmp_path), "--ignore-exclude-lb"])
    assert [options.ignore_exclude_lb for options in ran] == [False, True]


def test_no_interface_is_excluded_by_an_empty_pattern(ran: list[Any], tmp_path: Path) -> None:
    main(["speaker", "--manifests", str(tmp_path), "--node-name", "n", "--exclude-interface", ""])
    assert ran[0].exclude == ()


def test_the_interfaces_to_exclude_may_stand_in_a_file(ran: list[Any], tmp_path: Path) -> None:
    main(["speaker", "--manifests", str(tmp_path), "--node-name", "n", "--exclude-file", "/etc/f"])
    assert (ran[0].exclude, ran[0].exclude_file) == (None, Path("/etc/f"))


def test_the_interval_of_announcements_has_metallbs_name_too(ran: list[Any], tmp_path: Path) -> None:
    main(["speaker", "--manifests", str(tmp_path), "--node-name", "n", "--gratuitous-arp-interval", "90s"])
    assert ran[0].gratuitous_interval == 90.0


def test_fail_back_is_sticky_after_half_a_minute_unless_told_otherwise(ran: list[Any], tmp_path: Path) -> None:
    main(["speaker", "--manifests", str(tmp_path), "--node-name", "n"])
    main(["speaker", "--manifests", str(tmp_path), "--node-name", "n", "--preempt", "balanced", "--hold-down", "5s"])
    assert [(one.preempt, one.hold_down) for one in ran] == [("sticky", 30.0), ("balanced", 5.0)]


def test_a_policy_of_fail_back_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["speaker", "--manifests", str(tmp_path), "--node-name", "n", "--preempt", "never"])
    assert "invalid choice: 'never'" in capsys.readouterr().err


def test_the_node_name_may_come_from_metallbs_variable(
    ran: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METALLB_NODE_NAME", "node7")
    main(["speaker", "--manifests", str(tmp_path)])
    assert ran[0].node_name == "node7"


def test_a_missing_node_name_is_one_line(ran: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = failed(["speaker", "--manifests", str(tmp_path)], capsys)
    assert said == (
        "metalev: error: --node-name N is needed, or METALLB_NODE_NAME: the name of the Node that this host is\n"
    )
    assert ran == []


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("controller", Source()),
        ("controller --kubeconfig k --context c", Source("k", "c")),
        ("speaker --node-name n --kubeconfig k", Source("k")),
    ],
)
def test_without_manifests_it_is_an_api_server(ran: list[Any], line: str, place: Source) -> None:
    main(line.split())
    assert [options.cluster for options in ran] == [place]


def test_a_state_folder_makes_no_sense_with_an_api_server(ran: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(["controller", "--state", "s"], capsys).startswith(
        "metalev: error: --state DIR goes with --manifests"
    )
    assert ran == []


def test_the_namespace_may_come_from_metallbs_variable(ran: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALLB_NAMESPACE", "lb")
    main(["controller"])
    assert ran[0].namespace == "lb"


def test_manifests_that_are_no_directory_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none"
    assert failed(["controller", "--manifests", str(path)], capsys) == (
        f"metalev: error: --manifests {path} is no directory\n"
    )


def test_a_start_error_is_one_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(_: ControllerOptions) -> None:
        raise StartError("no room")

    monkeypatch.setattr("metalev.controller.main.run", refuses)
    assert failed(["controller", "--manifests", str(tmp_path)], capsys) == "metalev: error: no room\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["controller", "--log-level", "loud"],
        ["speaker", "--beacon-interval", "0.1ms"],
        ["speaker", "--beacon-interval", "5000"],
        ["speaker", "--node-name", "../../x"],
        ["speaker", "--node-name", "Node1"],
        ["speaker", "--beacon-interval", "0"],
        ["speaker", "--beacon-misses", "0"],
        ["speaker", "--exclude-file", "f", "--exclude-interface", "^lo$"],
        ["controller", "--metrics-address", "7472"],
        ["controller", "--address-rest", "-1"],
    ],
)
def test_a_command_line_that_makes_no_sense_is_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: metalev" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"metalev {__version__}\n"
    assert __version__ == version("metalev")


def test_asking_for_the_version_loads_no_program() -> None:
    code = "import sys, metalev.cli.main; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "metalev._native",
        "metalev.adapters.files",
        "metalev.adapters.kubernetes",
        "prometheus_client",
        "ctypes",
        "yaml",
        "http.server",
    }
    assert heavy.isdisjoint(loaded)
