"""The loop of a probe: connects, held connections and questions, each at its pace, on one thread."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from contextlib import suppress
from time import CLOCK_BOOTTIME, clock_gettime
from types import FrameType

from msgspec import Struct

from metalev.probe.connects import Attempts
from metalev.probe.held import Held
from metalev.probe.neighbours import Asker
from metalev.probe.timeline import Answers, Gap, Silences

ECHO_EVERY_S = 0.05
OPEN_EVERY_S = 0.25  # held connections that are missing are opened
CHECK_EVERY_S = 0.02  # what is told while it lasts is looked for this often
MAKE_ASKER = Callable[[selectors.BaseSelector, Callable[[float, str], None]], Asker]


class Plan(Struct, frozen=True):
    """What to probe and how often; times in seconds.

    ``notable`` is the silence from which on a gap is told; ``replace`` opens a new held connection for one that ended.
    """

    target: tuple[str, int]
    every: float = 0.01
    held: int = 0
    echo: tuple[str, int] | None = None
    replace: bool = False
    notable: float = 0.1
    ask_every: float = 0.02
    pause: float = 0.5


class Loss(Struct, frozen=True):
    """A held connection that ended: when, and as the kernel calls it."""

    at: float
    why: str
    lost: bool


class Findings(Struct, frozen=True):
    """What was found. Times are seconds of CLOCK_BOOTTIME, ``own_delay`` the most that an attempt was late.

    Of the attempts, those neither answered, refused nor unanswered were open at the end.
    """

    began: float
    ended: float
    attempts: int
    answered: int
    refused: int
    unanswered: int
    silences: Silences
    own_delay: float
    held: int
    losses: tuple[Loss, ...]
    held_lost: int
    held_longest_silence: float
    answers: Answers


class Observer:
    """What is told while it lasts; does nothing. Times as in :class:`Findings`."""

    def answered(self, at: float) -> None:
        """The first connect was answered."""

    def ready(self) -> None:
        """All that should be held is held as well."""

    def silent(self, since: float) -> None:
        """No connect was answered for a notable time."""

    def gap(self, gap: Gap) -> None:
        """A silence is over."""

    def lost(self, losses: list[Loss]) -> None:
        """Held connections ended."""

    def who(self, at: float, mac: str) -> None:
        """Somebody answers on the segment who did not just before."""


class Probe:
    """One run of a plan."""

    def __init__(self, plan: Plan, observer: Observer | None = None, make_asker: MAKE_ASKER | None = None) -> None:
        self._plan = plan
        self._observer = observer or Observer()
        self._selector = selectors.DefaultSelector()
        self._attempts = Attempts(self._selector, plan.target, self._succeeded)
        self._answers = Answers(plan.pause)
        self._asker = make_asker(self._selector, self._who) if make_asker else None
        self._held: list[Held] = []
        self._losses: list[Loss] = []
        self._held_longest_silence = 0.0
        self._ready = False
        self._own_delay = 0.0
        self._silences = Silences(now(), plan.notable)
        self._told_silent = False
        self._stopped = False

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End early; may be a signal handler."""
        self._stopped = True

    def run(self, seconds: float = float("inf")) -> Findings:
        """Probe for so long, or until stopped."""
        began = now()
        self._silences.began = began
        paces = [
            Pace(began, self._plan.every, self._connect),
            Pace(began, ECHO_EVERY_S, self._hold),
            Pace(began, OPEN_EVERY_S, self._open_missing),
            Pace(began, CHECK_EVERY_S, self._check),
        ]
        if self._asker is not None:
            paces.append(Pace(began, self._plan.ask_every, self._ask))
        while not self._stopped and now() < began + seconds:
            for pace in paces:
                pace.beat(now())
            self._await(min(began + seconds, *(pace.due for pace in paces)))
        return self._end(began, now())

    def _connect(self, at: float, late: float) -> None:
        self._own_delay = max(self._own_delay, late)
        self._attempts.open(at)
        self._attempts.give_up(at)

    def _ask(self, at: float, _late: float) -> None:
        assert self._asker is not None
        self._asker.read(at)  # a probe that was late must not take two answers for those to one question
        self._answers.ask()
        with suppress(OSError):  # the interface is down, or its queue full: the silence says so
            self._asker.ask()

    def _hold(self, at: float, _late: float) -> None:
        """Send over each, and see which have ended."""
        for held in self._held:
            held.send(at)
        if any(held.ended is not None for held in self._held):
            self._bury([held for held in self._held if held.ended is not None])
        if not self._ready and self._attempts.answered and self._established == self._plan.held:
            self._ready = True
            self._observer.ready()

    def _open_missing(self, _at: float = 0, _late: float = 0) -> None:
        """Hold as many as there should be, while the address answers."""
        if not self._attempts.answered or self._told_silent:
            return
        echo = self._plan.echo
        lost = 0 if self._plan.replace else len(self._losses)
        for _ in range(self._plan.held - lost - len(self._held)):
            with suppress(OSError):  # tried again at the next beat
                self._held.append(Held(self._selector, echo or self._plan.target, echo=echo is not None))

    @property
    def _established(self) -> int:
        return len(self._losses) + sum(held.established for held in self._held)

    def _bury(self, ended: list[Held]) -> None:
        """Take them out; one that never came to be is no loss, and another is opened instead."""
        came = [held for held in ended if held.established]
        losses = [Loss(held.ended or 0.0, held.why, held.is_lost(held.ended or 0.0)) for held in came]
        self._held = [held for held in self._held if held.ended is None]
        self._held_longest_silence = max(self._held_longest_silence, *(held.longest_silence for held in ended))
        self._losses += losses
        if losses:
            self._observer.lost(losses)

    def _check(self, at: float, _late: float) -> None:
        if not self._told_silent and at - self._silences.last >= self._plan.notable:
            self._told_silent = True
            self._observer.silent(self._silences.last)

    def _succeeded(self, at: float) -> None:
        first = self._silences.successes == 0
        gap = self._silences.success(at)
        self._told_silent = False
        if first:
            self._observer.answered(at)
            self._open_missing()
        elif gap is not None:
            self._observer.gap(gap)

    def _who(self, at: float, mac: str) -> None:
        if self._answers.answer(at, mac):
            self._observer.who(at, mac)

    def _await(self, until: float) -> None:
        for key, _ in self._selector.select(max(0.0, until - now())):
            if key.fd in self._selector.get_map():  # an earlier one of these may have closed it
                key.data(key.fileobj, now())

    def _end(self, began: float, ended: float) -> Findings:
        self._silences.end(ended)
        established = self._established
        stalled = sum(held.is_lost(ended) for held in self._held)
        longest = max((held.longest_silence for held in self._held), default=0.0)
        for held in self._held:
            held.close()
        self._attempts.close()
        if self._asker is not None:
            self._asker.close()
        self._selector.close()
        attempts = self._attempts
        return Findings(
            began=began,
            ended=ended,
            attempts=attempts.opened,
            answered=attempts.answered,
            refused=attempts.refused,
            unanswered=attempts.unanswered,
            silences=self._silences,
            own_delay=self._own_delay,
            held=established,
            losses=tuple(self._losses),
            held_lost=stalled + sum(loss.lost for loss in self._losses),
            held_longest_silence=max(self._held_longest_silence, longest),
            answers=self._answers,
        )


class Pace:
    """Something done at an interval; one that is late is done once, not as often as it was missed."""

    def __init__(self, first: float, every: float, act: Callable[[float, float], None]) -> None:
        self.due = first
        self._every = every
        self._act = act

    def beat(self, at: float) -> None:
        """Do it if it is due: called with the time, and how late that is."""
        if at >= self.due:
            late = at - self.due
            self.due = max(self.due + self._every, at)
            self._act(at, late)


def now() -> float:
    """CLOCK_BOOTTIME in seconds: the clock of the engine and of the lab's captures."""
    return clock_gettime(CLOCK_BOOTTIME)
