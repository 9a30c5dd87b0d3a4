"""What ``metalev probe`` says while it lasts, and how it comes to ask the segment."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from metalev.model.address import IPAddress
from metalev.model.errors import StartError
from metalev.probe.neighbours import Asker, asker
from metalev.probe.run import MAKE_ASKER, Loss, Observer, now
from metalev.probe.timeline import Gap
from metalev.probe.way import NEIGHBOURS, Way, other_address, way_to

NO_RIGHT = "Who answers on the segment is not seen: that needs CAP_NET_RAW (run it as root). Connects need nothing."


class Names:
    """What a MAC address is called: as the operator says, else another address that this host knows of it."""

    def __init__(self, address: IPAddress, given: dict[str, str]) -> None:
        self._address = address
        self._given = given

    def __call__(self, mac: str) -> str:
        """Empty if nothing is known."""
        try:
            table = NEIGHBOURS.read_text()
        except OSError:
            table = ""
        return self._given.get(mac) or other_address(mac, self._address, table)


class Lines(Observer):
    """A line with the time of day for each thing that happens."""

    def __init__(self, names: Names, *, live: bool) -> None:
        self._names = names
        self._live = live
        self._wall_ahead = datetime.now(UTC).timestamp() - now()

    def say(self, text: str) -> None:
        """Something that has no time."""
        if self._live:
            print(text, flush=True)

    def answered(self, at: float) -> None:
        """The first connect was answered."""
        self._tell(at, "connects are answered")

    def ready(self) -> None:
        """Connections are held."""

    def silent(self, since: float) -> None:
        """No connect was answered for a notable time."""
        self._tell(now(), f"silent: nothing was answered for {(now() - since) * 1000:.0f} ms")

    def gap(self, gap: Gap) -> None:
        """A silence is over."""
        self._tell(gap.ended, f"answered again after {gap.length * 1000:.0f} ms")

    def lost(self, losses: list[Loss]) -> None:
        """Held connections ended."""
        reasons = ", ".join(sorted({loss.why for loss in losses}))
        self._tell(losses[0].at, f"{len(losses)} held connections ended: {reasons}")

    def who(self, at: float, mac: str) -> None:
        """Somebody answers who did not just before."""
        self._tell(at, f"{mac} answers {self._names(mac)}".rstrip())

    def _tell(self, at: float, text: str) -> None:
        moment = datetime.fromtimestamp(self._wall_ahead, UTC) + timedelta(seconds=at)
        self.say(f"{moment.astimezone():%H:%M:%S}.{moment.microsecond // 1000:03}  {text}")


def make_asker(address: IPAddress, interface: str) -> tuple[MAKE_ASKER | None, str]:
    """How to ask who has ``address``; or None, and why it cannot be asked.

    Raises ``StartError`` if there is no way to the address, or no such interface.
    """
    way = way_to(address)
    if way is None:
        raise StartError(f"this host has no route to {address}: probe from where its clients are")
    if interface:
        way = Way(interface, direct=True, source=way.source)
    if not way.direct:
        return None, f"{address} is behind a router, on no segment of this host: who answers there is not seen."

    def make(selector: selectors.BaseSelector, answered: Callable[[float, str], None]) -> Asker:
        return asker(selector, way, address, answered)

    try:
        with selectors.DefaultSelector() as selector:
            make(selector, lambda _at, _mac: None).close()
    except PermissionError:
        return None, NO_RIGHT
    except OSError as error:
        raise StartError(f"{address} cannot be asked for on {way.interface}: {error.strerror}") from None
    return make, ""
