"""Files that are never seen half-written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from metalev.adapters.codec.fields import Document
from metalev.model.errors import Unavailable


def write_yaml(path: Path, document: Document, *, durable: bool = True) -> bytes:
    """Replace ``path`` by ``document`` at once; ``durable`` also against a power cut. Returns what it holds now.

    The temporary file is beside its target (a rename does not cross file systems) and hidden, so nobody reads it.
    Raises ``Unavailable``.
    """
    text = yaml.dump(dict(document), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)
    content = text.encode()
    with _or_unavailable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(descriptor)
            # mkstemp gives 0600; what metalev says is for everybody to read.
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
    return content


def remove(path: Path) -> None:
    """Remove ``path`` if it is there. Raises ``Unavailable``."""
    with _or_unavailable(path):
        path.unlink(missing_ok=True)


@contextmanager
def _or_unavailable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = (
            f"cannot write {path}: {error.strerror}; metalev tries again, check the disk and the owner of the folder"
        )
        raise Unavailable(message) from error
