//! Why something happened: the fixed words.

use core::fmt;

/// Why, in the words that logs, events, metrics and tests share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The first of the living candidates takes what nobody holds.
    FirstCandidate,
    /// The announcer's beacons stopped.
    MissedBeacons,
    /// Those before it in the order live but did not take it within the grace.
    PassedOver,
    /// It was announced before this speaker started, or slept, and nobody has taken it since: it is taken up again.
    Resumed,
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
    /// The peer's beacons come late.
    LateBeacons,
    /// This node's host has no time for its speaker.
    Starved,
    /// It is in time again.
    InTime,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstCandidate => "first-candidate",
            Self::MissedBeacons => "missed-beacons",
            Self::PassedOver => "passed-over",
            Self::Resumed => "resumed",
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
            Self::LateBeacons => "late-beacons",
            Self::Starved => "starved",
            Self::InTime => "in-time",
        })
    }
}
