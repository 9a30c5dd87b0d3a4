"""Credentials that simply stand there: a pod's service account, a kubeconfig with everything in it.

The ``kubernetes`` package (:mod:`.kubeconfig`) knows every way there is and takes half a second to load; a program that
starts anew in a pod need not wait for it. What is not quite as here is left to that package, errors included.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode
from pathlib import Path

import msgspec
import yaml
from msgspec import Struct, field

from metalev.adapters.kubernetes import credentials
from metalev.adapters.kubernetes.credentials import Credentials
from metalev.adapters.places import Source

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class _Plain(Struct, rename="kebab", frozen=True, forbid_unknown_fields=True):
    """What says more than this is not plain."""


class _Cluster(_Plain, frozen=True):
    server: str
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""


class _User(_Plain, frozen=True):
    client_certificate_data: str = ""
    client_key_data: str = ""
    token: str = ""


class _NamedCluster(Struct, frozen=True):
    name: str
    cluster: dict[str, object]


class _NamedUser(Struct, frozen=True):
    name: str
    user: dict[str, object]


class _Context(Struct, frozen=True):
    cluster: str
    user: str


class _NamedContext(Struct, frozen=True):
    name: str
    context: _Context


class _Kubeconfig(Struct, frozen=True):
    clusters: list[_NamedCluster]
    users: list[_NamedUser]
    contexts: list[_NamedContext]
    current_context: str = field(default="", name="current-context")


def find(source: Source) -> Credentials:
    """The credentials of ``source``, in whatever way. Raises ``StartError`` with what is wrong and what to do."""
    return plainly(source) or credentials.find(source)


def plainly(source: Source) -> Credentials | None:
    """The credentials of ``source``, if they can be had without further ado."""
    try:
        return _kubeconfig(source) if source.kubeconfig else _service_account()
    except (OSError, ValueError, KeyError, yaml.YAMLError, msgspec.MsgspecError, binascii.Error):
        return None


def _service_account() -> Credentials | None:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    token_file = SERVICE_ACCOUNT / "token"
    token = token_file.read_text(encoding="utf-8").strip()
    authority = (SERVICE_ACCOUNT / "ca.crt").read_text(encoding="utf-8")
    if not (host and port and token and authority):
        return None
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Credentials(f"https://{address}", ca=authority, token=token, token_file=str(token_file))


def _kubeconfig(source: Source) -> Credentials | None:
    text = Path(source.kubeconfig).read_text(encoding="utf-8")
    found = msgspec.convert(yaml.load(text, Loader=yaml.CSafeLoader), _Kubeconfig)
    (context,) = [one.context for one in found.contexts if one.name == (source.context or found.current_context)]
    (its_cluster,) = [one.cluster for one in found.clusters if one.name == context.cluster]
    (its_user,) = [one.user for one in found.users if one.name == context.user]
    cluster, user = msgspec.convert(its_cluster, _Cluster), msgspec.convert(its_user, _User)
    if not cluster.server.startswith("https://") or len(user.token.split()) > 1 or user.token != user.token.strip():
        return None
    return Credentials(
        host=cluster.server.rstrip("/"),
        ca=_text(cluster.certificate_authority_data),
        verify=not cluster.insecure_skip_tls_verify,
        server_name=cluster.tls_server_name,
        client_certificate=_text(user.client_certificate_data),
        client_key=_text(user.client_key_data),
        token=user.token,
    )


def _text(data: str) -> str:
    return b64decode(data, validate=True).decode()
