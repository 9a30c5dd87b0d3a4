"""Chance, so that what failed together does not come back together."""

from __future__ import annotations

import random


def between(low: float, high: float) -> float:
    """A number of seconds from ``low`` to ``high``; no secret."""
    return random.uniform(low, high)  # noqa: S311
