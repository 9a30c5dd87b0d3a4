"""Options that several subcommands share, and how their values are spelled."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from metalev.adapters.logs import FORMATS, LEVELS
from metalev.adapters.places import Directory, Source
from metalev.model.errors import StartError

if TYPE_CHECKING:
    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  (it has no other name)

DEFAULT_NAMESPACE = "metallb-system"
DEFAULT_METRICS = ":7472"
BEACON_INTERVALS = (0.001, 10.0)
NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
NODE_NAME_MAX = 253
DEFAULT_ADDRESS_REST = 60.0


def add_program_options(parser: argparse.ArgumentParser) -> None:
    """The options of every daemon."""
    add = parser.add_argument
    add_cluster_options(parser)
    add(
        "--metrics-address",
        metavar="A:P",
        type=listen_address,
        default=DEFAULT_METRICS,
        help="where /metrics, /healthz and /readyz are served (%(default)s); port 0: any free one; off: nowhere",
    )
    add("--lb-class", metavar="CLASS", help="serve the Services of this loadBalancerClass only (default: without one)")
    add(
        "--ignore-exclude-lb",
        action="store_true",
        help="let nodes announce that carry node.kubernetes.io/exclude-from-external-load-balancers; "
        "for the controller and every speaker alike",
    )
    add("--log-level", choices=tuple(LEVELS), default="info", help="(%(default)s)")
    add("--log-format", choices=FORMATS, default="text", help="(%(default)s)")


def add_cluster_options(parser: argparse.ArgumentParser, namespace: str = "--namespace") -> None:
    """Which cluster: an API server, by default that of the pod, or a directory; ``namespace`` is how one is spelled."""
    add = parser.add_argument
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--kubeconfig", metavar="F", type=Path, help="the API server (default: the pod's own)")
    which.add_argument("--manifests", metavar="DIR", type=Path, help="a directory of YAML manifests instead of one")
    add("--context", metavar="C", default="", help="the context of the kubeconfig (default: its current one)")
    add("--state", metavar="DIR", type=Path, help="where metalev writes (default: .metalev in the manifests)")
    add(
        namespace,
        metavar="N",
        default=os.environ.get("METALLB_NAMESPACE") or DEFAULT_NAMESPACE,
        help="where pools and keys live (default: METALLB_NAMESPACE, or metallb-system)",
    )


def where(options: argparse.Namespace) -> Directory | Source:
    """The cluster to work on. Raises ``StartError`` if it cannot be."""
    manifests: Path | None = options.manifests
    if manifests is None:
        if options.state is not None:
            raise StartError("--state DIR goes with --manifests DIR: an API server keeps the state itself")
        return Source(str(options.kubeconfig or ""), options.context)
    if not manifests.is_dir():
        raise StartError(f"--manifests {manifests} is no directory")
    return Directory(manifests, options.state)


def listen_address(text: str) -> tuple[str, int] | None:
    """``A:P``, ``:P`` or ``[v6]:P`` as host (empty: all) and port; ``off`` or ``0`` as ``None``."""
    if text in {"off", "0"}:
        return None
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isdecimal() or int(port) > 65535 or (":" in bare and not bracketed):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address: write 192.0.2.1:7472, :7472, [2001:db8::1]:7472 or off"
        )
    return bare, int(port)


def seconds(text: str) -> float:
    """``0.05``, ``0.05s`` or ``50ms`` in seconds; more than nothing."""
    number, unit = (text[:-2], 0.001) if text.endswith("ms") else (text.removesuffix("s"), 1.0)
    try:
        value = float(number) * unit
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 0.05 or 50ms")
    return value


def beacon_interval(text: str) -> float:
    """As :func:`seconds`, within what beacons can say and peers believe: 1 ms to 10 s."""
    value = seconds(text)
    if not BEACON_INTERVALS[0] <= value <= BEACON_INTERVALS[1]:
        raise argparse.ArgumentTypeError(f"{text!r} is no interval for beacons: choose 1ms to 10s (default 50ms)")
    return value


def node_name(text: str) -> str:
    """The name of a Node: a DNS subdomain (RFC 1123), as Kubernetes has it; or nothing yet."""
    if (text and not NODE_NAME.fullmatch(text)) or len(text) > NODE_NAME_MAX:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name of a Node: lower-case letters, digits, '-' and '.' (RFC 1123)"
        )
    return text


def seconds_or_none(text: str) -> float:
    """As :func:`seconds`, but ``0`` is nothing."""
    return 0.0 if text in {"0", "0s", "0ms"} else seconds(text)


def at_least_one(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)
