"""Annotations of a Service that are written like MetalLB's or metalev's, and that nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from metalev.decide.wishes import ADDRESS_POOL, ALLOW_SHARED_IP, DEPRECATED_PREFIX, LOAD_BALANCER_IPS, PREFIX
from metalev.decide.words import quoted
from metalev.model.services import Condition, ConditionStatus, Service

ANNOTATIONS = "metalev.io/AnnotationsRead"
"""The condition of a Service with an annotation that has no effect; there only while it has one."""

MEANINGS = (ADDRESS_POOL, LOAD_BALANCER_IPS, ALLOW_SHARED_IP, "ip-allocated-from-pool")
OWN_PREFIX = "metalev.io/"
"""Under it there is no annotation of a Service; who writes one means one of MetalLB's."""


def misspelt(service: Service) -> tuple[Condition, ...]:
    """What its status shall say of that."""
    found = [f"{quoted(key)} ({hint})" for key, hint in unknown_annotations(service.annotations)]
    if not found:
        return ()
    several = "s" if len(found) > 1 else ""
    message = f"unknown annotation{several}, without effect: {', '.join(found)}"
    return (Condition(ANNOTATIONS, ConditionStatus.FALSE, "UnknownAnnotation", message),)


def unknown_annotations(keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each of ``keys`` that has a prefix of MetalLB's or metalev's and no meaning, with the nearest that has."""
    for key in keys:
        prefix, slash, name = key.partition("/")
        prefix += slash
        if prefix == OWN_PREFIX or (prefix in {PREFIX, DEPRECATED_PREFIX} and name not in MEANINGS):
            yield key, _nearest(PREFIX if prefix == OWN_PREFIX else prefix, name)


def _nearest(prefix: str, name: str) -> str:
    by_folded = {_folded(one): one for one in MEANINGS}
    close = get_close_matches(_folded(name), by_folded, n=1, cutoff=0.6)
    return f'did you mean "{prefix}{by_folded[close[0]]}"?' if close else f"there are {', '.join(MEANINGS)}"


def _folded(name: str) -> str:
    """What all spellings of it have in common."""
    return name.replace("-", "").replace("_", "").lower()
