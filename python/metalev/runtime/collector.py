"""Python's garbage collector, set for programs that keep much and hardly ever drop it in circles."""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 20_000, 20, 100
"""A look at the young objects after so many new ones; at the middle ones after so many of these looks; at all of them
after so many of those."""


def tune_collector() -> None:
    """Let the collector look at everything seldom, and never again at what is there now: call it after the imports.

    What these programs keep are values without circles, which go when nobody refers to them any more. The collector
    would walk over all of them again and again as they become more, without finding anything: half of what an address
    costs among 100,000 Services.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
