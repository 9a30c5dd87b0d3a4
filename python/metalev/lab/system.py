"""System calls by their C names, for what Python's ``os`` has since 3.12 only, or not at all."""

from __future__ import annotations

import ctypes
import os


def check(result: int, what: str) -> None:
    """Raise the :class:`OSError` that a failed C function left in ``errno``, naming ``what`` was tried."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
