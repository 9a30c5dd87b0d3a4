"""The keys of the beacons from a file, for speakers outside a cluster: read at the start, and anew when it changes."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import TypeAlias

from metalev.model.cluster import BeaconKey
from metalev.model.errors import StartError
from metalev.model.snapshot import KeysRead

# HMAC keys shorter than this are guessed sooner than the hash is broken (RFC 2104, section 3, asks for 32).
SHORTEST = 16
# Every key of a file has this id, so that a line may move or go and each key is still found: keys with one id are all
# tried.
KEY_ID = 1
# Seconds between two looks. A change counts once a look finds it as the one before did: it may be half written.
LOOK_SECONDS = 1.0

Keys: TypeAlias = tuple[BeaconKey, ...]
_Stamp: TypeAlias = tuple[int, int, int]

log = logging.getLogger("metalev.speaker")


def read_key_file(path: Path) -> Keys:
    """The keys in ``path``: the first signs, every one is accepted.

    One key is base64 of at least 16 bytes, or any text at least that long; white space around is cut. Several are lines
    of base64, each of at least 16 bytes. Raises ``StartError`` for a file that cannot be read or holds too short a key.
    """
    try:
        content = path.read_bytes().strip()
    except OSError as error:
        raise StartError(f"cannot read --key-file {path}: {error.strerror}") from error
    lines = [_base64(line.strip()) for line in content.splitlines() if line.strip()]
    secrets = [line for line in lines if line is not None]
    if len(secrets) < max(len(lines), 1):
        secrets = [content]
    if len(secrets[0]) < SHORTEST:
        raise StartError(
            f"--key-file {path} holds a key of {len(secrets[0])} bytes, and at least {SHORTEST} are needed; "
            f"make one with: openssl rand -base64 32 > {path}"
        )
    return tuple(BeaconKey(KEY_ID, secret) for secret in dict.fromkeys(secrets))


class KeyFile:
    """Looks at a key file again and again, and tells when it has other keys. What cannot be read changes nothing."""

    def __init__(self, path: Path, keys: Keys, sink: Callable[[KeysRead], None]) -> None:
        """``keys`` are those that it had at the start."""
        self._path = path
        self._keys = keys
        self._sink = sink
        self._seen: _Stamp | None = None
        self._read: _Stamp | None = None
        self._complaint = ""
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="metalev-keyfile", daemon=True)

    def start(self) -> None:
        """Begin to look; once."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._thread.join()

    def look(self) -> None:
        """Look once: whoever calls this tells by it that time has passed."""
        stamp = self._stamp()
        settled = stamp is not None and stamp == self._seen
        self._seen = stamp
        if stamp is None or (settled and stamp != self._read):
            self._take_up(stamp)

    def _take_up(self, stamp: _Stamp | None) -> None:
        try:
            keys = read_key_file(self._path)
        except StartError as error:
            self._complain(str(error))
            return
        finally:
            self._read = stamp
        if self._complaint:
            log.info("over: --key-file %s can be read again", self._path)
            self._complaint = ""
        if keys != self._keys:
            self._keys = keys
            more = f", {len(keys) - 1} more accepted" if keys[1:] else ""
            log.info("--key-file %s has changed: its first key signs beacons from now on%s", self._path, more)
            self._sink(KeysRead(keys))

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            log.warning("%s; the keys that were read before stay in force", complaint)
        self._complaint = complaint

    def _stamp(self) -> _Stamp | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            self.look()


def _base64(text: bytes) -> bytes | None:
    try:
        secret = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return secret if len(secret) >= SHORTEST else None
