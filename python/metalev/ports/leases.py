"""Who is the one controller."""

from __future__ import annotations

from typing import Protocol


class Leases(Protocol):
    """A right that one process holds at a time.

    ``fenced`` tells whether a holder that lost it can still write: a local lock ends with its process (fenced); a Lease
    on an API server ends by the clock, so a write may start only if ``remaining`` exceeds the client's own time-out.
    """

    @property
    def fenced(self) -> bool:
        """Whether losing the right and being unable to write are one thing."""
        ...

    @property
    def margin(self) -> float:
        """Seconds that a write may take: it starts only if ``remaining`` is more."""
        ...

    def acquire(self) -> None:
        """Take the right. Raises ``StartError`` naming the holder when somebody else has it."""
        ...

    def remaining(self) -> float:
        """Seconds for which the right is still sure; infinite where it does not end by the clock."""
        ...

    def release(self) -> None:
        """Give it back, so that the next one need not wait."""
        ...
