"""All manifests together: which file gives an object, and who may not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from metalev.adapters.codec import Codec
from metalev.adapters.files.manifest import Given, Manifest, read_manifest
from metalev.adapters.files.tree import Changed, Tree
from metalev.decide.pools import Unusable, unusable_ranges
from metalev.model.meta import Kind, ObjectKey
from metalev.model.pools import Pool
from metalev.model.snapshot import Object, Rejected

SUFFIXES = (".yaml", ".yml", ".json")


class Manifests:
    """The objects that the files below ``root`` give. Of two files that give the same, the first by path counts."""

    def __init__(self, root: Path, codec: Codec, *, skip: Path) -> None:
        """``skip`` is a folder that holds no manifests though it may be inside: what metalev writes."""
        skipped = skip.relative_to(root).as_posix() if skip.is_relative_to(root) else None
        self._tree: Tree[Manifest] = Tree(
            root,
            lambda path, content, before: read_manifest(path, content, before, codec),
            wanted=lambda path: path.endswith(SUFFIXES) and not _is_hidden(path),
            descend=lambda path: path != skipped and not _is_hidden(path),
        )
        self._givers: dict[ObjectKey, set[str]] = {}
        self._contested: set[ObjectKey] = set()
        self._troubled: set[str] = set()
        self._unusable: tuple[Unusable, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether everything could be read, so that what is absent is really absent."""
        return not self._tree.problems and all(self._tree.files[path].whole for path in self._troubled)

    def get(self, key: ObjectKey) -> Object | None:
        """The object, from the first file that gives it."""
        path = self.path_of(key)
        return self._tree.files[path].given[key].obj if path is not None else None

    def path_of(self, key: ObjectKey) -> str | None:
        """The file that gives the object."""
        return min(self._givers.get(key, ()), default=None)

    def rescan(self) -> set[ObjectKey]:
        """Look at every file. Returns the objects that may have changed. Raises ``OSError`` if there is no folder."""
        return self._absorb(self._tree.rescan())

    def refresh(self, paths: Iterable[str]) -> set[ObjectKey]:
        """Look at these files alone. Returns the objects that may have changed."""
        return self._absorb(self._tree.refresh(paths))

    def is_folder(self, path: str) -> bool:
        """Whether a change of ``path`` is one of the files below it."""
        return self._tree.is_folder(path)

    def problems(self) -> Iterator[Rejected]:
        """Everything that is wrong or not used, by file:line; several may stand at one place."""
        yield from (Rejected(path, message) for path, message in self._tree.problems.items())
        for path in self._troubled:
            for complaint in self._tree.files[path].complaints:
                yield Rejected(f"{path}:{complaint.line}", complaint.message, complaint.serious)
        for key in self._contested:
            first, *others = sorted(self._givers[key])
            for path in others:
                yield Rejected(f"{path}:{self._given(path, key).line}", self._double(key, first))
        yield from map(self._about_range, self._unusable)

    def _double(self, key: ObjectKey, first: str) -> str:
        return f"{key} is given by {first}:{self._given(first, key).line} already: remove one of the two"

    def _about_range(self, unusable: Unusable) -> Rejected:
        key = ObjectKey(Kind.POOL, unusable.pool)
        path = min(self._givers[key])
        given = self._given(path, key)
        message = f"{key}: spec.addresses[{unusable.index}]: {unusable.message}"
        return Rejected(f"{path}:{given.line + given.ranges[unusable.index]}", message)

    def _given(self, path: str, key: ObjectKey) -> Given:
        return self._tree.files[path].given[key]

    def _absorb(self, changes: dict[str, Changed[Manifest]]) -> set[ObjectKey]:
        touched: set[ObjectKey] = set()
        for path, change in changes.items():
            touched |= self._regive(path, change.before or Manifest(), change.after or Manifest())
        if any(key.kind is Kind.POOL for key in touched):
            given = (self.get(key) for key in self._givers if key.kind is Kind.POOL)
            self._unusable = unusable_ranges(pool for pool in given if isinstance(pool, Pool))
        return touched

    def _regive(self, path: str, before: Manifest, after: Manifest) -> set[ObjectKey]:
        (self._troubled.add if after.complaints else self._troubled.discard)(path)
        for key in before.given.keys() - after.given.keys():
            self._set_giver(key, self._givers[key] - {path})
        for key in after.given.keys() - before.given.keys():
            self._set_giver(key, self._givers.get(key, set()) | {path})
        return {key for key in before.given.keys() | after.given.keys() if _obj(before, key) != _obj(after, key)}

    def _set_giver(self, key: ObjectKey, paths: set[str]) -> None:
        (self._contested.add if len(paths) > 1 else self._contested.discard)(key)
        if paths:
            self._givers[key] = paths
        else:
            del self._givers[key]


def _obj(manifest: Manifest, key: ObjectKey) -> Object | None:
    given = manifest.given.get(key)
    return given.obj if given else None


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith(".")
