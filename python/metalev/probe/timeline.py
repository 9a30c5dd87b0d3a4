"""The arithmetic of a probe: silences between answers, and who answered from when to when. Times are seconds."""

from __future__ import annotations

from msgspec import Struct, field

KEPT = 1000  # of gaps and of spans: a probe may run for days beside an address that flaps


class Gap(Struct, frozen=True):
    """A silence: from the last success before it to the first one after it."""

    began: float
    ended: float

    @property
    def length(self) -> float:
        """In seconds."""
        return self.ended - self.began


class Silences(Struct):
    """The intervals between successive successes. ``began`` is when one could first have been: a limit, too.

    An interval of at least ``notable`` seconds is kept as a gap; the longest one is known whatever its length.
    """

    began: float
    notable: float
    longest: Gap = Gap(0, 0)
    gaps: list[Gap] = []
    successes: int = 0
    omitted: int = 0
    _last: float | None = None

    @property
    def last(self) -> float:
        """When the last success was, or could first have been."""
        return self.began if self._last is None else self._last

    def success(self, at: float) -> Gap | None:
        """One more; the gap that it ends, if that is notable. Times do not go back."""
        self.successes += 1
        return self.end(at)

    def end(self, at: float) -> Gap | None:
        """Nothing more is known after ``at``: what was silent until then counts."""
        gap = Gap(self.last, at)
        self._last = at
        if gap.length > self.longest.length:
            self.longest = gap
        if gap.length < self.notable:
            return None
        if len(self.gaps) < KEPT:
            self.gaps.append(gap)
        else:
            self.omitted += 1
        return gap


class Span(Struct):
    """A row of answers by one MAC address, without a pause: when the first and the last of them came."""

    mac: str
    first: float
    last: float
    answers: int = 1


class Answers(Struct):
    """Who answered for an address. Another span begins when somebody answers anew after ``pause`` seconds without.

    Spans of two MAC addresses may overlap; ``doubles`` counts the questions that more than one of them answered.
    ``longest`` is the longest time between two answers, whoever gave them.
    """

    pause: float
    asked: int = 0
    doubles: int = 0
    longest: Gap = Gap(0, 0)
    spans: list[Span] = []
    omitted: int = 0
    _running: dict[str, Span] = field(default_factory=dict)
    _to_this: set[str] = field(default_factory=set)
    _last: float | None = None

    def ask(self) -> None:
        """A question is asked; what comes from now on answers it."""
        self.asked += 1
        self._to_this.clear()

    def answer(self, at: float, mac: str) -> bool:
        """Somebody answers; whether that begins a span. Times do not go back."""
        if self._last is not None and at - self._last > self.longest.length:
            self.longest = Gap(self._last, at)
        self._last = at
        if self._to_this and mac not in self._to_this and len(self._to_this) == 1:
            self.doubles += 1
        self._to_this.add(mac)
        running = self._running.get(mac)
        if running is not None and at - running.last < self.pause:
            running.last, running.answers = at, running.answers + 1
            return False
        self._running[mac] = span = Span(mac, at, at)
        if len(self.spans) < KEPT:
            self.spans.append(span)
        else:
            self.omitted += 1
        return True
