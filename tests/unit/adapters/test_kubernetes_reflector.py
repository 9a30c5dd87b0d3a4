"""What a watch says, taken in."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from metalev.adapters.kubernetes.reflector import Reflector
from metalev.adapters.kubernetes.resources import Resource

BOOKMARK = b'{"type":"BOOKMARK","object":{"kind":"Node","apiVersion":"v1","metadata":{"resourceVersion":"77"}}}'


class OneBookmark:
    """An API server with an empty list, whose first watch has a bookmark in it."""

    def __init__(self, stop: threading.Event) -> None:
        self.host = "https://api"
        self.asked: list[str] = []
        self._stop = stop

    def get(self, _path: str, _query: Mapping[str, str]) -> bytes:
        return b'{"metadata":{"resourceVersion":"7"},"items":[]}'

    @contextmanager
    def lines(self, _path: str, query: Mapping[str, str], _silence: float) -> Iterator[list[bytes]]:
        self.asked.append(query["resourceVersion"])
        if len(self.asked) == 2:
            self._stop.set()
        yield [BOOKMARK]


class Nothing:
    """A mirror and the troubles: neither is asked anything here that matters."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def test_a_watch_goes_on_from_a_bookmark_which_has_no_name() -> None:
    stop = threading.Event()
    api = OneBookmark(stop)
    resource = cast("Resource", type("R", (), {"path": "/api/v1/nodes", "selectors": {}, "kind": "Node"}))
    reflector = Reflector(cast("Any", api), resource, cast("Any", Nothing()), cast("Any", Nothing()), stop)
    reflector.run()
    assert api.asked == ["7", "77"]
