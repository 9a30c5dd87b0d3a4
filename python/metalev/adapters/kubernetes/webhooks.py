"""What MetalLB leaves behind that would refuse every pool once its controller is gone."""

from __future__ import annotations

import logging

import msgspec

from metalev.adapters.codec import wire
from metalev.adapters.kubernetes.api import Api
from metalev.adapters.kubernetes.errors import ApiError

PATH = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/metallb-webhook-configuration"

log = logging.getLogger("metalev.kubernetes")


class _Service(wire.Wire, frozen=True):
    namespace: str = ""


class _Client(wire.Wire, frozen=True):
    service: _Service | None = None


class _Webhook(wire.Wire, frozen=True):
    client_config: _Client = _Client()


class _Configuration(wire.Wire, frozen=True):
    webhooks: list[_Webhook] | None = None


def remove_metallbs_webhooks(api: Api, namespace: str) -> None:
    """Delete MetalLB's webhook configuration if it points to a Service of ``namespace``, where metalev is instead.

    An admission webhook whose server is gone (and MetalLB's fail) keeps everybody from applying a pool. Raises
    ``Unavailable`` where nobody answers; without the right to it, it is only told.
    """
    try:
        found = msgspec.json.decode(api.get(PATH), type=_Configuration)
        if any(one.client_config.service == _Service(namespace) for one in found.webhooks or ()):
            api.delete(PATH)
            log.info("removed MetalLB's metallb-webhook-configuration: without its server, nobody could apply a pool")
    except ApiError as error:
        if error.status == 403:
            log.warning("cannot see whether MetalLB left its webhooks, which would refuse every pool: %s", error)
        elif error.status != 404:
            raise
