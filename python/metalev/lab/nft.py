"""nftables rules into a namespace."""

from __future__ import annotations

import json

from metalev.lab.namespace import Namespace


def load(namespace: Namespace, rules: str) -> None:
    """Apply ``rules`` in one transaction: all of it or, with a :class:`LabError` that quotes nft, none."""
    namespace.run(["nft", "-f", "-"], stdin=rules)


def names(namespace: Namespace, family: str, table: str, kind: str) -> set[str]:
    """The names of the table's objects of a ``kind`` (``chain``, ``set``); none if there is no such table."""
    done = namespace.run(["nft", "-j", "list", "table", family, table], check=False)
    if done.returncode != 0:
        return set()
    return {entry[kind]["name"] for entry in json.loads(done.stdout)["nftables"] if kind in entry}
