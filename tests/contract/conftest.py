"""Every cluster that keeps the contract: a directory, the fake in memory, a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.harness import FakeHarness, FilesHarness, Harness
from tests.contract.kubernetes import KubernetesHarness, contract_plane

from metalev.lab.kubernetes.controlplane import ControlPlane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with contract_plane(tmp_path_factory.mktemp("contract")) as plane:
        yield plane


@pytest.fixture(params=["files", "fake", "kubernetes"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    yield from harness_of(request.param, request, tmp_path)


@pytest.fixture(params=["files", "fake"])
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """Where anything may be written down: an API server refuses what is no Service before anybody reads it."""
    yield from harness_of(request.param, request, tmp_path)


def harness_of(name: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Harness]:
    made: Harness
    match name:
        case "files":
            made = FilesHarness(folder)
        case "fake":
            made = FakeHarness()
        case _:
            made = KubernetesHarness(request.getfixturevalue("plane"))
    yield made
    made.close()
