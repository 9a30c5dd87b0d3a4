"""Stand-ins for MetalLB's two programs, for what it does beside metalev and in its place. Deliberately not metalev's.

They follow MetalLB's rules as far as somebody on the segment or in the API can see them: the election (``election``),
answers and gratuitous frames (``wire``), members that find each other by UDP 7946, join, leave and are missed
(``members``), and addresses given out of pools (``controller``). Run as the images ``metallb.invalid/speaker`` and
``metallb.invalid/controller``; a Pod's container has the ServiceAccount's files in their place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from metalev.lab.kubernetes.api import Api
from metalev.lab.kubernetes.images import Image, Launch
from metalev.lab.namespace import OwnNetwork

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def speaker(launch: Launch) -> list[str]:
    """The command line of the speaker."""
    return [sys.executable, "-m", "metalev.lab.kubernetes.metallb.speaker", *launch.arguments]


def controller(launch: Launch) -> list[str]:
    """The command line of the controller."""
    return [sys.executable, "-m", "metalev.lab.kubernetes.metallb.controller", *launch.arguments]


METALLB: Mapping[str, Image] = {"metallb.invalid/speaker": speaker, "metallb.invalid/controller": controller}


def connect() -> Api:
    """The API as a program in a Pod finds it."""
    address = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
    return Api(address, ACCOUNT / "ca.crt", ACCOUNT / "token", OwnNetwork())
