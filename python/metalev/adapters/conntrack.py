"""The connections that are open through this host, as the kernel's packet filter tracks them.

The table is a file of root's, which takes no capability to read. A kernel without it (``CONFIG_NF_CONNTRACK_PROCFS``),
a host on which nothing tracks connections, or a program that is not root sees none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from ipaddress import IPv6Address
from pathlib import Path

from metalev.model.address import IPAddress
from metalev.model.errors import Unavailable

TABLE = Path("/proc/net/nf_conntrack")
# For how long a connection is remembered after its last packet.
_KEPT = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established")
# The same of one with a packet that was not acknowledged (nf_conntrack_tcp_timeout_unacknowledged).
_UNACKNOWLEDGED = 300


def open_connections(
    since: Mapping[IPAddress, float], *, table: Path = TABLE, kept: Path = _KEPT
) -> Mapping[IPAddress, int]:
    """How many established TCP connections to each address have had a packet in the last ``since[address]`` seconds.

    What is older was left by an earlier move: the kernel keeps such an entry for days. Addresses without any are left
    out. Raises ``Unavailable`` if the kernel does not show its table.
    """
    wanted = {_written(address): (address, seconds + 1) for address, seconds in since.items()}
    found: Counter[IPAddress] = Counter()
    try:
        longest = int(kept.read_text())
        with table.open("rb") as lines:
            for line in lines:
                if b" tcp " not in line or not (b" ESTABLISHED " in line or b"[OFFLOAD]" in line):
                    continue
                address, seconds = wanted.get(_destination(line), (None, 0.0))
                if address is not None and _idle(line, longest) <= seconds:
                    found[address] += 1
    except OSError as error:
        raise Unavailable(f"{error.filename}: {error.strerror}") from error
    except (ValueError, IndexError) as error:
        raise Unavailable(f"{table} or {kept} is not as it should be: {error}") from error
    return found


def _written(address: IPAddress) -> bytes:
    """An address as the table has it: those of IPv6 in full."""
    return (address.exploded if isinstance(address, IPv6Address) else str(address)).encode()


def _destination(line: bytes) -> bytes:
    """Where the client sent it: the first of the two directions, before any translation."""
    return line.partition(b" dst=")[2].partition(b" ")[0]


def _idle(line: bytes, longest: int) -> float:
    """Seconds since the last packet, by what is left of its time; 0 if that says nothing (hardware forwards it)."""
    left = line.split(maxsplit=5)[4]
    return max(longest - int(left), 0) if left.isdigit() and int(left) > _UNACKNOWLEDGED else 0
