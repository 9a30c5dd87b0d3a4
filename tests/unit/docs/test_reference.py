"""The tables of reference: metrics, messages and words are those of the code, all of them and no others."""

from __future__ import annotations

import ast
import re
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.unit.docs.markdown import DOCS, ROOT, code_spans, prose, shown, tables

from metalev.adapters.metrics import WITNESS_RESULTS, Announced, Figures, Metrics
from metalev.decide.candidates import Why
from metalev.decide.misspelt import ANNOTATIONS, OWN_PREFIX
from metalev.decide.outcome import ALL_IS_WELL, CONDITION
from metalev.decide.replacing import REPLACED
from metalev.decide.unread import ANNOUNCEABLE, UNREAD
from metalev.model.pools import PREEMPT_ANNOTATION, PoolStatus
from metalev.ports.ownership import AddressCounters, Counters, PathCounters

METRICS = ROOT / "docs" / "tasks" / "metrics.md"
CONFORMANCE = ROOT / "docs" / "metallb-conformance.md"
ADDRESSES = ROOT / "docs" / "concepts" / "addresses.md"
CONFLICTS = ROOT / "docs" / "concepts" / "conflicts.md"
DETECTION = ROOT / "docs" / "concepts" / "failure-detection.md"
FAILOVER = ROOT / "docs" / "concepts" / "failover.md"
LAYER2 = ROOT / "docs" / "concepts" / "layer2.md"
TROUBLESHOOTING = ROOT / "docs" / "tasks" / "troubleshooting.md"

CONTROLLER = Figures(config_loaded=True, config_stale=False, pools={"home": PoolStatus()}, pending=0, leads=True)
SPEAKER = Figures(
    config_loaded=True,
    config_stale=False,
    announced=(Announced("default/web", "192.0.2.1", "node1"),),
    moved=(("192.0.2.1", 0.0),),
    conflicts=(("192.0.2.9", "02:00:00:00:09:09"),),
    engine=Counters(
        (AddressCounters(ip_address("192.0.2.1")),), {"announceIP": 1}, paths=(PathCounters("node2", "eth0"),)
    ),
)


class Row(NamedTuple):
    """A metric as the table has it, and as a program serves it."""

    metric: str
    type: str
    labels: frozenset[str]


def served(figures: Figures) -> set[Row]:
    """What a program with these figures serves."""
    metrics = Metrics(lambda: figures)
    metrics.moved("missed-beacons")
    metrics.left("stopping", 1)
    text = metrics.render().decode()
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    labels = {name: re.findall(r'(\w+)="', found) for name, found in re.findall(r"^(\w+)\{(.*)\} ", text, re.MULTILINE)}
    return {Row(name, kind, frozenset(labels.get(name, ()))) for name, kind in types.items()}


def listed(*programs: str) -> set[Row]:
    """What the table says of these programs."""
    rows = tables(METRICS, "metric", "type", "of", "labels")
    return {
        Row(metric.strip("`"), kind, frozenset(code_spans(labels)))
        for metric, kind, program, labels, _ in rows
        if program in programs
    }


def source_text() -> str:
    """The texts in the sources; what is filled in at run time is a gap."""
    python = [node for path in (ROOT / "python").rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    texts = [_text(node) for node in python if isinstance(node, ast.Constant | ast.JoinedStr)]
    rust = [re.sub(r"\\\n\s*", "", path.read_text()) for path in (ROOT / "rust").glob("*/src/**/*.rs")]
    return "\0".join([*texts, *rust]).replace('\\"', '"')


def _text(node: ast.AST) -> str:
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(values):
            return "".join(_text(value) if isinstance(value, ast.Constant) else "\0" for value in values)
        case _:
            return ""


def words_of(rust_enum: str) -> set[str]:
    """How the variants of an enum of the engine are written, of those that it uses."""
    used = "".join(path.read_text() for path in (ROOT / "rust" / "engine" / "src").rglob("*.rs"))
    display = used.partition(f"impl fmt::Display for {rust_enum} {{")[2].partition("\n}")[0]
    words: dict[str, str] = dict(re.findall(r'Self::(\w+) => "(.+)"', display))
    return {word for variant, word in words.items() if f"{rust_enum}::{variant}" in used}


def first_column(path: Path, *header: str) -> set[str]:
    """The inline code in the first column of the tables with this header."""
    return {span for row in tables(path, *header) for span in code_spans(row[0])}


def test_every_metric_of_the_controller_is_listed_and_no_other() -> None:
    assert served(CONTROLLER) == listed("C", "both")


def test_every_metric_of_the_speaker_is_listed_and_no_other() -> None:
    assert served(SPEAKER) == listed("S", "both")


@pytest.mark.parametrize(
    ("path", "heading"),
    [(TROUBLESHOOTING, "line"), (TROUBLESHOOTING, "problem"), (ADDRESSES, "message"), (CONFLICTS, "words")],
    ids=lambda value: shown(value) if isinstance(value, Path) else value,
)
def test_every_message_that_is_explained_is_one_of_the_codes(path: Path, heading: str) -> None:
    texts = source_text()
    messages = first_column(path, heading)
    parts = [part.strip() for message in messages for part in re.split(r"<[\w ]+>", message)]
    assert messages
    assert [part for part in parts if part not in texts] == []


def test_the_reasons_for_which_a_node_is_no_candidate_are_all_explained() -> None:
    assert first_column(LAYER2, "word") == {*Why} - {Why.NOT_OWNER}


def test_the_reasons_for_which_a_frame_gets_no_answer_are_all_explained() -> None:
    assert first_column(METRICS, "reason", "what it was") == words_of("DropReason")


def test_every_cause_is_explained() -> None:
    of_strangers = first_column(DETECTION, "cause", "what it is")
    assert of_strangers == {"other-key", "other-version", "same-name", "same-mac"}
    of_conflicts = first_column(CONFLICTS, "cause of a conflict or of its end", "meaning")
    of_witness = first_column(CONFLICTS, "result", "what it means")
    of_peers = {"beacon-heard", "not-heard", "goodbye"}
    explained = first_column(FAILOVER, "cause", "meaning") | of_strangers | of_conflicts | of_witness | of_peers
    of_patience = first_column(DETECTION, "cause of patience", "what it is")
    assert explained | of_patience == words_of("Cause")
    assert of_witness == set(WITNESS_RESULTS)


def test_the_reasons_of_the_condition_are_those_that_allocation_gives() -> None:
    reasons = {row[1].strip("`") for row in tables(ADDRESSES, "status", "reason")}
    decide = ROOT / "python" / "metalev" / "decide"
    allocation = "".join((decide / f"{part}.py").read_text() for part in ("allocation", "hindrances", "outcome"))
    of_events_alone = {"deprecatedAnnotation", "ClearAssignment", "nolbIPsIPFamily", ALL_IS_WELL}
    given = set(re.findall(r'"([A-Za-z]{5,})", (?:f?"|message|self._failure)', allocation)) - of_events_alone | {UNREAD}
    assert reasons == given


def test_the_conditions_and_annotations_that_are_named_are_those_that_there_are() -> None:
    named = {span for path in DOCS for span in code_spans(prose(path)) if span.startswith(OWN_PREFIX)}
    assert named - {OWN_PREFIX} == {CONDITION, ANNOUNCEABLE, ANNOTATIONS, REPLACED, PREEMPT_ANNOTATION}


CONFORMANCE_ROWS = list(tables(CONFORMANCE, "MetalLB", "tests"))


NAMED_TEST = re.compile(r"(?:[\w/]+\.(?:py|rs)::)?[a-z0-9]+(?:_[a-z0-9]+){3,}")


def named_tests(row: list[str]) -> set[str]:
    """The tests in the second column; options and words of MetalLB have fewer parts to their names."""
    return {span for span in code_spans(row[1]) if NAMED_TEST.fullmatch(span)}


def existing_tests() -> dict[str, list[str]]:
    """All tests, in Python and in Rust, by name with the files that define one of this name."""
    python = [(path, r"^def (test_\w+)") for path in (ROOT / "tests").rglob("test_*.py")]
    sources = (path for folder in ("src", "tests") for path in (ROOT / "rust").glob(f"*/{folder}/**/*.rs"))
    rust = [(path, r"#\[test\]\s+(?:#\[.*\]\s+)*fn (\w+)") for path in sources]
    found: dict[str, list[str]] = {}
    for path, pattern in (*python, *rust):
        for name in re.findall(pattern, path.read_text(), re.MULTILINE):
            found.setdefault(name, []).append(shown(path))
    return found


def test_every_test_of_the_conformance_list_exists_and_is_told_from_its_namesakes() -> None:
    existing = existing_tests()
    once = {name for name, files in existing.items() if len(files) == 1}
    with_file = {f"{file}::{name}" for name, files in existing.items() for file in files}
    assert CONFORMANCE_ROWS
    assert set().union(*map(named_tests, CONFORMANCE_ROWS)) - once - with_file == set()


def test_what_metallb_promises_is_answered_by_a_test_or_by_a_plain_word() -> None:
    plain = ("the same", "not there")
    assert [row[0] for row in CONFORMANCE_ROWS if not named_tests(row) and not row[1].startswith(plain)] == []


def test_every_benchmark_and_each_of_their_helpers_is_listed() -> None:
    bench = ROOT / "bench"
    files = {path.name for path in bench.glob("*.py")} - {"conftest.py"}
    measuring = {name for name in files if name.startswith("bench_")}
    assert first_column(bench / "README.md", "file", "measures") == measuring
    assert files <= set(code_spans(prose(bench / "README.md")))


FAULTS = list(tables(ROOT / "docs" / "concepts" / "failover-proof.md", "fault", "line", "what to do", "tests"))


def test_the_line_of_every_fault_among_the_nodes_is_one_of_the_codes() -> None:
    texts = source_text()
    assert len(FAULTS) == 9
    assert [line for row in FAULTS for line in code_spans(row[1]) if line not in texts] == []


def test_every_fault_among_the_nodes_has_a_test() -> None:
    existing = existing_tests()
    assert [row[0] for row in FAULTS if not code_spans(row[3])] == []
    assert [name for row in FAULTS for name in code_spans(row[3]) if name not in existing] == []


def test_every_fault_that_is_not_in_the_chaos_has_a_test_elsewhere() -> None:
    rows = list(tables(ROOT / "docs" / "concepts" / "failover-proof.md", "fault", "tests"))
    existing = existing_tests()
    assert len(rows) == 5
    assert [row[0] for row in rows if not code_spans(row[1])] == []
    assert [name for row in rows for name in code_spans(row[1]) if name not in existing] == []
