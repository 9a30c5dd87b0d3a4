"""The kernel's connection tracking, as far as a lab needs it: it is part of what a power cut takes away."""

from __future__ import annotations

import os
import socket
import struct

from metalev.lab.namespace import Namespace

NETLINK_NETFILTER = 12
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_NLM_F_REQUEST_ACK = 0x0001 | 0x0004
_CTNETLINK_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE


def forget_connections(namespace: Namespace) -> None:
    """Delete every connection entry of the namespace (``conntrack -F``): a delete request without a tuple."""
    body = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)  # nfgenmsg: any family
    with namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.send(_HEADER.pack(_HEADER.size + len(body), _CTNETLINK_DELETE, _NLM_F_REQUEST_ACK, 1, 0) + body)
        answer = netlink.recv(4096)
    (error,) = struct.unpack_from("=i", answer, _HEADER.size)
    if error:
        raise OSError(-error, f"{namespace.name}: connections not deleted: {os.strerror(-error)}")
