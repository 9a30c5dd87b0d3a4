//! What the engine says of others on the wire, for people.

use std::net::IpAddr;

use metalev_wire::MacAddr;

use crate::event::Cause;
use crate::kernels::Kernel;
use crate::sighting::{Form, Sighting};
use crate::witness::Finding;

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(crate) fn claim(seen: Sighting, interface: &str) -> String {
    let Sighting { address, mac, form } = seen;
    let says = match form {
        Form::Probe => format!("asks whether anybody has {address}"),
        Form::Use | Form::Answer | Form::Objection => format!("says that {address} is its own"),
    };
    format!("{mac} on {interface} {says}, and this node announces it")
}

pub(crate) fn conflict(address: IpAddr, mac: MacAddr, interface: &str, cause: Cause) -> String {
    let consequence = match cause {
        Cause::Probe => "no Service is given it meanwhile",
        Cause::HeldBefore => "it was announced before this speaker started and stays where it is",
        _ => "traffic to it may end there",
    };
    format!(
        "{address} is in use by somebody else, {mac} on {interface}: {consequence}; find that host and change its address"
    )
}

pub(crate) fn over(address: IpAddr, mac: MacAddr, cause: Cause) -> String {
    let why = match cause {
        Cause::Silence => "nothing was heard of it for ten minutes",
        Cause::Unwanted => "it is no longer of interest",
        Cause::Proxy => "that one answers for everybody (proxy ARP)",
        Cause::BeaconHeard => "that is one of our own nodes",
        _ => "nobody answers for it",
    };
    format!("{address} is no longer taken to be in use by {mac}: {why}")
}

pub(crate) fn clean(address: IpAddr, interface: &str) -> String {
    format!("nobody on {interface} has {address}")
}

pub(crate) fn proxy(mac: MacAddr, interface: &str, addresses: &[IpAddr]) -> String {
    let what = match addresses {
        [] => "addresses that are not its own and is a gateway".to_owned(),
        [one] => format!("{one} and is a gateway"),
        several => list(several),
    };
    format!(
        "{mac} on {interface} answers for {what}: it is taken for a router that answers for everybody (proxy ARP), so its \
         answers do not keep an address from being given; switch that off there (on Linux net.ipv4.conf.*.proxy_arp=0)"
    )
}

pub(crate) fn proxy_over(mac: MacAddr, cause: Cause) -> String {
    let why = match cause {
        Cause::Silence => "it has answered for nothing for ten minutes",
        _ => "it answers no longer when it is asked for what it answered for",
    };
    format!("{mac} is no longer taken for a router that answers for everybody (proxy ARP): {why}")
}

/// `by` is the name of the interface by which it answers, if that is known.
pub(crate) fn own_kernel(address: IpAddr, kernel: &Kernel, by: Option<&str>, interface: &str) -> String {
    let Kernel { peer, mac, aside, .. } = kernel;
    if *aside {
        let by = by.map_or_else(|| format!("{mac}, see ip link there"), |name| format!("{name}, {mac}"));
        return format!(
            "the kernel of node {peer} answers for {address} by an interface that its speaker does not use on this segment \
             ({by}; heard on {interface}): in kube-proxy's IPVS mode set strictARP: true, else \
             net.ipv4.conf.all.arp_ignore=1 and arp_announce=2 there"
        );
    }
    format!(
        "the kernel of node {peer} ({mac} on {interface}) answers for {address}, which its speaker does not hold: in \
         kube-proxy's IPVS mode set strictARP: true, else net.ipv4.conf.all.arp_ignore=1 and arp_announce=2 there"
    )
}

pub(crate) fn own_kernel_over(address: IpAddr, kernel: &Kernel, cause: Cause) -> String {
    let Kernel { peer, mac, .. } = kernel;
    let why = match cause {
        Cause::Silence => "it has not answered for ten minutes",
        Cause::Unwanted => "nobody asks for that any more",
        _ => "it answers no longer when it is asked",
    };
    format!("the kernel of node {peer} ({mac}) is no longer taken to answer for {address}: {why}")
}

pub(crate) fn unwitnessed(address: IpAddr) -> String {
    format!("{address} is no longer asked for: no Service has it, or no node may announce it")
}

pub(crate) fn witness(finding: &Finding, interface: &str) -> String {
    let Finding { address, expected, others, trouble } = finding;
    let announcer = expected.peer.as_ref().map_or("this node", |peer| peer.0.as_str());
    let others = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match trouble {
        Some(Cause::NoAnswer) => format!(
            "{address} is announced by {announcer}, and nobody on {interface} answers for it: see whether a switch or a \
             firewall drops broadcasts"
        ),
        Some(Cause::WrongAnswer) => {
            format!("{address} is announced by {announcer}, and on {interface} {others} answers for it instead")
        }
        Some(_) => format!("{address} is announced by {announcer}, and on {interface} {others} answers for it, too"),
        None => format!("{address} is answered for as it should be again, by {announcer} alone"),
    }
}
