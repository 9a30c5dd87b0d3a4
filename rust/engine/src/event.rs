//! What goes into the engine and what comes out of it: read this file and you know what a speaker can do.

use core::fmt;
use core::time::Duration;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use metalev_wire::MacAddr;

use crate::{Failovers, Table, Time};

/// An input. The time of it is handed in beside it.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The whole table of peers, keys and groups, replacing the one before.
    Table(Table),
    /// All interfaces that are up and may carry VIPs, replacing those before.
    Interfaces(Vec<Interface>),
    /// What is this host's own on whichever interface, replacing what was before.
    Host(Host),
    /// A frame as it came off an interface, from the Ethernet header on: ARP, IPv6 with neighbor discovery, or a beacon.
    Frame {
        /// The interface's index.
        interface: u32,
        /// The frame.
        bytes: &'a [u8],
    },
    /// The payload of a UDP datagram on the beacon port.
    Datagram(Datagram<'a>),
    /// The caller runs again: handed in before what has queued meanwhile, so that an engine that overslept knows it before
    /// it believes any of that. Does nothing else.
    Woke,
    /// Time has passed: handed in after what had queued, so that nobody is given up whose beacon waits to be read.
    Tick,
    /// The group of this address is to move, if somebody else can have it: for a drill.
    Drill(IpAddr),
    /// The speaker ends: hand over what is held, then say goodbye. [`Engine::stopped`](crate::Engine::stopped) tells when
    /// that is done: after a second at most.
    Stop,
}

/// A UDP datagram and the way it took.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Index of the interface on which it arrived (`IP_PKTINFO`).
    pub interface: u32,
    /// Its source.
    pub from: SocketAddr,
    /// Its payload.
    pub bytes: &'a [u8],
}

/// An interface that is up and may carry VIPs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its current MAC address: the source of every frame that leaves by it.
    pub mac: MacAddr,
    /// Its own addresses, each with the length of the on-link prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The default gateways that are reached through it, of both families.
    pub gateways: Vec<IpAddr>,
}

/// What nobody may be given, because this host or the way out of it has it: also what is configured on interfaces that
/// carry no VIPs, as the loopback and the bridges of containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The host's own addresses.
    pub addresses: Vec<IpAddr>,
    /// Its default gateways.
    pub gateways: Vec<IpAddr>,
}

/// An output, to be carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a whole Ethernet frame.
    SendFrame {
        /// The interface's index.
        interface: u32,
        /// The frame from the Ethernet header on, without checksum.
        bytes: Vec<u8>,
    },
    /// Send a UDP datagram to the beacon port of a node.
    SendDatagram {
        /// The node's address.
        to: IpAddr,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// Be a member of exactly these solicited-node groups (RFC 4291 section 2.7.1) on an interface, and of no others
    /// that an earlier action named; so that switches which snoop MLD let the questions through.
    SetGroups {
        /// The interface's index.
        interface: u32,
        /// The groups, sorted, each once.
        groups: Vec<Ipv6Addr>,
    },
    /// Throw away whatever is queued in the sockets: it is from before a sleep, and nobody waits for the answer.
    DiscardQueued,
    /// Tell whoever watches.
    Report(Fact),
}

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
}

impl Fact {
    /// A fact about nothing in particular yet.
    pub(crate) fn new(kind: FactKind, at: Time, cause: Cause, message: String) -> Self {
        let (peer, interface) = (String::new(), String::new());
        Self { kind, at, cause, message, group: None, addresses: Vec::new(), term: 0, peer, interface, mac: None }
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
    /// The kernel does not take what this node sends.
    Unsent,
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
}

/// Why, in the words that logs, events, metrics and tests share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The first of the living candidates takes what nobody holds.
    FirstCandidate,
    /// The announcer's beacons stopped.
    MissedBeacons,
    /// Those before it in the order live but did not take it within the grace.
    PassedOver,
    /// The announcer gave it up.
    Released,
    /// Other addresses move together than before, and this node announces some of them.
    Regrouped,
    /// Somebody announces it under a higher term.
    HigherTerm,
    /// Somebody earlier in the order announces it under the same term.
    EarlierCandidate,
    /// The announcer may no longer announce it.
    NotCandidate,
    /// This node has a higher preference score than the announcer.
    HigherScore,
    /// This node comes before the announcer, and the policy is to take back.
    FailBack,
    /// Somebody wants to see it move.
    Drill,
    /// A speaker that is no peer announces it, and it was to be let.
    GaveWay,
    /// It is not to be announced any more: no Service has the address, or no node may.
    Removed,
    /// No interface of this node may carry it.
    NoInterface,
    /// The address is this node's own.
    OwnAddress,
    /// The address is a default gateway of this node.
    Gateway,
    /// No interface has a subnet with the address, and another candidate's has.
    OffLink,
    /// The process or the machine did not run.
    Overslept,
    /// The speaker ends.
    Stopping,
    /// A peer's first proven beacon.
    BeaconHeard,
    /// The peer says that it does not hear this node.
    NotHeard,
    /// The peer said goodbye.
    Goodbye,
    /// The kernel said so.
    Link,
    /// A frame on the wire said so.
    Frame,
    /// The beacon is signed with another key.
    OtherKey,
    /// The beacon is of another version.
    OtherVersion,
    /// Two speakers call themselves by one node's name.
    SameName,
    /// Two nodes have one MAC address.
    SameMac,
    /// The kernel refused it.
    Refused,
    /// It came out by a probe.
    Probe,
    /// Whoever answers does so for everybody.
    Proxy,
    /// A frame on the wire said so of an address that was a VIP before this speaker started.
    HeldBefore,
    /// Nothing more was heard of it.
    Silence,
    /// Nobody has to know it any more.
    Unwanted,
    /// Nobody answered.
    NoAnswer,
    /// Somebody answered who should not, and the announcer did not.
    WrongAnswer,
    /// Somebody answered beside the announcer.
    TwoAnswers,
    /// The announcer answered alone.
    Answered,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstCandidate => "first-candidate",
            Self::MissedBeacons => "missed-beacons",
            Self::PassedOver => "passed-over",
            Self::Released => "released",
            Self::Regrouped => "regrouped",
            Self::HigherTerm => "higher-term",
            Self::EarlierCandidate => "earlier-candidate",
            Self::NotCandidate => "not-candidate",
            Self::HigherScore => "higher-score",
            Self::FailBack => "fail-back",
            Self::Drill => "drill",
            Self::GaveWay => "gave-way",
            Self::Removed => "removed",
            Self::NoInterface => "no-interface",
            Self::OwnAddress => "own-address",
            Self::Gateway => "gateway",
            Self::OffLink => "off-link",
            Self::Overslept => "overslept",
            Self::Stopping => "stopping",
            Self::BeaconHeard => "beacon-heard",
            Self::NotHeard => "not-heard",
            Self::Goodbye => "goodbye",
            Self::Link => "link",
            Self::Frame => "frame",
            Self::OtherKey => "other-key",
            Self::OtherVersion => "other-version",
            Self::SameName => "same-name",
            Self::SameMac => "same-mac",
            Self::Refused => "refused",
            Self::Probe => "probe",
            Self::Proxy => "proxy",
            Self::HeldBefore => "held-before",
            Self::Silence => "silence",
            Self::Unwanted => "unwanted",
            Self::NoAnswer => "no-answer",
            Self::WrongAnswer => "wrong-answer",
            Self::TwoAnswers => "two-answers",
            Self::Answered => "answered",
        })
    }
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
            Self::Unsent => "unsent",
            Self::Clean => "clean",
            Self::Conflict => "conflict",
            Self::ConflictOver => "conflict over",
            Self::ProxyArp => "proxy arp",
            Self::ProxyArpOver => "proxy arp over",
            Self::OwnKernel => "own kernel",
            Self::OwnKernelOver => "own kernel over",
            Self::Witness => "witness",
            Self::WitnessOver => "witness over",
        })
    }
}

/// Why a frame got no answer (the first six are MetalLB's names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// An ARP reply: nothing to answer.
    ArpReply,
    /// Neither an ARP request nor a reply; in IPv6 anything but a neighbor solicitation.
    MessageType,
    /// A neighbor solicitation to a group that does not say where to answer.
    NoSourceLl,
    /// Addressed to another host.
    EthernetDestination,
    /// Asks for an address that this node does not hold.
    AnnounceIp,
    /// Asks on an interface on which the address is not announced.
    NotMatchInterface,
    /// Asks after the promise to answer had run out: this node has slept and does not know who answers now.
    Lapsed,
    /// No frame of a kind that is understood.
    Malformed,
    /// Tagged for a VLAN: for the VLAN's own interface, not for this one.
    Vlan,
    /// Longer than anything that is spoken here.
    Oversized,
    /// This node's own, come back.
    LoopedBack,
    /// A beacon whose signature does not fit.
    BadSignature,
    /// A beacon from somebody who is no peer, or for somebody else.
    NotForUs,
    /// A beacon that was already heard, or from an earlier life of its sender.
    Replayed,
    /// A beacon of another version.
    OtherVersion,
    /// A beacon under the name of a node that lives elsewhere, or of this one.
    SameName,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArpReply => "ARPReply",
            Self::MessageType => "messageType",
            Self::NoSourceLl => "noSourceLL",
            Self::EthernetDestination => "ethernetDestination",
            Self::AnnounceIp => "announceIP",
            Self::NotMatchInterface => "notMatchInterface",
            Self::Lapsed => "lapsed",
            Self::Malformed => "malformed",
            Self::Vlan => "vlan",
            Self::Oversized => "oversized",
            Self::LoopedBack => "loopedBack",
            Self::BadSignature => "badSignature",
            Self::NotForUs => "notForUs",
            Self::Replayed => "replayed",
            Self::OtherVersion => "otherVersion",
            Self::SameName => "sameName",
        })
    }
}

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Per address held now or before.
    pub addresses: Vec<AddressCounters>,
    /// Frames and datagrams that got no answer, by reason, sorted.
    pub dropped: Vec<(DropReason, u64)>,
    /// Beacons sent, over all paths.
    pub beacons_sent: u64,
    /// Beacons heard and accepted, over all paths.
    pub beacons_received: u64,
    /// Probes sent for addresses that nobody of ours has.
    pub probes_sent: u64,
    /// How often what came of asking for an announced address as a client would.
    pub witnessed: Vec<(&'static str, u64)>,
    /// How long addresses were without an announcer that had died.
    pub failovers: Failovers,
    /// For how long a round of beacons renews the promise to answer now: more than usual if this host is starved.
    pub promise: Duration,
    /// Per peer and path on which it was ever heard.
    pub paths: Vec<PathCounters>,
}

/// How a peer is heard on one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathCounters {
    /// The peer's node.
    pub peer: String,
    /// The interface's name, or `udp`.
    pub path: String,
    /// Whether it is alive there.
    pub alive: bool,
    /// Beacons heard there.
    pub received: u64,
    /// Beacons that did not come when they were due, by the interval that the peer stated.
    pub missed: u64,
    /// By how much beacons have been late, lately.
    pub jitter: Duration,
    /// After how long a silence the peer is given up there.
    pub patience: Duration,
}

/// What was seen and sent for one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressCounters {
    /// The address.
    pub address: IpAddr,
    /// Requests for it that reached this node while it held it.
    pub requests_received: u64,
    /// Answers.
    pub responses_sent: u64,
    /// Gratuitous frames, counting each.
    pub gratuitous_sent: u64,
    /// Frames in which somebody else said that it is theirs, while this node held it.
    pub foreign_claims: u64,
}
