"""What a log line looks like."""

import io
import json
import logging
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from metalev.adapters import logs
from metalev.adapters.logs import fields

log = logging.getLogger("metalev.test")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def written(level: str = "all", style: str = "text") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level, style, stream)
    return stream


def test_a_text_line_is_time_level_message_and_fields() -> None:
    stream = written()
    log.info("took %s", "192.0.2.1", extra=fields(group="192.0.2.1", term=3))
    line = stream.getvalue()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} INFO  took 192\.0\.2\.1  group=192\.0\.2\.1 term=3\n", line)


def test_a_field_with_spaces_is_quoted() -> None:
    stream = written()
    log.warning("hello", extra=fields(interface="udp (lan0)"))
    assert stream.getvalue().endswith('WARN  hello  interface="udp (lan0)"\n')


def test_empty_fields_are_left_out() -> None:
    assert fields(group=None, peer="", term=0, services=(), cause="link") == {"fields": {"cause": "link"}}


def test_a_json_line_is_one_object_with_the_fields_beside_the_message() -> None:
    stream = written(style="json")
    log.error("it\nbroke", extra=fields(services=("a", "b")))
    assert stream.getvalue().count("\n") == 1
    entry = json.loads(stream.getvalue())
    assert entry.pop("ts").endswith("Z")
    assert entry == {"level": "error", "msg": "it\nbroke", "services": ["a", "b"]}


@pytest.mark.parametrize("style", logs.FORMATS)
def test_a_traceback_is_not_lost(style: str) -> None:
    stream = written(style=style)
    try:
        _ = dict[str, int]()["a defect"]
    except KeyError:
        log.exception("it broke")
    assert "KeyError: 'a defect'" in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "seen"),
    [("all", "diwe"), ("debug", "diwe"), ("info", "iwe"), ("warn", "we"), ("error", "e"), ("none", "")],
)
def test_a_level_lets_through_what_is_at_least_as_grave(level: str, seen: str) -> None:
    stream = written(level)
    for letter, number in zip("diwe", (10, 20, 30, 40), strict=True):
        log.log(number, letter)
    assert "".join(line.split()[-1] for line in stream.getvalue().splitlines()) == seen


def test_lines_of_many_threads_stay_whole() -> None:
    reader, writer = os.pipe()
    handler = logs.LineHandler(writer)
    handler.setFormatter(logs.TextFormatter())
    log.addHandler(handler)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: log.warning("%s", str(number) * 100), range(8)))
    finally:
        log.removeHandler(handler)
        os.close(writer)
    with os.fdopen(reader) as lines:
        assert sorted(line.split()[-1] for line in lines) == [str(number) * 100 for number in range(8)]
