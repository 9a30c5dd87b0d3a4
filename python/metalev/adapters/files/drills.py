"""Drills in a directory: a manifest each, which its operator's command writes and removes.

They are manifests, not state, for they are what an operator wants, and state is what the programs say. No other program
writes a file of such a name.
"""

from __future__ import annotations

from pathlib import Path

from metalev.adapters.codec import encode
from metalev.adapters.files.writing import remove, write_yaml
from metalev.model.drills import Drill


class FileDrills:
    """Orders drills to whoever reads the manifests."""

    def __init__(self, manifests: Path) -> None:
        self._manifests = manifests

    def order(self, drill: Drill) -> None:
        """Begin it. Raises ``Unavailable``."""
        write_yaml(self._path(drill), encode.drill(drill))

    def withdraw(self, drill: Drill) -> None:
        """End it, if it goes on. Raises ``Unavailable``."""
        remove(self._path(drill))

    def _path(self, drill: Drill) -> Path:
        return self._manifests / f"metalev-{drill.name.name}.yaml"
