"""What drills make of the table: who is no candidate for now, and whether this node is to be silent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from metalev.model.actions import Holding, SpeakerState
from metalev.model.address import IPAddress
from metalev.model.drills import Drill, DrillMode
from metalev.model.ownership import Group, OwnershipTable, Silence


def drilled(table: OwnershipTable, drills: Collection[Drill], node: str) -> OwnershipTable:
    """The table of ``node`` while these drills go on."""
    if not drills:
        return table
    groups = tuple(_without(group, drills, node) for group in table.groups)
    return replace(table, groups=groups, silence=_silence(drills, node))


def _without(group: Group, drills: Collection[Drill], node: str) -> Group:
    """Without the nodes that are not to have it. A drill that would leave it to nobody is not followed."""
    before = group.candidates
    for drill in drills:
        if drill.mode is DrillMode.MOVE and drill.address in group.addresses:
            rest = tuple(one for one in group.candidates if one.node not in drill.nodes)
            group = replace(group, candidates=rest) if rest else group
    drilled = node in {one.node for one in before} - {one.node for one in group.candidates}
    return replace(group, drilled=drilled) if drilled else group


def _silence(drills: Collection[Drill], node: str) -> Silence | None:
    for drill in drills:
        if drill.mode is DrillMode.CRASH and node in drill.nodes:
            return Silence(str(drill.name), float(drill.seconds))
    return None


def holders(speakers: Iterable[SpeakerState], address: IPAddress) -> Mapping[str, Holding]:
    """The nodes that say that they announce ``address``, and how they came to it."""
    text = str(address)
    found = ((state.name.name, one) for state in speakers for one in state.holdings if text in one.addresses)
    return dict(found)


def latest(found: Mapping[str, Holding]) -> str:
    """Who took it last: one that was silenced, or died, still says that it has it. Empty if nobody has it."""
    return max(found, key=lambda node: found[node].term, default="")


def sent_back(candidates: Sequence[str], to: str, holder: str) -> tuple[str, ...]:
    """Who must not have an address for it to come ``to`` a candidate: its holder, and all that are asked before.

    Those that come later stay candidates: if the node died in that moment, they would take it.
    """
    return tuple(dict.fromkeys((holder, *candidates[: candidates.index(to)])))
