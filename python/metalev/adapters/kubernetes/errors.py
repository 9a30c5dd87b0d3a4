"""What an API server answers when it does not do what it was asked to."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from metalev.model.errors import Unavailable

UNREACHABLE = "unreachable"


class Unreachable(Unavailable):
    """Nobody answered, or not in time. What was asked for may have been done all the same."""

    cause = UNREACHABLE


class Unusable(Unreachable):
    """A server that answers, and yet is of no use."""

    cause = ""


class ApiError(Unavailable):
    """An answer that is none of success: its HTTP status, and the reason in Kubernetes' word (``AlreadyExists``)."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        retry_after: float | None = None,
        everybody: str = "",
        causes: frozenset[str] = frozenset(),
    ) -> None:
        """``everybody`` says the same without the object that was asked for, where it is no matter of that object.

        ``causes`` are Kubernetes' words for why, where it gives some, and what kind of object is missing.
        """
        super().__init__(message)
        self._causes = causes
        self.everybody = everybody or message
        self.status = status
        self.reason = reason
        self.retry_after = retry_after

    @property
    def stale(self) -> bool:
        """Whether the object is no longer the one that was read: changed (409), gone (404), or a failed test (422)."""
        return self.status in {404, 409, 422}

    @property
    def cause(self) -> str:
        """What it has in common with other refusals, whatever was asked for; empty: it is a matter of that object."""
        for_all = self.status in {401, 403, 429} or self.status >= 500
        return str(self.status) if for_all and not self.namespace_ends else ""

    @property
    def expired(self) -> bool:
        """Whether a list must be taken anew: the version asked for is too old (410), or not there yet (504)."""
        return self.status in {410, 504} or self.reason in {"Expired", "Gone"}

    @property
    def namespace_ends(self) -> bool:
        """Whether the namespace in question is gone (404), or is being deleted (403)."""
        return not self._causes.isdisjoint({"NamespaceTerminating", "namespaces"})


def cause_of(error: Exception) -> str:
    """By which errors of many requests are one trouble (:class:`.troubles.Troubles`); empty: by their words."""
    return error.cause if isinstance(error, Unreachable | ApiError) else ""


def is_of_another_authority(error: BaseException) -> bool:
    """Whether nothing was sent, because the server's certificate was signed by nobody whom we trust."""
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in _causes(error))


def reason_of(error: Exception) -> str:
    """The cause at the bottom: urllib3 wraps it in its own words and addresses of objects."""
    bottom: BaseException = error
    for bottom in _causes(error):
        if isinstance(bottom, OSError):
            break
    if isinstance(bottom, OSError) and bottom.strerror:
        return bottom.strerror
    return str(bottom).partition("object at 0x")[0].strip() or type(bottom).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, the latest first."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
