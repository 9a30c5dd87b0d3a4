"""Which of two Services keeps an address that both hold and do not share."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from metalev.model.actions import SpeakerState
from metalev.model.meta import Name
from metalev.model.services import Service


def announced_services(speakers: Iterable[SpeakerState]) -> frozenset[str]:
    """The Services that some node announces, by its own word."""
    return frozenset(name for speaker in speakers for holding in speaker.holdings for name in holding.services)


def precedence(announced: frozenset[str], service: Service) -> tuple[bool, bool, float, Name]:
    """Those who still want an address first, then those announced, then the older ones.

    Nobody's age is known in a directory of manifests.
    """
    age = inf if service.created is None else service.created
    return not service.wants_address, str(service.name) not in announced, age, service.name
