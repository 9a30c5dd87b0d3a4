"""Drills on an API server: an object each, which its operator's command creates and deletes."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

from metalev.adapters.codec import encode
from metalev.adapters.kubernetes.api import Api
from metalev.adapters.kubernetes.errors import ApiError
from metalev.adapters.kubernetes.resources import collection, item
from metalev.model.drills import FORGOTTEN, Drill
from metalev.model.meta import Kind, Name


class ApiDrills:
    """Orders drills to the speakers that watch this API server."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def order(self, drill: Drill) -> None:
        """Begin it, and clear away what commands that were killed have left. Raises ``Unavailable``."""
        drills = collection(Kind.DRILL, drill.name.namespace)
        made = json.loads(self._api.post(drills, encode.drill(drill)))
        with suppress(ApiError):  # who may not look leaves it to the next one who may
            for one in json.loads(self._api.get(drills))["items"]:
                # By the API server's clock, both of them.
                if _created(made) - _created(one) > FORGOTTEN:
                    self._delete(Name(drill.name.namespace, one["metadata"]["name"]))

    def withdraw(self, drill: Drill) -> None:
        """End it, if it goes on. Raises ``Unavailable``."""
        self._delete(drill.name)

    def _delete(self, name: Name) -> None:
        try:
            self._api.delete(item(Kind.DRILL, name))
        except ApiError as error:
            if error.status != 404:
                raise


def _created(document: dict[str, Any]) -> float:
    return datetime.fromisoformat(document["metadata"]["creationTimestamp"]).timestamp()
