"""What a kubeconfig says reaches the requests."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from metalev.adapters.kubernetes import plain
from metalev.adapters.kubernetes.connections import connections_of
from metalev.adapters.kubernetes.credentials import Credentials, find
from metalev.adapters.kubernetes.kubeconfig import load
from metalev.adapters.kubernetes.plain import plainly
from metalev.adapters.places import Source

SERVER = "https://192.0.2.1:6443"


def kubeconfig(folder: Path, user: dict[str, Any]) -> Source:
    """A kubeconfig with one user."""
    path = folder / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": f"{SERVER}/", "insecure-skip-tls-verify": True}}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path.write_text(json.dumps(document))
    return Source(str(path))


def test_the_token_is_the_one_of_the_kubeconfig(tmp_path: Path) -> None:
    found = find(kubeconfig(tmp_path, {"token": "a-token"}))
    assert (found.host, found.token) == (SERVER, "a-token")


def data(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "user",
    [
        {"token": "a-token"},
        {"client-certificate-data": data("a certificate\n"), "client-key-data": data("a key\n")},
        {},
    ],
    ids=["a token", "a certificate", "nobody"],
)
def test_what_stands_in_a_kubeconfig_is_read_as_the_kubernetes_package_reads_it(
    tmp_path: Path, user: dict[str, Any]
) -> None:
    source = kubeconfig(tmp_path, user)
    assert plainly(source) == find(source)


@pytest.mark.parametrize(
    "user",
    [
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "cloud-login"}},
        {"auth-provider": {"name": "oidc"}},
        {"username": "me", "password": "secret"},
        {"tokenFile": "/var/token"},
        {"client-certificate": "/etc/cert.pem", "client-key": "/etc/key.pem"},
        {"client-certificate-data": "no base64", "client-key-data": "!"},
        {"token": "two words"},
    ],
    ids=lambda user: next(iter(user)),
)
def test_what_does_not_simply_stand_there_is_left_to_the_kubernetes_package(
    tmp_path: Path, user: dict[str, Any]
) -> None:
    assert plainly(kubeconfig(tmp_path, user)) is None


@pytest.mark.parametrize(
    ("change", "context"),
    [
        ({"current-context": "another"}, ""),
        ({}, "another"),
        ({"users": []}, ""),
        ({"clusters": [{"name": "it", "cluster": {"server": SERVER, "proxy-url": "http://192.0.2.9"}}]}, ""),
        ({"clusters": [{"name": "it", "cluster": {"server": "http://192.0.2.1"}}]}, ""),
        ({"contexts": 1}, ""),
    ],
)
def test_a_kubeconfig_that_is_not_as_usual_is_left_to_the_kubernetes_package(
    tmp_path: Path, change: dict[str, Any], context: str
) -> None:
    path = Path(kubeconfig(tmp_path, {"token": "a-token"}).kubeconfig)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert plainly(Source(str(path), context)) is None
    path.write_text("clusters: [")
    assert plainly(Source(str(path))) is None


def test_a_pod_is_what_its_service_account_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert plainly(Source()) is None
    (tmp_path / "token").write_text("a-token\n")
    (tmp_path / "ca.crt").write_text("an authority")
    token_file = str(tmp_path / "token")
    assert plainly(Source()) == Credentials(
        "https://[fd00::1]:443", ca="an authority", token="a-token", token_file=token_file
    )


def test_a_path_of_the_server_is_kept_for_requests_over_tls() -> None:
    assert connections_of(Credentials("https://rancher.example/k8s/clusters/c-1")).prefix == "/k8s/clusters/c-1"
    assert connections_of(Credentials(SERVER)).prefix == ""


@pytest.mark.parametrize("written", ["a-token", "a-token\n", "a-token\r\n"])
def test_a_token_is_without_the_newline_that_ends_its_file(tmp_path: Path, written: str) -> None:
    (tmp_path / "token").write_text(written)
    assert find(kubeconfig(tmp_path, {"tokenFile": "token"})).token == "a-token"
    assert find(kubeconfig(tmp_path, {"token": written})).token == "a-token"


def test_a_service_accounts_token_is_without_the_newline_that_ends_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("a-token\n")
    (tmp_path / "ca.crt").write_text("an authority")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    assert load(Source()).token == "a-token"
