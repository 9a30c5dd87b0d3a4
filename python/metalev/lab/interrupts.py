"""Signals that end the program must not end it between making a thing and being able to remove it.

While a lab exists, SIGTERM and SIGHUP raise :class:`SystemExit` in the main thread (as SIGINT raises
:class:`KeyboardInterrupt` anyway), so ``with Lab(...)`` cleans up; inside :func:`held` they wait. A program that has
handlers of its own keeps them.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

_DEFAULTS: dict[signal.Signals, Callable[[int, FrameType | None], Any] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}


class _State:
    """Signals belong to the process, so there is one of this."""

    labs = 0
    holds = 0
    pending: int | None = None
    taken: tuple[signal.Signals, ...] = ()


def install() -> None:
    """Take over those of the three signals that nobody handles; counted, so that labs may overlap."""
    _State.labs += 1
    if _State.labs > 1 or threading.current_thread() is not threading.main_thread():
        return
    _State.taken = tuple(number for number, default in _DEFAULTS.items() if signal.getsignal(number) == default)
    for number in _State.taken:
        signal.signal(number, _on_signal)


def restore() -> None:
    """Undo :func:`install`; the last one gives the signals back."""
    _State.labs -= 1
    if _State.labs > 0 or threading.current_thread() is not threading.main_thread():
        return
    for number in _State.taken:
        signal.signal(number, _DEFAULTS[number])
    _State.taken = ()


@contextmanager
def held() -> Iterator[None]:
    """Let the block finish first. A signal that came meanwhile is raised at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python runs signal handlers in the main thread only
        return
    _State.holds += 1
    try:
        yield
    finally:
        _State.holds -= 1
        if _State.holds == 0 and _State.pending is not None:
            number, _State.pending = _State.pending, None
            _raise(number)


def _on_signal(number: int, _frame: FrameType | None) -> None:
    if _State.holds:
        _State.pending = number
    else:
        _raise(number)


def _raise(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
