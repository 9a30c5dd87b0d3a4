"""Texts as MetalLB writes them, so that whoever greps for them goes on finding them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from metalev.model.address import IPAddress

# One for all: json.dumps makes a new one for each call.
_go_string = json.JSONEncoder(ensure_ascii=False).encode


def quoted(text: object) -> str:
    """``text`` as Go's ``%q`` prints a string."""
    return _go_string(str(text))


def quoted_list(addresses: Iterable[IPAddress]) -> str:
    """Addresses as Go's ``%q`` prints a slice of them: ``["10.0.0.1" "fc00::1"]``."""
    return "[" + " ".join(quoted(address) for address in addresses) + "]"
