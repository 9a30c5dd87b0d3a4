"""How long an address was silent, as its clients felt it: ``metalev probe`` as the lab and the benchmarks run it.

Method. A new TCP connection is opened every 10 ms (``--every``) whatever became of the earlier ones
(:mod:`metalev.probe.connects` says why). An attempt is given up after 1 s. The **longest silence** is the longest
interval between two successive *completions* of a handshake; the start and the end of the probing count as limits too,
so an address that never comes back is not taken for one that was never gone. An interval of 10 ms is the floor: nothing
was lost. ``own_delay_ms`` is the most that the prober itself was late with an attempt; a silence not far above it says
nothing about the address.

With ``--held N`` it also holds N connections to an echoing port (``--echo``) and sends 8 bytes over each every 50 ms.
One is lost when it is reset or closed, or when an echo is more than 1 s late at the end. Nobody is asked on the segment
who has the address: the answers would teach the kernel what only an announcement should.

The report is the last line of the output, as JSON; times are seconds of CLOCK_BOOTTIME. SIGTERM ends the probing early
and still reports. Before it, the line ``answered`` appears at the first completion.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from metalev.probe.run import Findings, Observer, Plan, Probe, now

if TYPE_CHECKING:
    from metalev.lab.host import Host
    from metalev.lab.process import Process

__all__ = ["Report", "finish", "now", "start"]


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

    @classmethod
    def of(cls, found: Findings) -> Report:
        """The figures that the lab compares."""
        longest = found.silences.longest
        return cls(
            attempts=found.attempts,
            answered=found.answered,
            refused=found.refused,
            unanswered=found.unanswered,
            longest_silence_ms=round(longest.length * 1000, 1),
            silence_began=longest.began,
            silence_ended=longest.ended,
            own_delay_ms=round(found.own_delay * 1000, 1),
            held=found.held,
            held_lost=found.held_lost,
            held_longest_silence_ms=round(found.held_longest_silence * 1000, 1),
        )


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


class _Herald(Observer):
    """Says when there is something to probe, to whoever started it."""

    def ready(self) -> None:
        """The first connect was answered, and what should be held is."""
        sys.stdout.write("answered\n")
        sys.stdout.flush()


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
    plan = Plan(options.connect, every=options.every, held=options.held, echo=options.echo)
    prober = Probe(plan, _Herald())
    signal.signal(signal.SIGTERM, prober.stop)
    sys.stdout.write(msgspec.json.encode(Report.of(prober.run(options.seconds))).decode() + "\n")


def _socket_address(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    if not address or not port.isdigit():
        message = f'"{text}" is not ADDRESS:PORT'
        raise argparse.ArgumentTypeError(message)
    return address.removeprefix("[").removesuffix("]"), int(port)


if __name__ == "__main__":
    main()
