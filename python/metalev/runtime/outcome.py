"""What comes back from a reconcile: done, or one of four."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct


class Done(Struct, frozen=True):
    """The world is as it should be; nothing more until something changes."""


class Retry(Struct, frozen=True):
    """It did not work now; try again with backoff. ``reason`` is for the log, unless it was ``told`` there before."""

    reason: str
    told: bool = False


class After(Struct, frozen=True):
    """All is well, but look again after ``seconds``."""

    seconds: float


class Stop(Struct, frozen=True):
    """Trying again is of no use until the input changes; ``report`` says what a person must do."""

    report: str


Outcome: TypeAlias = Done | Retry | After | Stop


class Later(Struct, frozen=True):
    """It is decided; what is left is ``job``, which any thread may do, and which says what came of it.

    Until then the name is not looked at again.
    """

    job: Callable[[], Outcome]
