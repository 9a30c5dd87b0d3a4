"""The child of :mod:`.credentials`: prints them as JSON, or one line on stderr that says why there are none."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from metalev.adapters.kubernetes.credentials import Credentials, named
from metalev.adapters.places import Source
from metalev.model.errors import StartError

_CLUSTER = {"proxy-url": "give a server that can be reached without a proxy"}
_IMPERSONATED = "name a user who has the rights himself, with --context or another kubeconfig"
_USER = {
    "auth-provider": "use an exec plugin, a token or a client certificate, as kubectl since 1.26",
    "as": _IMPERSONATED,
    "as-uid": _IMPERSONATED,
    "as-groups": _IMPERSONATED,
    "as-user-extra": _IMPERSONATED,
}
"""What the package passes over or fails at, and what to do instead."""


def main() -> None:
    """Read the source from the command line."""
    source = msgspec.json.decode(sys.argv[1], type=Source)
    try:
        found = load(source)
    except StartError as error:
        sys.exit(str(error))
    except Exception as error:  # noqa: BLE001  (a plugin may raise anything; whatever it is, it is one line)
        sys.exit(f"cannot use {named(source)}: {error}".replace("\n", " "))
    sys.stdout.buffer.write(msgspec.json.encode(found))


def load(source: Source) -> Credentials:
    """The credentials of ``source``. Raises ``StartError``, and whatever the package does."""
    from kubernetes import client  # noqa: PLC0415, TID251  (late, and only here)

    into = client.Configuration()
    token_file = ""
    if source.kubeconfig:
        # Like kubectl, several with ":" in between count as one.
        if not any(Path(path).is_file() for path in source.kubeconfig.split(os.pathsep)):
            raise StartError(f"the kubeconfig {source.kubeconfig} is no file")
        _load_kubeconfig(source, into)
    else:
        token_file = _load_service_account(into)
    # The package has called it by both names, and used either; username and password come the same way.
    scheme, _, token = (into.get_api_key_with_prefix("BearerToken", "authorization") or "").partition(" ")
    return Credentials(
        host=into.host.rstrip("/"),
        ca=_text(into.ssl_ca_cert),
        verify=into.verify_ssl,
        server_name=into.tls_server_name or "",
        client_certificate=_text(into.cert_file),
        client_key=_text(into.key_file),
        # As client-go: whoever writes a file ends it with a newline, which no header may have.
        token=token.strip() if scheme.lower() == "bearer" else "",
        token_file=token_file,
        basic=token if scheme.lower() == "basic" else "",
    )


def _load_kubeconfig(source: Source, into: object) -> None:
    from kubernetes import config  # noqa: PLC0415, TID251  (late, and only here)

    user = _supported(source)
    said = _Said()
    logging.getLogger().addHandler(said)
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            source.kubeconfig, source.context or None, client_configuration=into
        )
    finally:
        logging.getLogger().removeHandler(said)
    # The package logs what a plugin did wrong and goes on without credentials, as system:anonymous.
    if said.errors and isinstance(plugin := user.get("exec"), dict):
        raise StartError(_one_line(_about_plugin(source, plugin, " ".join(said.errors))))


def _supported(source: Source) -> Mapping[str, object]:
    """The user, as it stands there. Raises ``StartError`` for what would be passed over in silence."""
    from kubernetes.config import kube_config  # noqa: PLC0415, TID251  (late, and only here)

    merged = kube_config.KubeConfigMerger(source.kubeconfig).config  # type: ignore[no-untyped-call]
    loader = kube_config.KubeConfigLoader(merged, source.context or None)  # type: ignore[no-untyped-call]
    context = loader.current_context["context"]
    cluster = _named(merged, "clusters", context.get("cluster"))
    user = _named(merged, "users", context.get("user"))
    for where, found, cures in (("cluster", cluster, _CLUSTER), ("user", user, _USER)):
        for key, cure in cures.items():
            if found.get(key):
                what = f"{named(source)} has {key} for the {where} {context[where]}"
                raise StartError(f"{what}, which metalev does not support: {cure}")
    return user


def _named(merged: Any, part: str, name: object) -> Mapping[str, object]:
    if not name or not merged.safe_get(part):
        return {}
    found = merged[part].get_with_name(name, safe=True)
    value = found.value.get(part.removesuffix("s")) if found else None
    return value if isinstance(value, dict) else {}


def _about_plugin(source: Source, plugin: Mapping[str, object], said: str) -> str:
    text = f'the plugin "{plugin.get("command", "")}" of {named(source)} gave no credentials: {said}'
    # The hint is for whoever does not have it, as with kubectl.
    hint = plugin.get("installHint") if said.startswith("[Errno") else None
    return f"{text}: {hint}" if hint else text


def _one_line(text: str) -> str:
    return " ".join(text.split())


class _Said(logging.Handler):
    """The errors that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.errors.append(record.getMessage())


def _load_service_account(into: object) -> str:
    from kubernetes.config import ConfigException, incluster_config  # noqa: PLC0415, TID251  (late, and only here)

    try:
        incluster_config.load_incluster_config(client_configuration=into)  # type: ignore[no-untyped-call]
    except ConfigException as error:
        raise StartError(
            f"this is no pod with a service account ({error}): name a cluster with --kubeconfig F, "
            "or a directory of manifests with --manifests DIR"
        ) from error
    return str(incluster_config.SERVICE_TOKEN_FILENAME)


def _text(path: str | None) -> str:
    return Path(path).read_text(encoding="utf-8") if path else ""


if __name__ == "__main__":
    main()
