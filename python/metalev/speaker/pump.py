"""The thread that brings the engine's facts up: into the log, the metrics and the inbox."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Thread

from metalev.adapters.logs import fields
from metalev.model.errors import MetalevError, Unavailable
from metalev.model.ownership import Fact, FactKind
from metalev.model.snapshot import Noticed
from metalev.ports.ownership import Ownership

# Seconds of one wait for facts. ``Ownership.stop`` ends a wait, so this is no delay of anything.
WAIT = 5.0
_QUIET = frozenset(
    {
        FactKind.TOOK,
        FactKind.YIELDED,
        FactKind.OFFERED,
        FactKind.KEPT,
        FactKind.PEER_HEARD,
        FactKind.ABLE,
        FactKind.INTERFACE_UP,
        FactKind.GATEWAYS,
        FactKind.HOST_ADDRESSES,
        FactKind.HOST_GATEWAYS,
        FactKind.CLEAN,
        FactKind.CONFLICT_OVER,
        FactKind.PROXY_ARP_OVER,
        FactKind.OWN_KERNEL_OVER,
        FactKind.WITNESS_OVER,
        FactKind.PATIENCE_OVER,
        FactKind.UNHEEDED_OVER,
        FactKind.UNSENT_OVER,
    }
)

log = logging.getLogger("metalev.engine")


class FactPump:
    """Runs from ``start`` to ``stop``; what the engine said before it was stopped is brought up, too."""

    def __init__(
        self,
        ownership: Ownership,
        sink: Callable[[Noticed], None],
        *,
        took: Callable[[str], None],
        failed: Callable[[MetalevError], None],
        after: Callable[[Sequence[Fact]], None] = lambda _: None,
    ) -> None:
        """``took`` is told the cause of every takeover, ``failed`` why the engine ended by itself.

        ``after`` is given all facts once they have been passed on; it may take its time.
        """
        self._ownership = ownership
        self._sink = sink
        self._took = took
        self._failed = failed
        self._after = after
        self._stopping = False
        self._thread = Thread(target=self._run, name="metalev-facts", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the engine and bring up its last facts. May be called twice."""
        self._stopping = True
        self._ownership.stop()
        self._thread.join()
        # Only now is the last word spoken: the thread may have ended while the engine still gave its addresses up.
        while self._bring_up():
            pass

    def _run(self) -> None:
        while not self._stopping:
            self._bring_up()

    def _bring_up(self) -> bool:
        """Wait for facts and pass them on; whether there were any."""
        try:
            facts = self._ownership.facts(WAIT)
        except Exception as error:
            # An engine that ended by itself raises RuntimeError. Whatever it is: nobody hears of the wire any more.
            log.exception("the engine reports nothing any more")
            self._stopping = True
            self._failed(Unavailable(f"the engine ended: {error}; nothing is announced from this node; start anew"))
            return False
        for fact in facts:
            self._pass_on(fact)
        if facts:
            self._after(facts)
        return bool(facts)

    def _pass_on(self, fact: Fact) -> None:
        _tell(fact)
        if fact.kind is FactKind.TOOK:
            self._took(fact.cause)
        self._sink(Noticed(fact))


def _tell(fact: Fact) -> None:
    level = logging.INFO if fact.kind in _QUIET else logging.WARNING
    details = fields(
        group=fact.group, cause=fact.cause, term=fact.term, peer=fact.peer, interface=fact.interface, mac=fact.mac
    )
    log.log(level, "%s", fact.message, extra=details)
