"""The interfaces to leave alone from MetalLB's file: its ConfigMap ``metallb-excludel2``, mounted into the speaker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from metalev.adapters.codec.fields import BadField, convert
from metalev.adapters.codec.yamltext import Places, UnreadableDocument, load_yaml
from metalev.model.errors import StartError

EXCLUDE_FILE = Path("/etc/metallb/excludel2.yaml")
"""Where MetalLB's manifests mount it; read if it is there."""

log = logging.getLogger("metalev.speaker")


class _Content(Struct, rename="camel", frozen=True):
    announced_interfaces_to_exclude: list[str]


def read_exclude_file(path: Path | None, check: Callable[[Sequence[str]], None]) -> tuple[str, ...] | None:
    """The regular expressions in ``path``, by default in MetalLB's file; ``None`` if there is no such file.

    ``check`` raises ``StartError`` for what is no regular expression. A file that makes no sense is an error in the
    log, and then it is ``None``, too: a speaker that announced nothing would be worse. Raises ``StartError`` only for a
    ``path`` that cannot be read.
    """
    chosen = path or EXCLUDE_FILE
    try:
        text = chosen.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if path is None:
            return None
        raise StartError(f"cannot read --exclude-file {path}: {error.strerror}") from error
    except OSError as error:
        raise StartError(f"cannot read {chosen}: {error.strerror}; choose another with --exclude-file") from error
    except UnicodeDecodeError:
        _refuse(chosen, 1, "is not UTF-8: save it as such")
        return None
    return _patterns(chosen, text, check)


def _patterns(path: Path, text: str, check: Callable[[Sequence[str]], None]) -> tuple[str, ...] | None:
    try:
        patterns = tuple(convert(load_yaml(text), _Content).announced_interfaces_to_exclude)
        for index, pattern in enumerate(patterns):
            _check(pattern, f"announcedInterfacesToExclude[{index}]", check)
    except UnreadableDocument as error:
        _refuse(path, error.line, error.problem)
    except BadField as error:
        _refuse(path, Places(text).line_of(error.path), str(error))
    else:
        log.info("%s says which interfaces are left alone: %s", path, " ".join(patterns) or "none")
        return patterns
    return None


def _check(pattern: str, field: str, check: Callable[[Sequence[str]], None]) -> None:
    if not pattern:
        raise BadField(field, "is empty, and would match every interface: remove it")
    try:
        check([pattern])
    except StartError as error:
        raise BadField(field, str(error)) from None


def _refuse(path: Path, line: int, problem: str) -> None:
    log.error("%s:%d: %s; the interfaces of the default list are left alone instead", path, line, problem)
