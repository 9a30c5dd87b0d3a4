"""How the demo is shown: headings, commands with their output, tables, and how long things took."""

from __future__ import annotations

import shlex
import sys
import textwrap
import time
from collections.abc import Sequence

from metalev.lab.host import Host
from metalev.lab.namespace import LabError
from metalev.model.services import ConditionStatus, Service

WIDTH = 100
COLUMNS = ("NAME", "TYPE", "EXTERNAL-IP", "PORT(S)")


class Narrator:
    """Prints to the terminal; in colour if it is one."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty()
        self._began = time.monotonic()
        self._chapter = 0

    def chapter(self, title: str) -> None:
        """Begin a part of the story."""
        self._chapter += 1
        elapsed = f"{time.monotonic() - self._began:.0f} s"
        head = f"{self._chapter}. {title}"
        print(f"\n{self._paint('1', head)} {self._paint('2', elapsed.rjust(WIDTH - len(head) - 1))}", flush=True)

    def say(self, text: str) -> None:
        """A sentence or two."""
        print(textwrap.fill(text, WIDTH), flush=True)

    def result(self, text: str) -> None:
        """What it all comes to."""
        print(self._paint("32", f"=> {text}"), flush=True)

    def show(self, prompt: str, lines: Sequence[str]) -> None:
        """A command and what it printed."""
        print(self._paint("36", f"{prompt}"), flush=True)
        for line in lines:
            print(f"    {line}", flush=True)

    def run(self, host: Host, *argv: str) -> list[str]:
        """Run a command on a host and show it with its output. Raises :class:`LabError` if it fails."""
        lines = host.run(list(argv)).stdout.rstrip().splitlines()
        self.show(f"{host.name}$ {shlex.join(argv)}", lines)
        return lines

    def services(self, services: Sequence[Service]) -> None:
        """The Services as ``kubectl get svc`` has them, with the reason where there is no address."""
        rows = [COLUMNS, *(_row(service) for service in services)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        lines = [
            "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        for number, service in enumerate(services, start=1):
            if not service.status.addresses and (reason := reason_of(service)):
                lines[number] += f"   # {reason}"
        self.show("$ metalev's state of the Services", lines)

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text


def reason_of(service: Service) -> str:
    """Why a Service has no address, in metalev's words; empty if it has not said."""
    failed = (condition for condition in service.status.conditions if condition.status is ConditionStatus.FALSE)
    return next((condition.message for condition in failed), "")


def expect(what: str, *, holds: bool) -> None:
    """End the demo with a failure unless ``holds``."""
    if not holds:
        raise LabError(f"the demo expected this and it did not happen: {what}")


def _row(service: Service) -> tuple[str, ...]:
    addresses = ",".join(map(str, service.status.addresses)) or "<pending>"
    ports = ",".join(f"{port.port}/{port.protocol}" for port in service.ports)
    return service.name.name, service.type, addresses, ports
