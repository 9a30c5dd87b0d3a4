"""The key of the beacons from a file, for speakers outside a cluster."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from metalev.model.cluster import BeaconKey
from metalev.model.errors import StartError

# HMAC keys shorter than this are guessed sooner than the hash is broken (RFC 2104, section 3, asks for 32).
SHORTEST = 16
# A key file has one key, and every speaker that reads the same file gives it the same id.
KEY_ID = 1


def read_key_file(path: Path) -> BeaconKey:
    """The key in ``path``: base64 of at least 16 bytes, or any text at least that long; white space around is cut.

    Raises ``StartError`` for a file that cannot be read or holds too short a key.
    """
    try:
        content = path.read_bytes().strip()
    except OSError as error:
        raise StartError(f"cannot read --key-file {path}: {error.strerror}") from error
    secret = _decoded(content)
    if len(secret) < SHORTEST:
        raise StartError(
            f"--key-file {path} holds a key of {len(secret)} bytes, and at least {SHORTEST} are needed; "
            f"make one with: openssl rand -base64 32 > {path}"
        )
    return BeaconKey(KEY_ID, secret)


def _decoded(content: bytes) -> bytes:
    try:
        secret = base64.b64decode(content, validate=True)
    except binascii.Error:
        return content
    return secret if len(secret) >= SHORTEST else content
