"""How long an address was silent, as its clients felt it.

Method. A new TCP connection is opened every 10 ms (``--every``) whatever became of the earlier ones, so that one
unanswered SYN, whose retransmission comes a whole second later (RFC 6298), does not hide that the next would have been
answered. An attempt is given up after 1 s. The **longest silence** is the longest interval between two successive
*completions* of a handshake; the start and the end of the probing count as limits too, so an address that never comes
back is not taken for one that was never gone. An interval of 10 ms is the floor: nothing was lost. ``own_delay_ms`` is
the most that the prober itself was late with an attempt; a silence not far above it says nothing about the address.

With ``--held N`` it also holds N connections to an echoing port (``--echo``) and sends 8 bytes over each every 50 ms.
One is lost when it is reset or closed, or when an echo is more than 1 s late at the end.

The report is the last line of the output, as JSON; times are seconds of CLOCK_BOOTTIME. SIGTERM ends the probing early
and still reports. Before it, the line ``answered`` appears at the first completion.
"""

from __future__ import annotations

import argparse
import selectors
import signal
import sys
from itertools import pairwise
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime
from types import FrameType
from typing import TYPE_CHECKING

import msgspec

from metalev.lab.probes import Attempts, Held

if TYPE_CHECKING:
    from metalev.lab.host import Host
    from metalev.lab.process import Process

ECHO_EVERY_S = 0.05


class Report(msgspec.Struct, frozen=True):
    """What the prober found. Of the attempts, those neither answered, refused nor unanswered were open at the end."""

    attempts: int
    answered: int
    refused: int
    unanswered: int
    longest_silence_ms: float
    silence_began: float
    silence_ended: float
    own_delay_ms: float
    held: int = 0
    held_lost: int = 0
    held_longest_silence_ms: float = 0


class Prober:
    """One run of the method above."""

    def __init__(self, target: tuple[str, int], every: float, held: int, echo: tuple[str, int]) -> None:
        self._selector = selectors.DefaultSelector()
        self._attempts = Attempts(self._selector, target)
        self._held = [Held(self._selector, echo) for _ in range(held)]
        self._every = every
        self._own_delay = 0.0
        self._stopped = False

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """End early; a signal handler."""
        self._stopped = True

    def run(self, seconds: float) -> Report:
        """Probe for so long (or until stopped), then report."""
        began = now()
        next_attempt = next_echo = began
        while not self._stopped and now() < began + seconds:
            if now() >= next_attempt:
                self._own_delay = max(self._own_delay, now() - next_attempt)
                self._attempts.open(now())
                next_attempt = max(next_attempt + self._every, now())
            if now() >= next_echo:
                for held in self._held:
                    held.send(now())
                next_echo = max(next_echo + ECHO_EVERY_S, now())
            self._await(min(next_attempt, next_echo))
            self._attempts.give_up(now())
        return self._report(began, now())

    def _await(self, until: float) -> None:
        for key, _ in self._selector.select(max(0, until - now())):
            key.data(key.fileobj, now())

    def _report(self, began: float, ended: float) -> Report:
        attempts = self._attempts
        silence, silence_began, silence_ended = longest_gap([began, *attempts.completions, ended])
        return Report(
            attempts=attempts.opened,
            answered=len(attempts.completions),
            refused=attempts.refused,
            unanswered=attempts.unanswered,
            longest_silence_ms=round(silence * 1000, 1),
            silence_began=silence_began,
            silence_ended=silence_ended,
            own_delay_ms=round(self._own_delay * 1000, 1),
            held=len(self._held),
            held_lost=sum(held.is_lost(ended) for held in self._held),
            held_longest_silence_ms=round(max((held.longest_silence for held in self._held), default=0) * 1000, 1),
        )


def longest_gap(times: list[float]) -> tuple[float, float, float]:
    """The longest interval between successive ``times`` (at least two, ascending): length, beginning, end."""
    return max((later - earlier, earlier, later) for earlier, later in pairwise(times))


def now() -> float:
    """CLOCK_BOOTTIME in seconds: the clock of the lab's captures and of the engine."""
    return clock_gettime(CLOCK_BOOTTIME)


def start(host: Host, connect: str, *, log: Path, seconds: float = 60, held: int = 0, echo: str = "") -> Process:
    """Start probing ``connect`` (a socket's address) from a host and wait for its first answer; :func:`finish` it."""
    options = ["--connect", connect, "--seconds", str(seconds), "--held", str(held)]
    process = host.spawn_module(__name__, *options, *(["--echo", echo] if echo else []), log=log)
    process.wait_for("answered")
    return process


def finish(process: Process) -> Report:
    """End the probing and read the report."""
    process.terminate()
    return msgspec.json.decode(process.output().splitlines()[-1], type=Report)


def main() -> None:
    """The command line; see the module's text."""
    parser = argparse.ArgumentParser(prog="metalev.lab.prober", description="Measure how long an address is silent.")
    parser.add_argument("--connect", metavar="ADDRESS:PORT", required=True, type=_socket_address)
    parser.add_argument("--every", metavar="S", type=float, default=0.01, help="between attempts (default 0.01)")
    parser.add_argument("--seconds", metavar="S", type=float, default=60, help="for how long (default 60)")
    parser.add_argument("--held", metavar="N", type=int, default=0, help="connections to hold (default 0)")
    parser.add_argument("--echo", metavar="ADDRESS:PORT", type=_socket_address, help="where to hold them")
    options = parser.parse_args()
    if options.held and not options.echo:
        parser.error("--held needs --echo ADDRESS:PORT, a port that echoes (the lab's pods do on port 7)")
    prober = Prober(options.connect, options.every, options.held, options.echo)
    signal.signal(signal.SIGTERM, prober.stop)
    sys.stdout.write(msgspec.json.encode(prober.run(options.seconds)).decode() + "\n")


def _socket_address(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    if not address or not port.isdigit():
        message = f'"{text}" is not ADDRESS:PORT'
        raise argparse.ArgumentTypeError(message)
    return address.removeprefix("[").removesuffix("]"), int(port)


if __name__ == "__main__":
    main()
