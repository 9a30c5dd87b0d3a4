"""A Lease of ``coordination.k8s.io``: who is the one controller, or that a speaker lives.

As ``client-go`` has it: a Lease has ended once it was not renewed for its whole duration *as seen by whoever waits*, by
its own clock. So it does not matter what time it is on the holder's host.

Two never hold it. The holder counts from before it asked for a renewal, whoever waits from after it had read that one,
and what lies between is the renewal itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec
from msgspec import field

from metalev.adapters.codec import wire
from metalev.adapters.kubernetes.api import Api
from metalev.adapters.kubernetes.errors import ApiError
from metalev.model.errors import Unavailable
from metalev.model.meta import Name

DURATION_SECONDS = 10
"""Four renewals may fail in a row; and for so long nobody gives addresses after whoever did was killed."""
RENEW_SECONDS = 2.0

MOMENT_SECONDS = 0.05
UNKNOWN_SECONDS = 0.5
"""Until it is looked again whether it is known what a new Lease goes with: later, some servers let nobody say it."""

log = logging.getLogger("metalev.lease")


class _Spec(wire.Wire, frozen=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    renew_time: str | None = None
    acquire_time: str | None = None
    lease_transitions: int | None = None


class _Metadata(wire.Stamp, frozen=True):
    owner_references: list[dict[str, str | bool]] = field(default_factory=list)


class _Lease(wire.Wire, frozen=True):
    metadata: _Metadata = field(default_factory=lambda: _Metadata(""))
    spec: _Spec = _Spec()


def _now() -> float:
    """A host that slept must know that its Lease has ended meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class KubernetesLease:
    """Takes a Lease when it is free, renews it, and says when it came and went (:class:`metalev.ports.Leases`)."""

    fenced = False

    def __init__(
        self,
        api: Api,
        name: Name,
        identity: str,
        *,
        duration: int = DURATION_SECONDS,
        renew: float = RENEW_SECONDS,
        changed: Callable[[bool, bool], None] = lambda _held, _clean: None,
        settled: Callable[[], bool] = lambda: True,
        owner: Callable[[], Mapping[str, str] | None] | None = None,
        now: Callable[[], float] = _now,
    ) -> None:
        """``identity`` is this process's alone; ``duration`` and ``renew`` are in seconds.

        ``changed`` is told whether it is held now, and whether it was free: its former holder gave it back, or there
        was none. It must return at once. ``settled`` tells whether every write of this process has been answered: only
        then it is given back, for the next holder takes one that was given back as a promise that none will arrive.
        ``owner`` gives the reference to what the Lease goes with; until that is known, none is made. ``now`` is in
        seconds and goes on while the host sleeps.
        """
        self._api = api
        self._name = name
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{name.namespace}/leases"
        self._identity = identity
        self._duration = duration
        self._renew = renew
        self._changed = changed
        self._settled = settled
        self._owner = owner
        self._now = now
        self._seen: tuple[str, float] = ("", 0.0)
        """The version that was last seen, and when it had been seen first."""
        self.tried = threading.Event()
        """Set once it has been tried to take it for the first time, with whatever success."""
        self._ends_at = float("-inf")
        """When the one that was last seen with somebody else ends, unless it is renewed."""
        self._free_at = float("inf")
        """When it may be taken, unless it is seen renewed."""
        self._held_until = 0.0
        self._held = False
        self._was_lost = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease {name.name}", daemon=True)

    @property
    def margin(self) -> float:
        """How long a write may take."""
        return self._api.write_timeout

    @property
    def held(self) -> bool:
        """Whether it is held, as far as is known."""
        return self._held

    def acquire(self) -> None:
        """Begin to try, and go on until :meth:`release`."""
        self._thread.start()

    def remaining(self) -> float:
        """Seconds for which nobody else can have it."""
        return max(0.0, self._held_until - self._now()) if self._held else 0.0

    def release(self) -> None:
        """Give it back, so that the next one need not wait. May be called twice."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(2 * self._api.timeout + 1)  # one attempt asks twice
        if not self._held:
            return
        self._held = False
        if not self._settled():
            log.info("the lease %s is not given back: a write was not answered, and may arrive yet", self._name)
            return
        try:
            self._give_back()
        except Unavailable as error:
            log.info("the lease %s is not given back and ends by itself: %s", self._name, error)

    def _keep(self) -> None:
        while not self._stopped.is_set():
            self.attempt()
            self._stopped.wait(self.pause())

    def pause(self) -> float:
        """Seconds until the next attempt: who waits for it tries as soon as it has ended."""
        if self._held:
            return self._renew
        return min(self._renew, max(MOMENT_SECONDS, self._free_at + MOMENT_SECONDS - self._now()))

    def attempt(self) -> None:
        """Renew it, or take it if it is free; find out that it is lost."""
        try:
            self._try()
        except Unavailable as error:
            log.debug("the lease %s: %s", self._name, error)
        except Exception:
            # Something between us and the API server may answer anything; without this thread nobody would ever lead.
            log.exception("the lease %s: the attempt failed", self._name)
        finally:
            self.tried.set()
        if self._held and self.remaining() <= 0:
            self._lose("it could not be renewed in time")

    def _try(self) -> None:
        self._free_at = float("inf")  # what cannot be read or taken is tried again after the usual pause
        asked_at = self._now()
        lease = self._read()
        read_at = self._now()
        if lease is None:
            self._create_when_free(asked_at)
            return
        holder = lease.spec.holder_identity or ""
        if holder == self._identity:
            # Nobody had it meanwhile, or it would have another holder.
            self._write(lease, asked_at, clean=True)
            return
        if self._held:
            self._lose(f"{holder or 'nobody'} has it")
        if self._seen[0] != lease.metadata.resource_version:
            # It may have been renewed at any time until the answer came.
            self._seen = (lease.metadata.resource_version, read_at)
        self._ends_at = self._seen[1] + (lease.spec.lease_duration_seconds or self._duration)
        if not holder or asked_at > self._ends_at:
            self._write(lease, asked_at, clean=not holder)
        else:
            self._free_at = self._ends_at

    def _create_when_free(self, asked_at: float) -> None:
        """Make a Lease where there is none. Whoever was seen to hold one that was deleted may write until it ends."""
        owner = self._owner() if self._owner else None
        if self._owner and owner is None:
            self._free_at = asked_at + UNKNOWN_SECONDS
        elif self.remaining() > 0 or asked_at > self._ends_at:
            self._create(asked_at, _Lease(_Metadata("", owner_references=[dict(owner)] if owner else [])))
        else:
            self._free_at = self._ends_at

    def _read(self) -> _Lease | None:
        try:
            return msgspec.json.decode(self._api.get(f"{self._path}/{self._name.name}"), type=_Lease)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _create(self, asked_at: float, lease: _Lease) -> None:
        try:
            self._api.post(self._path, self._document(lease))
        except ApiError as error:
            if error.status == 409:
                return  # somebody else was first; in a moment its Lease is read
            raise
        self._gain(asked_at, clean=not self._seen[0])

    def _write(self, lease: _Lease, asked_at: float, *, clean: bool) -> None:
        try:
            self._api.put(f"{self._path}/{self._name.name}", self._document(lease))
        except ApiError as error:
            if error.stale:
                return
            raise
        self._gain(asked_at, clean=clean)

    def _document(self, lease: _Lease) -> dict[str, object]:
        """The Lease as ours. It names the version that was read, so that of two that take it one fails."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = lease.spec.holder_identity == self._identity
        metadata: dict[str, object] = {"name": self._name.name, "namespace": self._name.namespace}
        if lease.metadata.owner_references:
            metadata["ownerReferences"] = lease.metadata.owner_references
        version = lease.metadata.resource_version
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata | ({"resourceVersion": version} if version else {}),
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._duration,
                "acquireTime": lease.spec.acquire_time if ours and lease.spec.acquire_time else now,
                "renewTime": now,
                "leaseTransitions": (lease.spec.lease_transitions or 0) + (0 if ours else 1),
            },
        }

    def _give_back(self) -> None:
        lease = self._read()
        if lease is not None and lease.spec.holder_identity == self._identity:
            document = self._document(lease)
            document["spec"] = {"holderIdentity": "", "leaseDurationSeconds": 1}
            self._api.put(f"{self._path}/{self._name.name}", document)

    def _gain(self, asked_at: float, *, clean: bool) -> None:
        if self._stopped.is_set():
            return  # it ends by itself: who stops takes no office
        # From when it was asked for: the answer may have been long on its way.
        self._held_until = asked_at + self._duration
        if not self._held:
            self._held = True
            if self._was_lost:
                log.info("the lease %s is held again", self._name)
            self._was_lost = False
            self._changed(True, clean)

    def _lose(self, why: str) -> None:
        self._held, self._was_lost = False, True
        log.warning("the lease %s is lost: %s", self._name, why)
        self._changed(False, False)
