"""What a probe prints at its end: a table for a person, JSON for a program. Times count from the probe's start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from metalev.probe.run import Findings

GAPS_SHOWN = 10
Names = Callable[[str], str]
"""The name that is known for a MAC address; empty if none is."""


def text(found: Findings, target: str, names: Names, *, not_asked: str) -> str:
    """A table. ``not_asked`` is why nobody was asked on the segment; empty if they were."""
    return "\n".join(
        [
            f"{target}, {found.ended - found.began:.1f} s",
            "",
            f"connects  {_attempts(found)}",
            f"silence   {_silence(found)}",
            *([f"held      {_held(found)}"] if found.held else []),
            *_gaps(found),
            *(["", not_asked] if not_asked else _who(found, names)),
        ]
    )


def content(found: Findings, target: str, names: Names, *, started: datetime, not_asked: str) -> dict[str, Any]:
    """The same for a program; lengths in milliseconds, times in seconds from the start."""
    longest = found.silences.longest

    def at(time: float) -> float:
        return round(time - found.began, 4)

    return {
        "target": target,
        "started": started.isoformat(),
        "seconds": round(found.ended - found.began, 3),
        "connects": {
            "sent": found.attempts,
            "answered": found.answered,
            "refused": found.refused,
            "unanswered": found.unanswered,
        },
        "longestSilenceMs": round(longest.length * 1000, 1),
        "longestSilence": {"from": at(longest.began), "to": at(longest.ended)},
        "ownDelayMs": round(found.own_delay * 1000, 1),
        "gaps": [
            {"from": at(gap.began), "to": at(gap.ended), "ms": round(gap.length * 1000, 1)}
            for gap in found.silences.gaps
        ],
        "held": {
            "established": found.held,
            "lost": found.held_lost,
            "longestSilenceMs": round(found.held_longest_silence * 1000, 1),
            "ended": [{"at": at(loss.at), "why": loss.why, "lost": loss.lost} for loss in found.losses],
        },
        "answers": [
            {
                "from": at(span.first),
                "to": at(span.last),
                "mac": span.mac,
                "name": names(span.mac),
                "count": span.answers,
            }
            for span in found.answers.spans
        ],
        "doubleAnswers": found.answers.doubles,
        "longestUnansweredMs": round(found.answers.longest.length * 1000, 1),
        "notAsked": not_asked,
    }


def _attempts(found: Findings) -> str:
    return f"{found.attempts} sent, {found.answered} answered, {found.refused} refused, {found.unanswered} unanswered"


def _silence(found: Findings) -> str:
    if not found.answered:
        return "from the first connect to the last one: nothing was ever answered"
    longest = found.silences.longest
    return (
        f"{longest.length * 1000:.0f} ms at most, {_from_to(found, longest.began, longest.ended)}; "
        f"this probe was up to {found.own_delay * 1000:.0f} ms late itself"
    )


def _held(found: Findings) -> str:
    reasons = Counter(loss.why for loss in found.losses)
    said = "".join(f"; {count} {why}" for why, count in reasons.most_common())
    return f"{found.held} connections, {found.held_lost} lost{said}"


def _gaps(found: Findings) -> list[str]:
    gaps = found.silences.gaps
    if not gaps:
        return []
    worst = sorted(sorted(gaps, key=lambda gap: -gap.length)[:GAPS_SHOWN], key=lambda gap: gap.began)
    lines = ["", f"{'FROM':>9}  {'TO':>9}  SILENT"]
    lines += [f"{_at(found, gap.began)}  {_at(found, gap.ended)}  {gap.length * 1000:.0f} ms" for gap in worst]
    if more := len(gaps) + found.silences.omitted - len(worst):
        lines.append(f"... and {more} shorter ones; -o json lists them")
    return lines


def _who(found: Findings, names: Names) -> list[str]:
    answers = found.answers
    if not answers.spans:
        return ["", f"Nobody answered any of {answers.asked} questions on the segment."]
    lines = ["", f"{'FROM':>9}  {'TO':>9}  {'ANSWERS':>7}  ANSWERED BY"]
    for span in answers.spans:
        who = f"{span.mac}  {names(span.mac)}".rstrip()
        lines.append(f"{_at(found, span.first)}  {_at(found, span.last)}  {span.answers:>7}  {who}")
    longest = answers.longest
    where = _from_to(found, longest.began, longest.ended)
    lines.append(f"At most {longest.length * 1000:.0f} ms without an answer, {where}.")
    if answers.doubles:
        lines.append(f"{answers.doubles} of {answers.asked} questions were answered by two.")
    return lines


def _from_to(found: Findings, began: float, ended: float) -> str:
    return f"from {_at(found, began).strip()} to {_at(found, ended).strip()}"


def _at(found: Findings, time: float) -> str:
    return f"{time - found.began:+.3f} s".rjust(9)
