"""Log lines for people (text) and for machines (JSON), by the standard library.

A line is a sentence plus fields: ``log.info("took %s", address, extra=fields(group=key, term=3))``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

# MetalLB's words; "none" is above everything that is ever logged.
LEVELS: Mapping[str, int] = {
    "all": logging.NOTSET + 1,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "none": logging.CRITICAL + 1,
}
FORMATS = ("text", "json")
_LEVEL_NAMES = {logging.DEBUG: "debug", logging.WARNING: "warn", logging.ERROR: "error", logging.CRITICAL: "error"}


def configure(level: str, style: str, stream: TextIO | None = None) -> None:
    """Send what is at least ``level`` to ``stream`` (by default standard error), in place of what was configured.

    ``level`` is one of ``LEVELS``, ``style`` one of ``FORMATS``.
    """
    handler = logging.StreamHandler(stream) if stream is not None else LineHandler(sys.stderr.fileno())
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # Nothing of that is written, and to find it out takes as long as all the rest of a line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def fields(**values: object) -> dict[str, Any]:
    """What to hand to a logging call as ``extra``; values that are empty are left out."""
    return {"fields": {name: value for name, value in values.items() if value not in (None, "", 0, ())}}


class LineHandler(logging.Handler):
    """Writes each line by one system call, without a lock.

    The kernel keeps lines of up to 4,096 bytes in one piece (``PIPE_BUF``). With a lock, threads that write statuses
    would wait for each other's line, each time until the one that has it is let run again.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def handle(self, record: logging.LogRecord) -> bool:
        """As :meth:`logging.Handler.handle`, which takes the lock."""
        passes = bool(self.filter(record))
        if passes:
            self.emit(record)
        return passes

    def emit(self, record: logging.LogRecord) -> None:
        """Write it; whoever cannot be written to misses it, as ever with a log."""
        try:
            rest = f"{self.format(record)}\n".encode(errors="backslashreplace")
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self.handleError(record)


class TextFormatter(logging.Formatter):
    """``15:04:05.123 INFO  took 192.0.2.1: node2 missed 3 beacons  group=192.0.2.1 term=3``, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, or more if there is a traceback."""
        second, fraction = divmod(record.created, 1)
        clock = f"{_clock(second)}.{int(fraction * 1000):03}"
        line = f"{clock} {_level(record).upper():5} {record.getMessage()}"
        extra = " ".join(f"{name}={_plain(value)}" for name, value in _fields(record).items())
        return "\n".join(part for part in (f"{line}  {extra}" if extra else line, _traceback(self, record)) if part)


class JsonFormatter(logging.Formatter):
    """One object a line: ``ts`` (RFC 3339, UTC), ``level``, ``msg``, the fields, and ``traceback`` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, object] = {
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": _level(record),
            "msg": record.getMessage(),
            **_fields(record),
        }
        if traceback := _traceback(self, record):
            entry["traceback"] = traceback
        return json.dumps(entry, default=_json, ensure_ascii=False)


@lru_cache(maxsize=2)
def _clock(second: float) -> str:
    """The time of day, in local time, which thousands of lines have in common."""
    return f"{datetime.fromtimestamp(second, UTC).astimezone():%H:%M:%S}"


def _level(record: logging.LogRecord) -> str:
    return _LEVEL_NAMES.get(record.levelno, "info")


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    values: Mapping[str, object] = getattr(record, "fields", {})
    return values


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""


def _plain(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    return json.dumps(text, ensure_ascii=False) if any(char in text for char in ' "=\n') else text


def _json(value: object) -> object:
    return list(value) if isinstance(value, set | frozenset) else str(value)
