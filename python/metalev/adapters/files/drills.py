"""Drills in a directory: a manifest each, which its operator's command writes and removes.

They are manifests, not state, for they are what an operator wants, and state is what the programs say. No other program
writes a file of such a name.
"""

from __future__ import annotations

from pathlib import Path

from metalev.adapters.codec import encode
from metalev.adapters.files.writing import remove, write_yaml
from metalev.model.drills import FORGOTTEN, Drill


class FileDrills:
    """Orders drills to whoever reads the manifests."""

    def __init__(self, manifests: Path) -> None:
        self._manifests = manifests

    def order(self, drill: Drill) -> None:
        """Begin it, and clear away what commands that were killed have left. Raises ``Unavailable``."""
        path = self._path(drill)
        write_yaml(path, encode.drill(drill))
        for other, age in self._older_than(path):
            if age > FORGOTTEN:
                remove(other)

    def withdraw(self, drill: Drill) -> None:
        """End it, if it goes on. Raises ``Unavailable``."""
        remove(self._path(drill))

    def _older_than(self, path: Path) -> list[tuple[Path, float]]:
        """The other drills, and how many seconds before ``path`` each was written, by the file system's clock."""
        written = {one: _written(one) for one in self._manifests.glob("metalev-drill-*.yaml")}
        latest = _written(path)
        return [(one, latest - at) for one, at in written.items() if latest is not None and at is not None]

    def _path(self, drill: Drill) -> Path:
        return self._manifests / f"metalev-{drill.name.name}.yaml"


def _written(path: Path) -> float | None:
    """When it was written; None if it has gone meanwhile."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None
