"""What a kubeconfig says and metalev cannot do is refused aloud, and nobody goes on as system:anonymous."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.server import kubeconfig

from metalev.adapters.kubernetes import plain
from metalev.adapters.kubernetes.connections import Token
from metalev.adapters.places import Source
from metalev.model.errors import StartError

SERVER = "https://192.0.2.1:6443"


def source(folder: Path, user: dict[str, Any], **cluster: Any) -> Source:
    document = json.loads(kubeconfig(SERVER, user))
    document["clusters"][0]["cluster"] |= cluster
    (folder / "kubeconfig").write_text(json.dumps(document))
    return Source(str(folder / "kubeconfig"))


def refusal(source: Source) -> str:
    with pytest.raises(StartError) as caught:
        plain.find(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def plugin(folder: Path, script: str) -> dict[str, Any]:
    """A user whose credentials this script prints."""
    path = folder / "cloud-login"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(path),
            "installHint": "get it from your cloud",
        }
    }


def printing(**status: str) -> str:
    found = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return f"echo hello >&2; echo '{json.dumps(found)}'"


def test_the_token_of_a_plugin_is_used(tmp_path: Path) -> None:
    assert plain.find(source(tmp_path, plugin(tmp_path, printing(token="a-token")))).token == "a-token"


def test_a_plugin_that_fails_is_quoted(tmp_path: Path) -> None:
    user = plugin(tmp_path, "echo 'your session ended:' >&2; echo 'log in again' >&2; exit 3")
    said = refusal(source(tmp_path, user))
    assert said.startswith(f'the plugin "{tmp_path}/cloud-login" of the kubeconfig {tmp_path}/kubeconfig gave no cred')
    assert said.endswith("process returned 3. your session ended: log in again")


def test_a_plugin_that_is_missing_is_named_with_where_to_get_it(tmp_path: Path) -> None:
    user = plugin(tmp_path, "exit 0")
    (tmp_path / "cloud-login").unlink()
    said = refusal(source(tmp_path, user))
    assert f'the plugin "{tmp_path}/cloud-login"' in said
    assert "No such file or directory" in said
    assert said.endswith(": get it from your cloud")


@pytest.mark.parametrize(
    ("script", "words"),
    [("echo welcome", "failed to decode process output"), (printing(), "missing token or clientCertificateData")],
)
def test_a_plugin_that_gives_nothing_is_refused(tmp_path: Path, script: str, words: str) -> None:
    assert words in refusal(source(tmp_path, plugin(tmp_path, script)))


def test_a_proxy_is_refused(tmp_path: Path) -> None:
    said = refusal(source(tmp_path, {"token": "a-token"}, **{"proxy-url": "http://192.0.2.9:3128"}))
    assert said == (
        f"the kubeconfig {tmp_path}/kubeconfig has proxy-url for the cluster it, which metalev does not support: "
        "give a server that can be reached without a proxy"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("as", "admin"),
        ("as-uid", "1"),
        ("as-groups", ["system:masters"]),
        ("as-user-extra", {"reason": ["x"]}),
        ("auth-provider", {"name": "gcp"}),
        ("auth-provider", {"name": "azure"}),
        ("auth-provider", {"name": "oidc", "config": {"id-token": "a.b.c"}}),
    ],
)
def test_what_a_user_is_by_other_ways_is_refused(tmp_path: Path, key: str, value: object) -> None:
    said = refusal(source(tmp_path, {"token": "a-token", key: value}))
    assert f"kubeconfig has {key} for the user it, which metalev does not support: " in said


def test_a_name_and_a_password_are_sent(tmp_path: Path) -> None:
    found = plain.find(source(tmp_path, {"username": "me", "password": "a:secret"}))
    scheme, _, text = Token(found).header()["Authorization"].partition(" ")
    assert (scheme, b64decode(text)) == ("Basic", b"me:a:secret")
