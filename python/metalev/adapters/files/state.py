"""The folder in which metalev writes: one file per object, and one writer per file.

::

    controller/services/<namespace>/<name>.yaml     a Service's status
    controller/pools/<name>.yaml                    a pool's status
    <writer>/events/...                             what a writer told about objects
    <node>/state.yaml                               what that node's speaker says of itself
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from metalev.adapters.codec import Codec
from metalev.adapters.codec.fields import BadField, Document
from metalev.adapters.files import documents
from metalev.adapters.files.documents import UnreadableDocument
from metalev.adapters.files.manifest import version_of
from metalev.adapters.files.tree import Changed, Tree
from metalev.model.actions import SpeakerState
from metalev.model.errors import BadInput
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import PoolStatus
from metalev.model.services import ServiceStatus
from metalev.model.snapshot import Rejected

CONTROLLER = "controller"

_SERVICE = re.compile(rf"{CONTROLLER}/services/([^/]+)/([^/]+)\.yaml")
_POOL = re.compile(rf"{CONTROLLER}/pools/([^/]+)\.yaml")
_SPEAKER = re.compile(r"([^/]+)/state\.yaml")


class Record(Struct, frozen=True):
    """What one written file says; after an error, what it said last. ``digest`` changes with the content."""

    digest: str
    said: ServiceStatus | PoolStatus | SpeakerState | None = None
    problem: str = ""


class State:
    """What the controller and the speakers wrote, read by everybody."""

    def __init__(self, root: Path, codec: Codec, *, pools: bool = False) -> None:
        """``pools``: the statuses of pools are wanted, too; only the controller has a use for them."""
        self.root = root
        self._codec = codec
        self._troubled: set[str] = set()
        self._written: dict[str, tuple[bytes, Document]] = {}
        self._tree: Tree[Record] = Tree(
            root,
            self._read,
            wanted=lambda path: _is_read(path) and (pools or not _POOL.fullmatch(path)),
            descend=_may_hold_read_files,
            may_be_absent=True,
        )

    def service(self, name: Name) -> Record | None:
        """What the controller said of a Service."""
        return self._tree.files.get(service_path(name))

    def pool(self, name: Name) -> PoolStatus | None:
        """What the controller said of a pool."""
        record = self._tree.files.get(pool_path(name))
        return record.said if record and isinstance(record.said, PoolStatus) else None

    def speaker(self, name: Name) -> SpeakerState | None:
        """What the speaker of a node said of itself."""
        record = self._tree.files.get(speaker_path(name))
        return record.said if record and isinstance(record.said, SpeakerState) else None

    def damaged(self) -> Iterator[tuple[Name, ServiceStatus]]:
        """The Services whose status can no longer be read, with what it last said."""
        for path in sorted(self._troubled):
            said = self._tree.files[path].said
            if isinstance(said, ServiceStatus):
                yield self._key_of(path).name, said

    def written(self) -> Iterator[tuple[ObjectKey, str]]:
        """What the controller's files are about, and where they are."""
        services = (path for path in self._tree.files if _SERVICE.fullmatch(path))
        yield from ((self._key_of(path), path) for path in services)
        for path in sorted((self.root / CONTROLLER / "pools").glob("[!.]*.yaml")):
            key = ObjectKey(Kind.POOL, Name(self._codec.namespace, path.stem))
            yield key, pool_path(key.name)

    def wrote(self, path: str, content: bytes, document: Document) -> None:
        """Remember that ``content`` was made out of ``document``: where it stands, no YAML has to be read for it."""
        self._written[path] = content, document

    def rescan(self) -> set[ObjectKey]:
        """Look at every file. Returns the objects whose files changed."""
        return self._touched(self._tree.rescan())

    def refresh(self, paths: Iterable[str]) -> set[ObjectKey]:
        """Look at these files alone. Returns the objects whose files changed."""
        return self._touched(self._tree.refresh(paths))

    def is_folder(self, path: str) -> bool:
        """Whether a change of ``path`` is one of the files below it."""
        return self._tree.is_folder(path)

    def problems(self) -> Iterator[Rejected]:
        """Everything that is wrong, by file."""
        yield from (Rejected(path, message) for path, message in self._tree.problems.items())
        yield from (Rejected(path, self._tree.files[path].problem) for path in self._troubled)

    def _touched(self, changes: dict[str, Changed[Record]]) -> set[ObjectKey]:
        for path, change in changes.items():
            (self._troubled.add if change.after and change.after.problem else self._troubled.discard)(path)
        return {self._key_of(path) for path in changes}

    def _read(self, path: str, content: bytes, before: Record | None) -> Record:
        text = content.decode(errors="replace")
        digest = version_of(text)
        try:
            written, document = self._written.pop(path, (b"", {}))
            found = document if written == content else documents.load_yaml(text)
            return Record(digest, self._said(self._key_of(path), found, digest))
        except UnreadableDocument as error:
            problem = error.problem
        except BadInput as error:
            problem = str(error)
        return replace(before or Record(digest), digest=digest, problem=f"{problem}; metalev will write it anew")

    def _key_of(self, path: str) -> ObjectKey:
        """The object that a file is about."""
        if match := _SERVICE.fullmatch(path):
            return ObjectKey(Kind.SERVICE, Name(match[1], match[2]))
        if match := _POOL.fullmatch(path):
            return ObjectKey(Kind.POOL, Name(self._codec.namespace, match[1]))
        return ObjectKey(Kind.SPEAKER_STATE, Name("", path.partition("/")[0]))

    def _said(self, key: ObjectKey, document: object, digest: str) -> ServiceStatus | PoolStatus | SpeakerState:
        if key.kind is Kind.SERVICE:
            name, status = self._codec.decode_service_status(document)
            _check_same(name, key.name)
            return status
        if key.kind is Kind.POOL:
            name, pool_status = self._codec.decode_pool_status(document)
            _check_same(name, key.name)
            return pool_status
        state = self._codec.decode(document)
        if not isinstance(state, SpeakerState):
            raise BadField("kind", f"expected {Kind.SPEAKER_STATE}")
        _check_same(state.name, key.name)
        return replace(state, version=digest)


def service_path(name: Name) -> str:
    """The file of a Service's status."""
    return f"{CONTROLLER}/services/{name.namespace}/{name.name}.yaml"


def pool_path(name: Name) -> str:
    """The file of a pool's status; all pools are in metalev's own namespace."""
    return f"{CONTROLLER}/pools/{name.name}.yaml"


def speaker_path(name: Name) -> str:
    """The file of a speaker's own state."""
    return f"{name.name}/state.yaml"


def _is_read(path: str) -> bool:
    hidden = path.rpartition("/")[2].startswith(".")
    return not hidden and any(one.fullmatch(path) for one in (_SERVICE, _POOL, _SPEAKER))


def _may_hold_read_files(folder: str) -> bool:
    match folder.split("/"):
        case [writer]:
            return not writer.startswith(".")
        case [writer, "services" | "pools"] | [writer, "services", _]:
            return writer == CONTROLLER
        case _:
            return False


def _check_same(found: Name, expected: Name) -> None:
    if found != expected:
        raise BadField("metadata", f"is about {found}, though its file is for {expected}")
