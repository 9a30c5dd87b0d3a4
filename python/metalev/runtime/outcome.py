"""What comes back from a reconcile: done, or one of three."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct


class Done(Struct, frozen=True):
    """The world is as it should be; nothing more until something changes."""


class Retry(Struct, frozen=True):
    """It did not work now; try again with backoff. ``reason`` is for the log."""

    reason: str


class After(Struct, frozen=True):
    """All is well, but look again after ``seconds``."""

    seconds: float


class Stop(Struct, frozen=True):
    """Trying again is of no use until the input changes; ``report`` says what a person must do."""

    report: str


Outcome: TypeAlias = Done | Retry | After | Stop
