"""Which of the speakers live, as far as their states tell: what one says of others' hosts ends with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from metalev.model.actions import SpeakerState
from metalev.model.cluster import Node, SpeakerPod
from metalev.model.meta import Name


def living_speakers(
    nodes: Mapping[Name, Node], speakers: Mapping[Name, SpeakerState], pods: Collection[SpeakerPod] = ()
) -> tuple[SpeakerState, ...]:
    """The states of speakers whose node exists, whose Pod runs, and whom others hear as they say that they hear them.

    Where no node, or no Pod of ours, is known, it need not be. One that hears nobody is believed: it may be alone.
    """
    running = {pod.node for pod in pods if not pod.foreign and pod.running}
    known = any(not pod.foreign for pod in pods)
    states = {
        name: state
        for name, state in speakers.items()
        if (not nodes or name in nodes) and (not known or name.name in running)
    }
    unheard = _unheard(states.values())
    return tuple(state for name, state in states.items() if name.name not in unheard)


def _unheard(states: Iterable[SpeakerState]) -> frozenset[str]:
    """Those whose word is old: somebody does not hear them whom they say to hear, nor does anybody else who counts."""
    heard = {state.name.name: frozenset(state.peers_heard) for state in states}
    doubtful = {
        name for name, peers in heard.items() if any(peer in heard and name not in heard[peer] for peer in peers)
    }
    vouched = {peer for name, peers in heard.items() if name not in doubtful for peer in peers}
    return frozenset(doubtful - vouched)
