"""What the manifests and the state say together, and how that differs from what they said before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from metalev.adapters.codec import Codec
from metalev.adapters.codec.fields import Document
from metalev.adapters.files.manifests import Manifests
from metalev.adapters.files.state import Record, State, pool_path, service_path, speaker_path
from metalev.model.legacy import LegacyConfig
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import Pool, PoolStatus
from metalev.model.services import Service, ServiceStatus
from metalev.model.snapshot import Change, Deleted, Listed, Object, PoolStatusSeen, Rejected, Upserted, key_of


class View:
    """The objects as they were last reported. Every method that looks at files returns the changes that it found.

    Not safe for threads: its owner holds a lock.
    """

    def __init__(self, root: Path, state_root: Path, codec: Codec, *, pool_statuses: bool = False) -> None:
        """``pool_statuses``: what is written of pools is reported, too."""
        self.root = root
        self.state_root = state_root
        self._manifests = Manifests(root, codec, skip=state_root)
        self._state = State(state_root, codec, pools=pool_statuses)
        self._objects: dict[ObjectKey, Object] = {}
        self._pool_statuses: dict[Name, PoolStatus] = {}
        self._problems: dict[str, Rejected] = {}
        self._hidden: set[ObjectKey] | None = None  # until the first look

    def get(self, key: ObjectKey) -> Object | None:
        """The object as it was last reported."""
        return self._objects.get(key)

    def is_written(self, service: Name) -> bool:
        """Whether the controller's own file holds the Service's status, and not only its manifest."""
        record = self._state.service(service)
        return record is not None and not record.problem

    def damaged(self) -> list[tuple[Name, ServiceStatus]]:
        """The Services whose written status can no longer be read, with what it last said."""
        return list(self._state.damaged())

    def rescan(self) -> list[Change]:
        """Look at every file; if the folder itself cannot be read, everything stays and it is named."""
        try:
            touched = self._manifests.rescan()
        except OSError as error:
            root = str(self.root)
            return self._report(self._problems | {root: Rejected(root, f"cannot be read: {error.strerror}")})
        return self._report_all(touched | self._state.rescan())

    def refresh(self, paths: Iterable[Path]) -> list[Change]:
        """Look at these files alone, or at every one if a folder is among them."""
        manifests, written = self._sort(paths)
        if any(map(self._manifests.is_folder, manifests)) or any(map(self._state.is_folder, written)):
            return self.rescan()
        if any(path.startswith("..") for path in manifests):
            # A ConfigMap's volume changes all its files at once, by moving one link named `..data`.
            return self.rescan()
        return self._report_all(self._manifests.refresh(manifests) | self._state.refresh(written))

    def refresh_object(self, key: ObjectKey) -> list[Change]:
        """Look at the files that make one object."""
        source = self._manifests.path_of(key)
        touched = self._manifests.refresh([source] if source else [])
        match key.kind:
            case Kind.SERVICE:
                touched |= self._state.refresh([service_path(key.name)])
            case Kind.POOL:
                touched |= self._state.refresh([pool_path(key.name)])
            case Kind.SPEAKER_STATE:
                touched |= self._state.refresh([speaker_path(key.name)])
        return self._report_all(touched)

    def lists(self) -> list[Change]:
        """What there is of every kind."""
        names: dict[Kind, set[Name]] = {kind: set() for kind in Kind}
        for key in self._objects:
            names[key.kind].add(key.name)
        return [Listed(kind, frozenset(found)) for kind, found in names.items()]

    def wrote(self, path: str, content: bytes, document: Document) -> None:
        """Remember what was written as ``path`` of the state; it is still to be looked at."""
        self._state.wrote(path, content, document)

    def left_behind(self, now: float) -> list[Path]:
        """The files written about objects that are gone, at ``now`` (seconds since 1970).

        None while any manifest cannot be read whole: what seems gone may only be hidden, and would lose its address.
        A pool's stays for as long as an address of it rests: perhaps the pool has another name now.
        """
        if not self._manifests.whole:
            return []
        known = self._objects.keys() | {key_of(pool) for pool in self._legacy_pools()}
        gone = ((key, path) for key, path in self._state.written() if key not in known)
        return [self.state_root / path for key, path in gone if not self._rests(key, now)]

    def concerns(self, path: Path) -> bool:
        """Whether a change of ``path`` may matter: not a file being written, nor events, which nobody reads here."""
        if path.is_relative_to(self.state_root):
            parts = path.relative_to(self.state_root).parts
            return "events" not in parts[1:2] and not any(part.startswith(".") for part in parts)
        parts = path.relative_to(self.root).parts if path.is_relative_to(self.root) else ()
        return parts[:1] == ("..data",) or not any(part.startswith(".") for part in parts)

    def _rests(self, key: ObjectKey, now: float) -> bool:
        """Whether an address of the pool ``key`` rests at ``now``, by what was written last."""
        status = self._state.pool(key.name) if key.kind is Kind.POOL else None
        return status is not None and any(resting.until > now for resting in status.resting)

    def _legacy_pools(self) -> Iterator[Pool]:
        """The pools that have no manifest of their own."""
        for obj in self._objects.values():
            if isinstance(obj, LegacyConfig):
                yield from obj.pools

    def _sort(self, paths: Iterable[Path]) -> tuple[list[str], list[str]]:
        """The paths in the manifests' folder and those in the state, each relative to its folder."""
        manifests, written = [], []
        for path in sorted(paths):
            if path.is_relative_to(self.state_root):
                written.append(path.relative_to(self.state_root).as_posix())
            elif path.is_relative_to(self.root):
                manifests.append(path.relative_to(self.root).as_posix())
        return manifests, written

    def _report_all(self, touched: set[ObjectKey]) -> list[Change]:
        touched = touched | self._uncovered()
        changes = [change for key in sorted(touched) for change in self._report_object(key)]
        return changes + self._report(self._all_problems())

    def _uncovered(self) -> set[ObjectKey]:
        """The Services that something hid when this program started, and that are seen now or known to be gone.

        What it saw itself it remembers; of what came before there is only what was written.
        """
        if self._hidden is None:
            written = (key for key, _ in self._state.written() if key.kind is Kind.SERVICE)
            self._hidden = set() if self._manifests.whole else {key for key in written if not self._manifests.get(key)}
            return set()
        whole = self._manifests.whole
        found = {key for key in self._hidden if whole or self._manifests.get(key)}
        self._hidden -= found
        return found

    def _report_object(self, key: ObjectKey) -> Iterator[Change]:
        before, now = self._objects.get(key), self._assemble(key)
        if now is None and before is not None:
            del self._objects[key]
            yield Deleted(key)
        elif now is not None and now != before:
            self._objects[key] = now
            yield Upserted(now)
        if key.kind is Kind.POOL:
            yield from self._report_pool_status(key.name)

    def _report_pool_status(self, pool: Name) -> Iterator[Change]:
        before, now = self._pool_statuses.pop(pool, None), self._state.pool(pool)
        if now is not None:
            self._pool_statuses[pool] = now
        if now != before:
            yield PoolStatusSeen(pool, now)

    def _report(self, problems: dict[str, Rejected]) -> list[Change]:
        before, self._problems = self._problems, problems
        mended: list[Change] = [Rejected(source, "") for source in before if source not in problems]
        return mended + [problem for source, problem in problems.items() if before.get(source) != problem]

    def _all_problems(self) -> dict[str, Rejected]:
        """Every problem by its source, sources in order; several at one place are one."""
        inside = self.state_root.is_relative_to(self.root)
        shown = self.state_root.relative_to(self.root) if inside else self.state_root
        written = (replace(one, source=(shown / one.source).as_posix()) for one in self._state.problems())
        found: dict[str, list[Rejected]] = {}
        for problem in (*self._manifests.problems(), *written):
            found.setdefault(problem.source, []).append(problem)
        return {source: _together(found[source]) for source in sorted(found)}

    def _assemble(self, key: ObjectKey) -> Object | None:
        if key.kind is Kind.SPEAKER_STATE:
            return self._state.speaker(key.name)
        obj = self._manifests.get(key)
        record = self._state.service(key.name) if key.kind is Kind.SERVICE else None
        if obj is None and self._hidden and key in self._hidden:
            return _placeholder(key.name, record)
        if obj is None or record is None:
            return obj
        versioned = replace(obj, version=f"{obj.version}.{record.digest}")
        # What was written wins over a status in the manifest, which is that of an exported object.
        return replace(versioned, status=record.said) if isinstance(record.said, ServiceStatus) else versioned


def _placeholder(name: Name, record: Record | None) -> Service | None:
    """What stands for a Service that cannot be read: what was written of it, if that says anything."""
    if record is None or not isinstance(record.said, ServiceStatus):
        return None
    return Service(name, version=record.digest, status=record.said, hidden=True)


def _together(problems: list[Rejected]) -> Rejected:
    message = "; ".join(sorted(problem.message for problem in problems))
    return Rejected(problems[0].source, message, serious=any(problem.serious for problem in problems))
