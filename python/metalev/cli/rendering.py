"""What the commands that look print: for a person, and as JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from metalev.decide.findings import Chain, Finding, amount
from metalev.decide.overview import NodeRow, Overview, PoolRow

# Rows of Services that are shown unless all are asked for.
ROWS = 20
_UNKNOWN = "-"


def chain_text(chain: Chain, width: int | None = None) -> str:
    """The chain, a question per line, and the verdict."""
    column = max(len(one.asked) for one in chain.findings)
    lines = [f"Service {chain.service}", ""]
    for finding in chain.findings:
        lines += _finding(finding, column, width)
    lines += ["", *_wrapped(chain.verdict, "", "     ", width)]
    if chain.healthy:
        address = chain.addresses[0]
        lines.append(f"no answer still? On a machine of its segment: ping -c 1 {address}; ip neigh show {address}")
    return "\n".join(lines)


def overview_text(seen: Overview, width: int | None = None, *, everything: bool = False) -> str:
    """One screen: Services with what is wrong first, pools, nodes, problems, and the verdict."""
    blocks = [
        _services(seen, width, everything),
        _table(("POOL", "IPV4", "IPV6", "ADVERTISED BY"), [_pool(one) for one in seen.pools]),
        _nodes(seen, everything),
        ["PROBLEMS", *_list(seen.problems, width)],
        ["REMARKS", *_list(seen.remarks, width)],
    ]
    shown = [block for block in blocks if len(block) > 1]
    return "\n\n".join(["\n".join(block) for block in shown] + [seen.verdict])


def chain_json(chain: Chain) -> str:
    """The same for a program."""
    return _dumped(_chain(chain))


def overview_json(seen: Overview) -> str:
    """The same for a program: every Service, however many."""
    return _dumped(
        {
            "healthy": seen.healthy,
            "verdict": seen.verdict,
            "services": [_chain(one) for one in seen.chains],
            "otherClasses": list(map(str, seen.foreign)),
            "pools": [
                {
                    "name": one.name,
                    "advertisedBy": one.advertised,
                    "resting": one.resting,
                    "usage": [
                        {"family": f"IPv{family}", "total": total, "inUse": held, "free": free}
                        for family, (total, held, free) in one.usage.items()
                    ],
                }
                for one in seen.pools
            ],
            "nodes": [
                {"name": one.name, "speaker": one.speaker, "announces": one.announces, "hears": one.hears}
                for one in seen.nodes
            ],
            "problems": seen.problems,
            "remarks": seen.remarks,
        }
    )


def _list(sentences: Iterable[str], width: int | None) -> list[str]:
    return [line for one in sentences for line in _wrapped(one, "- ", "  ", width)]


def _dumped(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def _chain(chain: Chain) -> dict[str, Any]:
    return {
        "service": str(chain.service),
        "healthy": chain.healthy,
        "verdict": chain.verdict,
        "addresses": list(map(str, chain.addresses)),
        "pool": chain.pool,
        "announcers": chain.announcers,
        "findings": [
            {
                "asked": one.asked,
                "answer": str(one.answer).lower(),
                "text": one.text,
                "advice": one.advice,
                "details": one.details,
            }
            for one in chain.findings
        ],
    }


def _finding(finding: Finding, column: int, width: int | None) -> list[str]:
    start = f"  {finding.answer:<4}  {finding.asked:<{column}}  "
    indent = " " * len(start)
    lines = _wrapped(finding.text, start, indent, width)
    for detail in finding.details:
        lines += _wrapped(detail, f"{indent}- ", f"{indent}  ", width)
    if finding.advice:
        lines += _wrapped(finding.advice, f"{indent}=> ", f"{indent}   ", width)
    return lines


def _services(seen: Overview, width: int | None, everything: bool) -> list[str]:
    limit = len(seen.chains) if everything else ROWS
    broken = seen.broken
    well = [one for one in seen.chains if one.healthy]
    rows = [*broken[:limit], *well[:limit]]
    table = _table(("SERVICE", "ADDRESS", "POOL", "NODE"), [_service(one) for one in rows])
    lines = table[:1]
    for place, (chain, line) in enumerate(zip(rows, table[1:], strict=True), 1):
        lines.append(line)
        if chain.brief and not (place < len(rows) and rows[place].brief == chain.brief):
            lines += _wrapped(chain.brief, "    ", "    ", width)  # once for all who have the same reason
    if len(broken) > limit:
        missing = Counter(one.broken.asked for one in broken if one.broken)
        counts = ", ".join(f"{count} by {asked}" for asked, count in missing.most_common())
        lines.append(f"... and {len(broken) - limit} more without traffic ({counts}); --all lists them")
    if len(well) > limit:
        lines.append(f"... and {len(well) - limit} more that are answered for; --all lists them")
    if seen.foreign:
        names = ", ".join(map(str, seen.foreign[:5])) + (", ..." if len(seen.foreign) > 5 else "")
        lines.append(f"{len(seen.foreign)} of another loadBalancerClass, which others serve: {names}")
    return lines


def _nodes(seen: Overview, everything: bool) -> list[str]:
    shown = seen.nodes if everything else seen.nodes[:ROWS]
    lines = _table(("NODE", "SPEAKER", "ANNOUNCES", "HEARS"), [_node(one, seen.others) for one in shown])
    if rest := seen.nodes[len(shown) :]:
        runs = sum(one.runs for one in rest)
        lines.append(f"... and {len(rest)} more, {runs} of them with a speaker that runs; --all lists them")
    return lines


def _service(chain: Chain) -> tuple[str, ...]:
    addresses = ",".join(map(str, chain.addresses)) or "<pending>"
    return str(chain.service), addresses, chain.pool or _UNKNOWN, ",".join(chain.announcers) or _UNKNOWN


def _pool(row: PoolRow) -> tuple[str, ...]:
    ipv4, ipv6 = (_usage(row, family) for family in (4, 6))
    return row.name, ipv4, ipv6, ",".join(row.advertised) or "nobody"


def _usage(row: PoolRow, family: int) -> str:
    if family not in row.usage:
        return _UNKNOWN
    total, held, free = row.usage[family]
    return f"{held} of {amount(total)}" + ("" if free else ", none free")


def _node(row: NodeRow, others: int) -> tuple[str, ...]:
    if not row.runs:
        return row.name, row.speaker, _UNKNOWN, _UNKNOWN
    return row.name, row.speaker, str(row.announces), f"{row.hears} of {others}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines with aligned columns; the header alone if there are no rows."""
    cells = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in cells]


def _wrapped(text: str, first: str, rest: str, width: int | None) -> list[str]:
    if width is None:
        return [first + text]
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
