"""Drills on an API server: an object each, which its operator's command creates and deletes."""

from __future__ import annotations

from metalev.adapters.codec import encode
from metalev.adapters.kubernetes.api import Api
from metalev.adapters.kubernetes.errors import ApiError
from metalev.adapters.kubernetes.resources import collection, item
from metalev.model.drills import Drill
from metalev.model.meta import Kind


class ApiDrills:
    """Orders drills to the speakers that watch this API server."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def order(self, drill: Drill) -> None:
        """Begin it. Raises ``Unavailable``."""
        self._api.post(collection(Kind.DRILL, drill.name.namespace), encode.drill(drill))

    def withdraw(self, drill: Drill) -> None:
        """End it, if it goes on. Raises ``Unavailable``."""
        try:
            self._api.delete(item(Kind.DRILL, drill.name))
        except ApiError as error:
            if error.status != 404:
                raise
