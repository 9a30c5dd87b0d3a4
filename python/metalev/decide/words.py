"""Texts as MetalLB writes them, so that whoever greps for them goes on finding them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from metalev.model.address import IPAddress


def quoted(text: object) -> str:
    """``text`` as Go's ``%q`` prints a string."""
    return json.dumps(str(text), ensure_ascii=False)


def quoted_list(addresses: Iterable[IPAddress]) -> str:
    """Addresses as Go's ``%q`` prints a slice of them: ``["10.0.0.1" "fc00::1"]``."""
    return "[" + " ".join(quoted(address) for address in addresses) + "]"
