"""The port :class:`metalev.ports.Cluster` on an API server."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from metalev.adapters.codec import Codec, encode
from metalev.adapters.kubernetes.api import JSON_PATCH, MERGE, STRATEGIC, UNCHECKED, Api
from metalev.adapters.kubernetes.configstate import ConfigurationStates
from metalev.adapters.kubernetes.errors import ApiError, cause_of
from metalev.adapters.kubernetes.events import EventRecorder
from metalev.adapters.kubernetes.l2status import L2Statuses, announced
from metalev.adapters.kubernetes.leavers import Leavers
from metalev.adapters.kubernetes.managers import last_writer
from metalev.adapters.kubernetes.mirror import Mirror
from metalev.adapters.kubernetes.notyet import PATHS, NotYet, path_of
from metalev.adapters.kubernetes.reflector import Reflection, Reflector
from metalev.adapters.kubernetes.resources import Resource, collection, item, only, resource
from metalev.adapters.kubernetes.troubles import Troubles
from metalev.model.actions import Configuration, Event, SpeakerState
from metalev.model.cluster import BEACON_SECRET, BeaconKey
from metalev.model.errors import StaleWrite, Unavailable
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import Pool, PoolStatus
from metalev.model.services import Service, ServiceStatus
from metalev.model.snapshot import key_of
from metalev.ports.clock import Clock
from metalev.ports.cluster import ChangeSink

CONTROLLER = "controller"
WRITING = "writing"
GOODBYE_SECONDS = 2.0


class KubernetesCluster:
    """Objects from an API server's lists and watches, one thread for each kind.

    The sink is called with the mirror's lock held: it must hand the change over and return, never call back.
    """

    def __init__(
        self,
        api: Api,
        clock: Clock,
        *,
        namespace: str,
        writer: str = "",
        kinds: Collection[Kind] = tuple(Kind),
        all_services: bool = False,
        watch: bool = True,
        pod: str = "",
    ) -> None:
        """``writer`` is who writes through it: ``controller``, a node's name, or nobody (empty); ``pod`` is its pod.

        Without ``watch``, everything is read once by :meth:`start`, and again at a :meth:`relist`.
        """
        self.api = api
        self._clock = clock
        self._writer = writer
        self._watch = watch
        self._codec = Codec(namespace)
        self._mirror = Mirror(self._codec, kinds, controller=writer == CONTROLLER)
        host = "" if writer == CONTROLLER else writer
        self._events = EventRecorder(api, lambda key: known.uid if (known := self._mirror.get(key)) else "", host)
        self._troubles = Troubles()
        self._unanswered = 0
        """Writes in a row, more or less, that nobody answered."""
        self._stop = threading.Event()
        self._reflectors = [
            self._reflector(resource(kind, namespace, all_services=all_services), self._mirror.of(kind))
            for kind in kinds
        ]
        self._others: list[Reflector] = []
        """What is watched, too, but nothing is decided by."""
        self._threads: list[threading.Thread] = []
        self._leavers = Leavers(api, self._mirror, self._stop)
        self._pod = pod
        self._had_node = False
        self._configuration: ConfigurationStates | None = None
        self._l2_statuses: L2Statuses | None = None
        if writer and watch:
            self._configuration = ConfigurationStates(
                api, namespace, writer, clock, self._troubles, owner=self.own_node
            )
            own = only(self._configuration.path, self._configuration.name)
            self._others.append(self._reflector(own, self._configuration))
        if writer == CONTROLLER and watch:
            for kind_name in PATHS:
                remarks = NotYet(kind_name, self._mirror.remark)
                self._others.append(self._reflector(Resource(path_of(kind_name, namespace)), remarks))
        if writer not in {"", CONTROLLER} and watch:
            self._l2_statuses = L2Statuses(api, namespace, writer, self._owning_pod, self._troubles)
            self._others.append(self._reflector(self._l2_statuses.resource, self._l2_statuses))

    def open(self, sink: ChangeSink) -> None:
        """Tell ``sink`` of whatever is read from now on, before anything is watched; :meth:`start` does it, too."""
        if self._writer == CONTROLLER:
            self._mirror.open(sink, self._leavers.add)
        else:
            self._mirror.open(sink)

    def start(self, sink: ChangeSink) -> None:
        """Deliver everything, then what changes. A server that does not answer is waited for."""
        self.open(sink)
        if not self._watch:
            self.relist()
            return
        if self._writer == CONTROLLER:
            self._threads.append(threading.Thread(target=self._leavers.run, name="leavers", daemon=True))
            self._threads[-1].start()
        for reflector in (*self._reflectors, *self._others):
            thread = threading.Thread(target=reflector.run, name=f"watch {reflector.resource.path}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def relist(self) -> None:
        """List every kind again, as of now. Raises ``Unavailable``."""
        self.list_since(float("inf"))

    def list_since(self, moment: float) -> None:
        """List every kind again whose last list began before ``moment``, by ``time.monotonic``.

        Raises ``Unavailable``.
        """
        if self._stop.is_set():
            return
        for reflector in self._reflectors:
            reflector.list(moment)

    def look_back(self) -> None:
        """Look, beside everything else, for Services that changed their type while nobody watched; returns at once."""
        self._leavers.look_back()

    def stand_by(self) -> None:
        """Nothing is to be written for now, and so what kept something from being written is no trouble any more."""
        self._troubles.over(WRITING)

    def stop(self) -> None:
        """Deliver nothing more; say for a moment longer what is to be said. May be called twice."""
        self._mirror.close()
        if not self._stop.is_set():
            for upkeep in (self._l2_statuses, self._configuration):
                if upkeep is not None:
                    upkeep.stop(GOODBYE_SECONDS)
        self._stop.set()
        self._leavers.end()
        self.api.stop()
        for thread in self._threads:
            thread.join(timeout=self.api.timeout)

    def missing(self) -> str:
        """Why not everything has been listed yet; empty once it has."""
        unlisted = ", ".join(sorted(self._mirror.unlisted))
        why = self._troubles.first()
        return f"not listed yet: {unlisted}{f' ({why})' if why else ''}" if unlisted else ""

    def alive(self, limit: float) -> bool:  # noqa: ARG002  (a watch may have nothing to say for as long as it likes)
        """Whether no thread that reads has ended."""
        return self._stop.is_set() or all(thread.is_alive() for thread in self._threads)

    def write_service_status(self, service: Service, status: ServiceStatus) -> None:
        """Write what the controller says of a Service, in one patch. Raises ``StaleWrite`` or ``Unavailable``."""
        self._require_writer(CONTROLLER, f"the status of Service {service.name}")
        body = encode.service_patch(service, status, self._clock.wall())
        try:
            with self._writing(key_of(service)):
                answer = self.api.patch(f"{item(Kind.SERVICE, service.name)}/status", body, STRATEGIC, UNCHECKED)
        except StaleWrite:
            if not service.wants_address:
                self._leavers.add(service.name)  # no watch tells of it
            raise
        self._mirror.take(Kind.SERVICE, answer)

    def status_writer(self, service: Service) -> str:
        """The field manager that wrote the addresses of a Service last, beside ourselves. Raises ``Unavailable``."""
        where = only(collection(Kind.SERVICE, service.name.namespace), service.name.name)
        with self._writing(key_of(service)):
            return last_writer(self.api.get(where.path, where.selectors))

    def write_pool_status(self, pool: Pool, status: PoolStatus) -> None:
        """Write the counts of a pool. Raises ``StaleWrite`` or ``Unavailable``.

        A pool of MetalLB's old ConfigMap has no object of its own, so nothing of it is kept beyond this process.
        """
        self._require_writer(CONTROLLER, f"the status of pool {pool.name.name}")
        if pool.source is not None:
            self._require_version(pool.source, pool.version)
            self._mirror.note_pool_status(pool.name, status)
            return
        uid, _, generation = pool.version.partition("/")
        broken = self._mirror.unread_since(key_of(pool), pool.version)
        if broken is not None:
            uid, generation = broken.uid, str(broken.generation)
        body = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": "/metadata/generation", "value": int(generation or 0)},
            {"op": "add", "path": "/status", "value": encode.pool_status(pool.name, status)["status"]},
        ]
        with self._writing(key_of(pool)):
            answer = self.api.patch(f"{item(Kind.POOL, pool.name)}/status", body, JSON_PATCH)
        self._mirror.take(Kind.POOL, answer)

    def write_speaker_state(self, state: SpeakerState) -> None:
        """Publish this node's own state. Raises ``StaleWrite`` or ``Unavailable``."""
        self._require_writer(state.name.name, f"the state of speaker {state.name}")
        document = encode.speaker_state(state)
        path = item(Kind.SPEAKER_STATE, state.name)
        with self._writing(key_of(state)):
            try:
                answer = self.api.patch(f"{path}/status", {"status": document["status"]}, MERGE)
            except ApiError as error:
                if error.status != 404:
                    raise
                self._create(path.rpartition("/")[0], self._owned(document))
                answer = self.api.patch(f"{path}/status", {"status": document["status"]}, MERGE)
        self._mirror.take(Kind.SPEAKER_STATE, answer)
        self._publish(state)

    def _publish(self, state: SpeakerState) -> None:
        """The same in MetalLB's words."""
        if self._l2_statuses is not None:
            self._l2_statuses.want(announced(state))

    def write_configuration(self, configuration: Configuration) -> None:
        """Publish what this program makes of the configuration, as soon as the server takes it."""
        self._require_writer(self._writer or "a controller or a speaker", "what it makes of the configuration")
        if self._configuration is not None:
            self._configuration.want(configuration)

    def create_beacon_key(self, key: BeaconKey) -> None:
        """Make the Secret of the beacons; one that is there stays as it is. Raises ``Unavailable``."""
        name = Name(self._codec.namespace, BEACON_SECRET)
        self._require_writer(CONTROLLER, f"the Secret {name}")
        self._create(collection(Kind.SECRET, name.namespace), encode.beacon_secret(name, key))

    def record_event(self, event: Event) -> None:
        """Create an event, or count it. Raises ``Unavailable``."""
        self._require_writer(self._writer or "a controller or a speaker", f"an event on {event.regarding}")
        self._events.record(event, self._clock.wall())

    def own_node(self) -> Mapping[str, str] | None:
        """The reference to a speaker's Node, with which goes what it says of itself, as soon as it is known.

        Raises ``Unavailable`` once the Node is gone: what was said without it would stay for ever.
        """
        known = None
        if self._writer != CONTROLLER:
            known = self._mirror.get(ObjectKey(Kind.NODE, Name("", self._writer)))
        if known is None and self._had_node:
            raise Unavailable(f"the Node {self._writer} is gone, and with it what its speaker says of itself")
        self._had_node = known is not None
        return {"apiVersion": "v1", "kind": "Node", "name": self._writer, "uid": known.uid} if known else None

    def _reflector(self, which: Resource, reflection: Reflection) -> Reflector:
        return Reflector(self.api, which, reflection, self._troubles, self._stop)

    def _create(self, path: str, document: encode.Encoded) -> None:
        try:
            self.api.post(path, document)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    def _owned(self, document: encode.Encoded) -> encode.Encoded:
        """An object that goes when the speaker's Node goes."""
        owner = self.own_node()
        return document | {"metadata": document["metadata"] | ({"ownerReferences": [owner]} if owner else {})}

    def _owning_pod(self) -> Mapping[str, str] | None:
        """The reference to this program's pod, with which goes what it says of itself."""
        known = self._mirror.get(ObjectKey(Kind.POD, Name(self._codec.namespace, self._pod)))
        return {"apiVersion": "v1", "kind": "Pod", "name": self._pod, "uid": known.uid} if known else None

    def _require_version(self, key: ObjectKey, version: str) -> None:
        """Look at the object again: whoever decided must have seen what it says now, or that it cannot be read."""
        broken = self._mirror.unread_since(key, version)
        if broken is not None:
            version = str(broken.version)
        with self._writing(key):
            answer = self.api.get(item(key.kind, key.name))
        if self._codec.header(answer).metadata.resource_version != version:
            raise StaleWrite(f"{key} has changed since it was read")

    @contextmanager
    def _writing(self, key: ObjectKey) -> Iterator[None]:
        """Turn answers into errors for whoever decided; what keeps everybody from writing is told once, here."""
        noted = self._troubles.noted(WRITING)
        try:
            yield
        except ApiError as error:
            if error.stale:
                raise StaleWrite(f"{key} is gone" if error.status == 404 else f"{key} has changed: {error}") from error
            self._troubles.note(WRITING, error.everybody, cause_of(error))
            error.told = True
            raise
        except Unavailable as error:
            self._unanswered += 1
            if self._unanswered > 1:
                # A single connection that broke, or was broken since it was last used, is everyday life.
                self._troubles.note(WRITING, str(error), cause_of(error))
            error.told = True
            raise
        self._unanswered = 0
        self._troubles.over(WRITING, noted)

    def _require_writer(self, owner: str, what: str) -> None:
        if self._writer != owner:
            raise StaleWrite(f"{what} is written by {owner} alone, and this is {self._writer or 'a reader'}")
        if not self._mirror.is_open:
            raise Unavailable(f"{what} cannot be written: {self.api.host} is not being read")
