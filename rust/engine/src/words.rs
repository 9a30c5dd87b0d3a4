//! What the engine says, for people. The fixed words beside it (`Cause`, `FactKind`) are for machines.

use core::time::Duration;
use std::net::IpAddr;

use crate::event::{Cause, Fact, FactKind, Interface};
use crate::ownership::Outcome;
use crate::peer::Source;

fn ms(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(crate) fn overslept(slept: Duration, dead_time: Duration) -> String {
    format!("did not run for {} (the promise lasts {}): listening before anything is taken", ms(slept), ms(dead_time))
}

pub(crate) fn interface(kind: FactKind, link: &Interface) -> String {
    match kind {
        FactKind::InterfaceUp => {
            let own: Vec<IpAddr> = link.addresses.iter().map(|(address, _)| *address).collect();
            let own = if own.is_empty() { "none".to_owned() } else { list(&own) };
            format!("interface {} ({}) can carry addresses; its own: {own}", link.name, link.mac)
        }
        _ => format!("interface {} is gone or down", link.name),
    }
}

pub(crate) fn gateways(interface: &str, gateways: &[IpAddr]) -> String {
    match gateways {
        [] => format!("no default gateway is reached by {interface} any more"),
        gateways => format!("the default gateways reached by {interface}: {}", list(gateways)),
    }
}

/// Who sends from there, as far as it is known.
pub(crate) fn sender(from: Source, node: &str, interface: &str) -> String {
    let place = match from {
        Source::Mac(mac) => format!("{mac} on {interface}"),
        Source::Ip(ip) => format!("{ip} (UDP)"),
    };
    if node.is_empty() { place } else { format!("{node} at {place}") }
}

/// `name` is of the node or nodes concerned.
pub(crate) fn misfit(cause: Cause, sender: &str, name: &str) -> String {
    match cause {
        Cause::OtherKey => format!(
            "beacons of {sender} are signed with a key that this node does not have, so they count for nothing: give every \
             speaker the same keys (the Secret metalev-beacon, or --key-file)"
        ),
        Cause::OtherVersion => format!(
            "beacons of {sender} are of a version that is not spoken here, so they count for nothing: run one version of \
             metalev on all nodes"
        ),
        Cause::SameMac => format!(
            "{name} have one MAC address, {sender}: frames for the one arrive at the other, so their addresses fail now and \
             then; give one of them another MAC address (a cloned machine?)"
        ),
        _ => format!(
            "a second speaker, {sender}, calls itself {name} as well: it is not heeded while the first one lives; start it \
             with its own node's name (--node-name, METALLB_NODE_NAME)"
        ),
    }
}

/// Of what was told with these words nothing is heard any more.
pub(crate) fn misfit_over(told: &Fact) -> String {
    let Fact { cause, peer, mac, addresses, .. } = told;
    let place = mac.map_or_else(|| list(addresses), |mac| mac.to_string());
    let who = if peer.is_empty() { place } else { format!("{peer} at {place}") };
    match cause {
        Cause::OtherKey => format!("no beacons with another key come from {who} any more"),
        Cause::OtherVersion => format!("no beacons of another version come from {who} any more"),
        Cause::SameMac => format!("no two nodes have the MAC address of {who} any more"),
        _ => format!("no second speaker calls itself {peer} any more"),
    }
}

pub(crate) fn displaced(node: &str) -> String {
    format!(
        "another speaker calls itself {node} as well, and the peers speak with it: this one takes no address while that one \
         lives; start one of them with its own node's name (--node-name, METALLB_NODE_NAME)"
    )
}

/// How long `peer` is waited for, which may be this node itself; zero if it is no longer than usual any more.
pub(crate) fn patience(peer: &str, myself: bool, patience: Duration, usual: Duration) -> String {
    match (myself, patience.is_zero()) {
        (_, true) => format!("{peer} is given up after the usual {} again", ms(usual)),
        (true, _) => format!(
            "{peer} asks to be given up only after up to {} instead of {}, for its host has no time for its speaker: give \
             it a CPU request, or take load from this node",
            ms(patience),
            ms(usual)
        ),
        (false, _) => format!(
            "{peer} is given up only after up to {} instead of {}, for its beacons come late or get lost: look at the load \
             of both nodes, and at the network between them",
            ms(patience),
            ms(usual)
        ),
    }
}

/// `silence` is how long it lasted, and how long it might have.
pub(crate) fn peer(
    kind: FactKind,
    cause: Cause,
    peer: &str,
    path: &str,
    silence: Option<(Duration, Duration)>,
) -> String {
    match (kind, cause, silence) {
        (FactKind::PeerHeard, ..) => format!("{peer} is heard on {path}"),
        (FactKind::OneWay, ..) => {
            format!("{peer} is heard on {path} but does not hear this node there")
        }
        (_, Cause::Overslept, _) => format!("{peer} has to be heard anew on {path}: this node did not run"),
        (_, Cause::Goodbye, _) => format!("{peer} said goodbye on {path}"),
        (.., Some((silent, patience))) => {
            format!("{peer} is no longer heard on {path}: silent for {} (patience {})", ms(silent), ms(patience))
        }
        _ => format!("{peer} is no longer heard on {path}"),
    }
}

pub(crate) fn outcome(outcome: &Outcome, misses: u32) -> String {
    let what = list(&outcome.addresses);
    let Outcome { term, peer, .. } = outcome;
    match (outcome.kind, outcome.cause) {
        (FactKind::Took, Cause::FirstCandidate) => {
            format!("took {what} (term {term}): nobody announces it, and this node is the first candidate")
        }
        (FactKind::Took, Cause::MissedBeacons) => {
            let silent = outcome.silent_for.map_or_else(String::new, |silent| format!(" (silent for {})", ms(silent)));
            format!("took {what} (term {term}): its announcer {peer} missed {misses} beacons{silent}")
        }
        (FactKind::Took, Cause::PassedOver) => {
            format!("took {what} (term {term}): {peer} comes first and lives, but did not take it in time")
        }
        (FactKind::Took, Cause::Resumed) => {
            format!("announces {what} again (term {term}): nobody has taken it since this speaker started anew")
        }
        (FactKind::Took, Cause::Regrouped) => {
            format!("announces {what} (term {term}) from now on: other addresses move together than before")
        }
        (FactKind::Took, Cause::Released) => {
            format!("took {what} (term {term}): {peer} gave it up")
        }
        (FactKind::Took, Cause::OffLink) => {
            format!("took {what} (term {term}): {peer} announces it without a subnet for it, and this node has one")
        }
        (FactKind::Took, Cause::Stopping) => {
            format!("took {what} (term {term}): {peer} stops and asked to be relieved")
        }
        (FactKind::Took, Cause::NotCandidate) => {
            format!("took {what} (term {term}): {peer} may not announce it any more and asked to be relieved")
        }
        (FactKind::Took, Cause::Drill) => {
            format!("took {what} (term {term}): {peer} asked to be relieved, for a drill")
        }
        (FactKind::Took, Cause::HigherScore) => {
            format!("took {what} (term {term}): this node is preferred to {peer}, which announced it")
        }
        (FactKind::Took, Cause::FailBack) => {
            format!("took {what} (term {term}): this node comes before {peer}, which announced it")
        }
        (FactKind::Took, _) => {
            format!("announces {what} (term {term}) anew: an interface came, went or has another MAC address")
        }
        (FactKind::Yielded, Cause::HigherTerm) => {
            format!("fell silent for {what}: {peer} took it later")
        }
        (FactKind::Yielded, Cause::HigherScore) => {
            format!("fell silent for {what}: {peer} is preferred to this node and took it back")
        }
        (FactKind::Yielded, Cause::FailBack) => {
            format!("fell silent for {what}: {peer} comes before this node and took it back")
        }
        (FactKind::Yielded, Cause::EarlierCandidate) => {
            format!("fell silent for {what}: {peer} announces it too and comes earlier")
        }
        (FactKind::Offered | FactKind::Kept, _)
        | (FactKind::Yielded, Cause::NotCandidate | Cause::Stopping | Cause::Drill) => moves(outcome),
        (FactKind::Yielded, Cause::Regrouped) => {
            format!("no longer announces {what} as one group: other addresses move together than before")
        }
        (FactKind::Yielded, Cause::GaveWay) => {
            format!("fell silent for {what}: a speaker of MetalLB announces it now")
        }
        (FactKind::Yielded, Cause::Removed) => {
            format!("fell silent for {what}: it is not to be announced any more")
        }
        (FactKind::Yielded, Cause::NoInterface) => {
            format!("fell silent for {what}: no interface may carry it any more")
        }
        (FactKind::Yielded, Cause::OffLink) => {
            format!("fell silent for {what}: {peer} announces it and has a subnet for it, and this node has none")
        }
        (FactKind::Yielded, Cause::Gateway) => format!("fell silent for {what}: it is now a default gateway"),
        (FactKind::Yielded, Cause::OwnAddress) => format!("fell silent for {what}: it is now an address of this node"),
        (FactKind::Yielded, Cause::Overslept) => {
            format!("fell silent for {what}: this node did not run")
        }
        (FactKind::Able, Cause::OffLink) => {
            format!("{what} can be announced from this node: no other candidate has a better subnet for it any more")
        }
        (FactKind::Able, _) => format!("{what} can be announced from this node"),
        (_, Cause::NoInterface) => {
            format!("{what} cannot be announced from this node: no interface may carry it")
        }
        (_, Cause::Gateway) => {
            format!("{what} cannot be announced: it is a default gateway of this node")
        }
        (_, Cause::OffLink) => format!(
            "{what} is not announced from this node: no interface that may carry it has a subnet with it, and another \
             candidate's has"
        ),
        (_, Cause::OwnAddress) => {
            format!("{what} cannot be announced: it is an address of this node itself")
        }
        (kind, cause) => format!("{kind} {what}: {cause}"),
    }
}

/// Of an announcer that is to leave.
fn moves(outcome: &Outcome) -> String {
    let what = list(&outcome.addresses);
    let why = match outcome.cause {
        Cause::Stopping => "the speaker stops",
        Cause::NotCandidate => "this node is no candidate any more",
        _ => "somebody wants to see it move",
    };
    match outcome.kind {
        FactKind::Offered => format!("asks to be relieved of {what}: {why}"),
        FactKind::Kept => format!("goes on announcing {what}: no other candidate took it over"),
        _ if outcome.peer.is_empty() => format!("fell silent for {what}: {why}, and no other candidate took it over"),
        _ => format!("handed {what} over to {}: {why}", outcome.peer),
    }
}
