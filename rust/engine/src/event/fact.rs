//! What the engine reports, to be told to whoever watches.

use core::fmt;
use core::time::Duration;
use std::net::IpAddr;

use metalev_wire::MacAddr;

use super::Cause;
use crate::Time;

/// Something that the engine saw or did, with its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What.
    pub kind: FactKind,
    /// When.
    pub at: Time,
    /// Why, as a fixed word.
    pub cause: Cause,
    /// The same for a person, with the figures.
    pub message: String,
    /// The group concerned.
    pub group: Option<IpAddr>,
    /// The addresses concerned.
    pub addresses: Vec<IpAddr>,
    /// The term of the takeover concerned.
    pub term: u64,
    /// The peer concerned; empty if none.
    pub peer: String,
    /// The interface concerned; empty if none.
    pub interface: String,
    /// The MAC address of somebody else that is concerned.
    pub mac: Option<MacAddr>,
    /// For how long a peer is waited for, or a promise of this node's lasts; zero where that is not what is told.
    pub patience: Duration,
}

impl Fact {
    /// A fact about nothing in particular yet.
    pub(crate) fn new(kind: FactKind, at: Time, cause: Cause, message: String) -> Self {
        let (peer, interface) = (String::new(), String::new());
        let (addresses, patience) = (Vec::new(), Duration::ZERO);
        Self { kind, at, cause, message, group: None, addresses, term: 0, peer, interface, mac: None, patience }
    }
}

/// What the engine reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// This node answers for a group from now on.
    Took,
    /// This node no longer does.
    Yielded,
    /// This node goes on, and asks to be relieved.
    Offered,
    /// It does not ask any more: nobody took the group over.
    Kept,
    /// A peer is alive on an interface.
    PeerHeard,
    /// A peer is no longer heard on an interface.
    PeerLost,
    /// A peer is heard that says it does not hear this node.
    OneWay,
    /// This node cannot announce a group that it may announce.
    Unable,
    /// It can again.
    Able,
    /// The engine did not run for longer than its promise lasted.
    Overslept,
    /// Somebody else claims an address that this node holds.
    ForeignClaim,
    /// An interface can carry VIPs: told with its addresses when it comes up, and again whenever they change.
    InterfaceUp,
    /// It no longer can.
    InterfaceDown,
    /// All default gateways that an interface leads to, told when they change.
    Gateways,
    /// All addresses of this host on whichever interface, told when they change.
    HostAddresses,
    /// All its default gateways by whichever interface, told when they change.
    HostGateways,
    /// Beacons come that are not heeded, because of whom they come from or how they are made: told once of each sender.
    Unheeded,
    /// None of that kind came for a while.
    UnheededOver,
    /// The kernel does not take what this node sends.
    Unsent,
    /// It has not for several seconds.
    UnsentLasts,
    /// It has taken everything for several seconds.
    UnsentOver,
    /// Nobody answered the probes for an address.
    Clean,
    /// Somebody else has an address, found by a probe or by what they said unasked.
    Conflict,
    /// Nobody else has it any more.
    ConflictOver,
    /// Somebody answers for addresses that are not theirs, and is left to it.
    ProxyArp,
    /// They do no longer.
    ProxyArpOver,
    /// The kernel of one of our own nodes answers for an address that its speaker does not hold.
    OwnKernel,
    /// It does no longer.
    OwnKernelOver,
    /// An address of another node, or of this one, was not answered as it should be when this node asked for it.
    Witness,
    /// It is again.
    WitnessOver,
    /// A peer is waited for longer than usual, or this node asks its peers for that.
    Patience,
    /// No longer than usual any more.
    PatienceOver,
}

impl fmt::Display for FactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Took => "took",
            Self::Yielded => "yielded",
            Self::Offered => "offered",
            Self::Kept => "kept",
            Self::PeerHeard => "peer heard",
            Self::PeerLost => "peer lost",
            Self::OneWay => "one way",
            Self::Unable => "unable",
            Self::Able => "able",
            Self::Overslept => "overslept",
            Self::ForeignClaim => "foreign claim",
            Self::InterfaceUp => "interface up",
            Self::InterfaceDown => "interface down",
            Self::Gateways => "gateways",
            Self::HostAddresses => "host addresses",
            Self::HostGateways => "host gateways",
            Self::Unheeded => "unheeded",
            Self::UnheededOver => "unheeded over",
            Self::Unsent => "unsent",
            Self::UnsentLasts => "unsent lasts",
            Self::UnsentOver => "unsent over",
            Self::Clean => "clean",
            Self::Conflict => "conflict",
            Self::ConflictOver => "conflict over",
            Self::ProxyArp => "proxy arp",
            Self::ProxyArpOver => "proxy arp over",
            Self::OwnKernel => "own kernel",
            Self::OwnKernelOver => "own kernel over",
            Self::Witness => "witness",
            Self::WitnessOver => "witness over",
            Self::Patience => "patience",
            Self::PatienceOver => "patience over",
        })
    }
}
