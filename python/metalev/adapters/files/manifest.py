"""One manifest file: what it gives, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from metalev.adapters.codec import BadField, Codec, UnreadKind, unpack
from metalev.adapters.files import documents
from metalev.adapters.files.documents import Document, Places, UnreadableDocument
from metalev.model.actions import SpeakerState
from metalev.model.errors import BadInput
from metalev.model.legacy import LegacyConfig, Remark
from metalev.model.meta import ObjectKey
from metalev.model.pools import Pool
from metalev.model.snapshot import Object, key_of


class Given(Struct, frozen=True):
    """An object and the line of its file where it stands; ``ranges`` are those of a pool's ranges, from ``line`` on."""

    line: int
    obj: Object
    ranges: tuple[int, ...] = ()


class Complaint(Struct, frozen=True):
    """What is wrong at ``line``. ``about`` is the object; unknown, it might be any, unless nothing is ``lost``.

    What is not ``serious`` is merely not used: an object of a kind that nobody here reads, or a field.
    """

    line: int
    message: str
    about: ObjectKey | None = None
    lost: bool = True
    serious: bool = True


_NOT_UTF8 = "is not UTF-8: save it as such"
_EMPTY = "is empty: fill it, or remove it to remove what it gave"

# What one document gives.
Part: TypeAlias = tuple[Given | Complaint, ...]


class Manifest(Struct, frozen=True):
    """What a file gives, after its last good state is taken into account.

    ``parts`` holds what each document gave, by the digest of its text, so that only edited ones are read again.
    """

    given: Mapping[ObjectKey, Given] = {}
    complaints: tuple[Complaint, ...] = ()
    parts: Mapping[bytes, Part] = {}

    @property
    def whole(self) -> bool:
        """Whether everything in the file could be read."""
        return not any(complaint.lost for complaint in self.complaints)


def read_manifest(path: str, content: bytes, before: Manifest | None, codec: Codec) -> Manifest:
    """Read a file. What it gave ``before`` and hides now behind an error stays in force."""
    before = before or Manifest()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _as_before(before, line, _NOT_UTF8)
    if not content and before.given:
        # An editor that truncates and then writes shows this for a moment. Nobody's address shall pay for it.
        return _as_before(before, 1, _EMPTY)
    is_json = path.endswith(".json")
    parts: dict[bytes, Part] = {}
    found: list[Part] = []
    for document in [Document(1, text)] if is_json else documents.split(text):
        digest = hashlib.blake2b(document.text.encode(), digest_size=16).digest()
        if digest not in parts:
            parts[digest] = before.parts.get(digest) or tuple(_read(document.text, is_json=is_json, codec=codec))
        found.append(tuple(replace(item, line=item.line + document.line - 1) for item in parts[digest]))
    return _combine(found, before, parts)


def _as_before(before: Manifest, line: int, message: str) -> Manifest:
    """What the file gave stays in force, with what was wrong with it: that is not mended by hiding it."""
    earlier = (one for one in before.complaints if one.message not in {_NOT_UTF8, _EMPTY})
    return replace(before, complaints=(*earlier, Complaint(line, message)))


def version_of(document: object) -> str:
    """A version that changes with the content, and not with its layout or comments."""
    return hashlib.blake2b(repr(document).encode(), digest_size=8).hexdigest()


def _combine(found: list[Part], before: Manifest, parts: Mapping[bytes, Part]) -> Manifest:
    given: dict[ObjectKey, Given] = {}
    complaints = [item for part in found for item in part if isinstance(item, Complaint)]
    for item in (item for part in found for item in part if isinstance(item, Given)):
        first = given.setdefault(key_of(item.obj), item)
        if first is not item:
            message = f"{key_of(item.obj)} stands already at line {first.line}: this one is not used"
            complaints.append(Complaint(item.line, message, lost=False))
    for key in _hidden(found, before):
        given.setdefault(key, before.given[key])
    return Manifest(given, tuple(complaints), parts)


def _hidden(found: list[Part], before: Manifest) -> Iterable[ObjectKey]:
    """What was given before and may still be meant, though it cannot be read.

    A document that does not say what it is about may be about anything. So may the end of a file that ends in a
    document that is no good: perhaps it was cut there, and the rest is missing.
    """
    hidden = [{item.about for item in part if isinstance(item, Complaint) and item.lost} for part in found]
    about = set().union(*hidden)
    if None in about or (found and hidden[-1]):
        return before.given
    return [key for key in before.given if key in about]


def _read(text: str, *, is_json: bool, codec: Codec) -> Iterator[Given | Complaint]:
    """What one document gives; lines count from its own beginning."""
    try:
        content = documents.load_json(text) if is_json else documents.load_yaml(text)
    except UnreadableDocument as error:
        yield Complaint(error.line, error.problem)
        return
    if content is None:
        return
    places = Places(text)
    for path, item in unpack(content):
        yield from _read_object(places, path, item, codec)


def _read_object(places: Places, path: str, item: object, codec: Codec) -> Iterator[Given | Complaint]:
    line = places.line_of(path) if path else places.first_line()
    try:
        obj = codec.decode(item)
    except UnreadKind as error:
        yield Complaint(line, str(error), lost=False, serious=False)
    except BadInput as error:
        about = codec.identify(item)
        message = f"{about}: {error}" if about else str(error)
        if isinstance(error, BadField):
            line = places.line_of(error.below(path).path, error.line)
        yield Complaint(line, message, about)
    else:
        if isinstance(obj, SpeakerState):
            message = f"{key_of(obj)} is written by its speaker, never read from a manifest: remove it here"
            yield Complaint(line, message, lost=False)
        elif obj is not None:
            yield Given(line, replace(obj, version=version_of(item)), _range_lines(places, path, line, obj))
        if isinstance(obj, LegacyConfig):
            yield from (_complaint(places, path, key_of(obj), remark) for remark in obj.remarks)
    yield from (_complaint(places, path, codec.identify(item), remark) for remark in codec.unknown_fields(item))


def _range_lines(places: Places, path: str, line: int, obj: Object) -> tuple[int, ...]:
    """Where a pool's ranges stand: whether they overlap another's shows only when all files are read."""
    if not isinstance(obj, Pool):
        return ()
    fields = (BadField(f"spec.addresses[{index}]", "").below(path).path for index in range(len(obj.ranges)))
    return tuple(places.line_of(field) - line for field in fields)


def _complaint(places: Places, path: str, about: ObjectKey | None, remark: Remark) -> Complaint:
    """What is to be said of a place in an object, whether or not the object could be read."""
    field = BadField(remark.path, remark.text).below(path)
    line = places.line_of(field.path, remark.line)
    return Complaint(line, f"{about}: {remark.path}: {remark.text}", about, lost=False, serious=remark.serious)
