"""The child of :mod:`.credentials`: prints them as JSON, or one line on stderr that says why there are none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from metalev.adapters.kubernetes.credentials import Credentials, named
from metalev.adapters.places import Source
from metalev.model.errors import StartError


def main() -> None:
    """Read the source from the command line."""
    source = msgspec.json.decode(sys.argv[1], type=Source)
    try:
        found = _load(source)
    except StartError as error:
        sys.exit(str(error))
    except Exception as error:  # noqa: BLE001  (a plugin may raise anything; whatever it is, it is one line)
        sys.exit(f"cannot use {named(source)}: {error}".replace("\n", " "))
    sys.stdout.buffer.write(msgspec.json.encode(found))


def _load(source: Source) -> Credentials:
    from kubernetes import client, config  # noqa: PLC0415, TID251  (late, and only here)

    into = client.Configuration()
    token_file = ""
    if source.kubeconfig:
        # Like kubectl, several with ":" in between count as one.
        if not any(Path(path).is_file() for path in source.kubeconfig.split(os.pathsep)):
            raise StartError(f"the kubeconfig {source.kubeconfig} is no file")
        config.load_kube_config(  # type: ignore[no-untyped-call]
            source.kubeconfig, source.context or None, client_configuration=into
        )
    else:
        token_file = _load_service_account(into)
    # The package has called it by both names, and used either.
    scheme, _, token = (into.get_api_key_with_prefix("BearerToken", "authorization") or "").partition(" ")
    return Credentials(
        host=into.host.rstrip("/"),
        ca=_text(into.ssl_ca_cert),
        verify=into.verify_ssl,
        server_name=into.tls_server_name or "",
        client_certificate=_text(into.cert_file),
        client_key=_text(into.key_file),
        token=token if scheme.lower() == "bearer" else "",
        token_file=token_file,
        basic=(into.get_basic_auth_token() or "").removeprefix("Basic ") if into.username else "",
    )


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
