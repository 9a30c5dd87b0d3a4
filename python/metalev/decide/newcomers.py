"""Pools that came a moment ago: the advertisement that one file brings with them may be on its way."""

from __future__ import annotations

from collections.abc import Collection

from metalev.decide.unread import NO_ADVERTISEMENT

PATIENCE_SECONDS = 1.0
"""How long a pool is new. ``kubectl apply`` writes one object after the other, and each has a watch of its own."""


class Newcomers:
    """Of the pools that there are, the new ones. ``now`` is in seconds, of a clock that may be set back."""

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()
        self._since: dict[str, float] = {}

    def begin(self, pools: Collection[str]) -> None:
        """Take ``pools`` for old: they were there before this program looked."""
        self._known, self._since = frozenset(pools), {}

    def take(self, pools: Collection[str], now: float) -> None:
        """Make ``pools`` those that there are."""
        self._since = {one: now for one in pools if one not in self._known} | {
            one: since for one, since in self._since.items() if one in pools
        }
        self._known = frozenset(pools)

    def excuse(self, pool: str, why: str, now: float) -> bool:
        """Whether ``why`` nobody announces an address of ``pool`` is not to be said yet."""
        return NO_ADVERTISEMENT in why and self._is_new(pool, now)

    def next_end(self, now: float) -> float | None:
        """When the next of them is new no longer."""
        return min((self._since[one] + PATIENCE_SECONDS for one in self._since if self._is_new(one, now)), default=None)

    def _is_new(self, pool: str, now: float) -> bool:
        since = self._since.get(pool)
        return since is not None and since <= now < since + PATIENCE_SECONDS
