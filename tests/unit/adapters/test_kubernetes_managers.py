"""Who wrote a status, by the API server's own account."""

from __future__ import annotations

import json
from typing import Any

from metalev.adapters.kubernetes.managers import last_writer

LOAD_BALANCER: dict[str, Any] = {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}


def entry(manager: str, time: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "time": f"2026-01-02T{time}Z", "fieldsV1": fields}


def listed(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"items": [{"metadata": {"name": "web", "managedFields": list(entries)}}]}).encode()


def test_it_is_the_last_one_of_the_others_who_wrote_the_addresses() -> None:
    services = listed(
        entry("kube-vip", "03:00:00", LOAD_BALANCER),
        entry("k3s", "04:00:00", LOAD_BALANCER),
        entry("metalev", "06:00:00", LOAD_BALANCER),
        entry("kubectl-edit", "07:00:00", {"f:spec": {"f:ports": {}}}),
        entry("conditions", "08:00:00", {"f:status": {"f:conditions": {}}}),
    )
    assert last_writer(services) == "k3s"


def test_nobody_is_named_where_there_is_nobody() -> None:
    assert last_writer(listed(entry("metalev", "06:00:00", LOAD_BALANCER))) == ""
    assert last_writer(listed()) == last_writer(b'{"items": []}') == ""
