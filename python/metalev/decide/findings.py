"""One answer in the chain of reasons for which a Service has traffic or none, and the whole chain."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from metalev.model.address import IPAddress
from metalev.model.meta import Name


class Answer(StrEnum):
    """Whether it holds. ``MIND`` is what costs no traffic now and yet is not as it should be."""

    YES = "ok"
    MIND = "mind"
    NO = "NO"


class Finding(Struct, frozen=True):
    """What was asked, whether it holds, the same in words, and what to do about it.

    ``details`` are lines below ``text``: one node, pool or condition each.
    """

    asked: str
    answer: Answer
    text: str
    advice: str = ""
    details: tuple[str, ...] = ()


class Chain(Struct, frozen=True):
    """Everything that was asked about one Service, in the order in which traffic needs it.

    ``announcers`` are the nodes that answer for its addresses. ``ours`` is whether it is for metalev to serve.
    """

    service: Name
    findings: tuple[Finding, ...]
    addresses: tuple[IPAddress, ...] = ()
    pool: str = ""
    announcers: tuple[str, ...] = ()
    ours: bool = True

    @property
    def broken(self) -> Finding | None:
        """The first link that does not hold."""
        return next((one for one in self.findings if one.answer is Answer.NO), None)

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """What is not as it should be."""
        return tuple(one for one in self.findings if one.answer is Answer.MIND)

    @property
    def healthy(self) -> bool:
        """Whether traffic should arrive."""
        return self.broken is None

    @property
    def brief(self) -> str:
        """What stands beside the Service in a list: why there is no traffic, or what else is not as it should be.

        What is with the speakers and with a node's pods concerns more than one Service, and is told elsewhere.
        """
        said = self.broken or next((one for one in self.remarks if one.asked not in {"speakers", "endpoints"}), None)
        text = said.text if said else ""
        if said is not None and said.answer is Answer.MIND and said.details:
            text = said.details[0]  # the link holds; this is what is to be said about it
        return text.removeprefix(f"{self.service} ").replace(f'Failed to allocate IP for "{self.service}": ', "")

    @property
    def verdict(self) -> str:
        """The one sentence to remember."""
        if self.broken is not None:
            return f"why: {self.broken.text}"
        who = " and ".join(self.announcers)
        said = f"all is well: {who} answers for {' and '.join(map(str, self.addresses))}"
        remarks = {0: "", 1: ", with one remark"}.get(len(self.remarks), f", with {len(self.remarks)} remarks")
        return said + remarks


def yes(asked: str, text: str, *details: str) -> Finding:
    """It holds."""
    return Finding(asked, Answer.YES, text, details=details)


def mind(asked: str, text: str, advice: str, *details: str) -> Finding:
    """It does not hold, and there may be traffic all the same."""
    return Finding(asked, Answer.MIND, text, advice, details)


def no(asked: str, text: str, advice: str, *details: str) -> Finding:
    """It does not hold, so there is no traffic."""
    return Finding(asked, Answer.NO, text, advice, details)


def amount(number: int) -> str:
    """How many addresses a pool has; of millions nobody wants to know the digits (and of a /64 nobody counts them)."""
    return str(number) if number < 10**6 else "over a million"


def listed(names: Iterable[object], limit: int = 5) -> str:
    """The first few of ``names``, and how many more there are."""
    found = [str(name) for name in names]
    more = f" and {len(found) - limit} more" if len(found) > limit else ""
    return ", ".join(found[:limit]) + more
