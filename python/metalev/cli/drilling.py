"""A drill from its order to its end: who held the address when, and what a client felt meanwhile."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from msgspec import Struct, field, to_builtins

from metalev.cli.following import Follower, Held
from metalev.cli.reading import Drills
from metalev.decide.drills import holders, sent_back
from metalev.decide.speaker import SpeakerDecider
from metalev.model.drills import LONGEST, Drill, DrillMode
from metalev.model.errors import StartError
from metalev.model.meta import Name

TRIES = 3
SETTLE_SECONDS = 1.5  # a probe needs some, before and after, and a held connection hears of its end within a second
STATE_SECONDS = 10.0  # until a speaker that speaks again has said what it holds


class Course(Struct):
    """What happened. ``failure`` says what did not go as it should; ``probe`` is what ``metalev probe`` found."""

    address: str
    drilled: str
    held: list[Held] = field(default_factory=list)
    failure: str = ""
    probe: dict[str, Any] | None = None


class Operation:
    """One drill. Raises ``StartError`` if the address cannot be drilled."""

    def __init__(
        self,
        follower: Follower,
        drills: Drills,
        *,
        namespace: str,
        lb_class: str | None = None,
        ignore_exclude_lb: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._follower = follower
        self._drills = drills
        self._namespace = namespace
        self._tell = tell
        self.holder = follower.holder
        table = SpeakerDecider("", (), lb_class, ignore_exclude_lb=ignore_exclude_lb).desired(follower.snapshot).table
        groups = [group for group in table.groups if follower.address in group.addresses]
        if not self.holder or not groups:
            raise StartError(f"nobody announces {follower.address}: see metalev status, and metalev why SERVICE")
        self._candidates = [one.node for one in groups[0].candidates]
        if not set(self._candidates) - {self.holder}:
            raise StartError(f"no node but {self.holder} may announce {follower.address}: there is nothing to drill")

    def addresses_of_holder(self) -> list[str]:
        """All that its announcer announces."""
        state = self._follower.snapshot.speakers[Name("", self.holder)]
        return [address for one in state.holdings for address in one.addresses]

    def run(self, *, crash: bool, seconds: int, stay: bool, probe: int | None) -> Course:
        """Do it; what happened."""
        what = f"silenced {self.holder} for {seconds} s" if crash else f"moved from {self.holder}"
        course = Course(str(self._follower.address), what)
        with _probing(self._follower, probe, course):
            self._follower.begin()
            course.failure = self._crash(seconds) if crash else self._move(stay=stay)
        course.held = self._follower.held
        return course

    def _move(self, *, stay: bool) -> str:
        first = self.holder
        with self._drill(DrillMode.MOVE, (first,), LONGEST):
            if not self._follower.wait_for(lambda _: self._is_elsewhere(first), LONGEST):
                return f"{first} still had it after {LONGEST} s: see its log, and metalev status"
        self._tell(f"{self._follower.holder} has it")
        return "" if stay or first not in self._candidates else self._move_back(first)

    def _move_back(self, first: str) -> str:
        """Order it until it is there: who knows of this order, and not yet of the end of the other, may be quicker."""
        for _ in range(TRIES):
            holder = self._follower.holder
            with self._drill(DrillMode.MOVE, sent_back(self._candidates, first, holder), LONGEST):
                self._follower.wait_for(partial(self._has_left, holder), LONGEST)
            if self._follower.holder == first:
                self._tell(f"{first} has it again")
                return ""
        return f"{first} did not have it again, {self._follower.holder or 'nobody'} has it: see metalev why SERVICE"

    def _has_left(self, node: str, _: object) -> bool:
        return self._follower.holder not in {"", node}

    def _crash(self, seconds: int) -> str:
        silenced = self.holder
        with self._drill(DrillMode.CRASH, (silenced,), seconds):
            if not self._follower.wait_for(lambda _: self._is_taken_from(silenced), seconds):
                return f"no other node took it within {seconds} s"
            self._tell(f"{self._follower.holder} has it")
            # Its state says that it has it until it speaks again, and finds that its time is over.
            if not self._follower.wait_for(lambda _: self._is_elsewhere(silenced), seconds + STATE_SECONDS):
                return f"{silenced} says that it has it still, {seconds + STATE_SECONDS:g} s after"
        self._tell(f"{silenced} is there again, and holds it no more")
        return ""

    def _is_elsewhere(self, node: str) -> bool:
        found = holders(self._follower.snapshot.speakers.values(), self._follower.address)
        return bool(found) and node not in found

    def _is_taken_from(self, node: str) -> bool:
        return self._follower.holder not in {"", node}

    @contextmanager
    def _drill(self, mode: DrillMode, nodes: tuple[str, ...], seconds: int) -> Iterator[None]:
        """Order it, and withdraw it at the end whatever happens."""
        name = Name(self._namespace, f"drill-{secrets.token_hex(4)}")
        drill = Drill(name, address=self._follower.address, nodes=nodes, mode=mode, seconds=seconds)
        verb = "silent" if mode is DrillMode.CRASH else "not to have it"
        self._tell(f"Drill {name}: {', '.join(nodes)} {verb}, for at most {seconds} s")
        try:
            self._drills.order(drill)
            yield
        finally:
            self._drills.withdraw(drill)


@contextmanager
def _probing(follower: Follower, port: int | None, course: Course) -> Iterator[None]:
    """Run a probe of the address from before to after, in a process of its own: it must not wait for this one."""
    if port is None:
        yield
        return
    shown = f"[{follower.address}]:{port}" if follower.address.version == 6 else f"{follower.address}:{port}"
    command = [sys.executable, "-m", "metalev", "probe", shown, "-o", "json", "--duration", "300s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as probe:  # noqa: S603
        try:
            follower.pause(SETTLE_SECONDS)
            yield
            follower.pause(SETTLE_SECONDS)
        finally:
            probe.send_signal(signal.SIGINT)
            said, problem = probe.communicate()
        if not said:
            raise StartError(f"the probe ended: {problem.strip()}")
        course.probe = json.loads(said)


def course_text(course: Course) -> str:
    """A table for a person."""
    lines = ["", f"{course.address}: {course.drilled}", "", f"{'AT':>8}  {'TERM':>4}  HELD BY"]
    for one in course.held:
        because = f"{one.node}  ({one.cause})" if one.node else "nobody says that it has it"
        lines.append(f"{one.at:+8.2f}  {one.term or '-':>4}  {because}")
    if course.probe is not None:
        lines += ["", *_probe_lines(course.probe)]
    return "\n".join([*lines, "", f"failed: {course.failure}" if course.failure else "it went as it should"])


def dumped(course: Course) -> str:
    """The same for a program."""
    return json.dumps(to_builtins(course), indent=2)


def _probe_lines(probe: dict[str, Any]) -> list[str]:
    held, connects = probe["held"], probe["connects"]
    answered = f"{connects['answered']} of {connects['sent']} connects answered"
    late = f"the probe itself was up to {probe['ownDelayMs']:.0f} ms late"
    lines = [
        f"longest silence  {probe['longestSilenceMs']:.0f} ms ({answered}; {late})",
        f"connections      {held['lost']} of {held['established']} held ones lost",
    ]
    if probe["answers"]:
        order = dict.fromkeys(f"{one['mac']} {one['name']}".rstrip() for one in probe["answers"])
        lines.append(
            f"answered by      {', then '.join(order)}; {probe['doubleAnswers']} questions by two, "
            f"and nobody for at most {probe['longestUnansweredMs']:.0f} ms"
        )
    else:
        lines.append(f"answered by      {probe['notAsked'] or 'nobody on the segment'}")
    return lines
