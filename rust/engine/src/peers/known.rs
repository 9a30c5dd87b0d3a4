//! What is known of the peers, for whoever decides by it.

use std::collections::HashMap;
use std::net::IpAddr;

use metalev_wire::MacAddr;
use metalev_wire::beacon::Claim;

use super::Peers;
use crate::Time;
use crate::peer::Path;
use crate::session::Session;

impl Peers {
    /// What the living say of an address, and who says it.
    pub(crate) fn claims(&self, address: IpAddr) -> impl Iterator<Item = (&str, Claim)> {
        self.sayings.of(address).filter_map(|(number, claim)| {
            let (name, peer) = self.by_name.at(number)?;
            peer.alive().then_some((name, claim))
        })
    }

    /// Who says anything of an address, or said it before it fell silent.
    pub(crate) fn speakers(&self, address: IpAddr) -> impl Iterator<Item = &str> {
        self.sayings.of(address).filter_map(|(number, _)| self.by_name.at(number)).map(|(name, _)| name)
    }

    /// What a peer says of an address, or said before it fell silent.
    pub(crate) fn claim(&self, name: &str, address: IpAddr) -> Option<Claim> {
        self.sayings.by(self.by_name.number(name)?, address)
    }

    /// Whether a peer is alive on one of these interfaces.
    ///
    /// Where nobody was ever heard (a switch that drops the type of our frames, say), being heard anywhere has to do.
    pub(crate) fn alive_on(&self, name: &str, interfaces: &[u32]) -> bool {
        let peer = self.by_name.get(name);
        peer.is_some_and(|peer| peer.alive_on(interfaces) || (peer.alive() && !self.ever_on(interfaces)))
    }

    /// Whether a peer that was heard is not heard any more, and has not said goodbye.
    pub(crate) fn any_missed(&self) -> bool {
        self.by_name.values().any(|peer| peer.session.is_some() && !peer.gone && !peer.alive())
    }

    /// How many peers were ever heard on an interface.
    pub(crate) fn count_on(&self, interface: u32) -> usize {
        self.by_name.values().filter(|peer| peer.ever_on(&[interface])).count()
    }

    /// Whether any peer took what it announces without hearing us: what is thought of that rests on all the others.
    pub(crate) fn any_ignorant(&self) -> bool {
        self.by_name.values().filter_map(|peer| peer.session.as_ref()).any(|session| session.ignorant)
    }

    /// Whether any peer was ever heard on one of these interfaces.
    fn ever_on(&self, interfaces: &[u32]) -> bool {
        self.by_name.values().any(|peer| peer.ever_on(interfaces))
    }

    /// Whether what a peer says last was heard on these interfaces too. One that was heard by another network alone may
    /// be cut off here, and serve another side of the segment.
    pub(crate) fn confirmed_on(&self, name: &str, interfaces: &[u32]) -> bool {
        let peer = self.by_name.get(name);
        peer.is_some_and(|peer| peer.confirmed_on(interfaces) || (peer.alive() && !self.ever_on(interfaces)))
    }

    /// Whether a peer took what it announces without hearing this node, though others on these interfaces hear it: the
    /// fault is the peer's own, and it knows nothing of us.
    pub(crate) fn is_ignorant(&self, name: &str, interfaces: &[u32]) -> bool {
        let session = self.by_name.get(name).and_then(|peer| peer.session.as_ref());
        session.is_some_and(|session| session.ignorant)
            && self.by_name.iter().any(|(other, peer)| other != name && peer.hears_us_on(interfaces))
    }

    /// Whether a peer that is alive on one of these interfaces hears us there.
    pub(crate) fn heard_by(&self, name: &str, interfaces: &[u32]) -> bool {
        self.by_name.get(name).is_some_and(|peer| peer.hears_us_on(interfaces))
    }

    /// Since when a peer is alive on one of these interfaces.
    pub(crate) fn heard_since(&self, name: &str, interfaces: &[u32]) -> Option<Time> {
        let peer = self.by_name.get(name)?;
        peer.heard_since(interfaces).or_else(|| peer.since().filter(|_| !self.ever_on(interfaces)))
    }

    /// Whether the last thing that a peer said was goodbye.
    pub(crate) fn said_goodbye(&self, name: &str) -> bool {
        self.by_name.get(name).is_some_and(|peer| peer.gone)
    }

    /// Whether everything that the living on these interfaces have said is known.
    pub(crate) fn in_step(&self, interfaces: &[u32]) -> bool {
        let mut behind = self.by_name.values().filter(|peer| peer.tells());
        !behind.any(|peer| peer.alive_on(interfaces))
    }

    /// Whether one that is alive on these interfaces, and hears us there, has not told yet all that it announces.
    pub(crate) fn any_tells_on(&self, interfaces: &[u32]) -> bool {
        let mut behind = self.by_name.values().filter(|peer| peer.tells());
        behind.any(|peer| peer.hears_us_on(interfaces))
    }

    /// Whether wherever a peer is heard others, too, have not told yet all that they announce: who waits, waits on.
    pub(crate) fn others_tell_beside(&self, name: &str) -> bool {
        let alive = self.by_name.get(name).into_iter().flat_map(|peer| peer.paths.values()).filter(|path| path.alive);
        let mut others = alive.map(|path| self.any_tells_on(&[path.arrived_on]));
        others.all(|tells| tells)
    }

    /// The number that names a peer's present life.
    pub(crate) fn life(&self, name: &str) -> Option<u64> {
        self.by_name.get(name)?.session.as_ref().map(|session| session.nonce)
    }

    /// Whether everything that a peer has said is known.
    pub(crate) fn is_in_step(&self, name: &str) -> bool {
        self.by_name.get(name).and_then(|peer| peer.session.as_ref()).is_some_and(Session::in_step)
    }

    /// The newest of our revisions that every peer with a session has.
    pub(crate) fn acknowledged_by_all(&self) -> u64 {
        let sessions = self.by_name.values().filter_map(|peer| peer.session.as_ref());
        sessions.map(|session| session.acknowledged).min().unwrap_or(u64::MAX)
    }

    /// Two living peers that have one MAC address on an interface, for each such address.
    pub(crate) fn namesakes(&self) -> Vec<(u32, MacAddr, String, String)> {
        let mut known: HashMap<(u32, MacAddr), &str> = HashMap::new();
        let mut found = Vec::new();
        for (name, peer) in self.by_name.iter() {
            for (path, hearing) in peer.paths.iter().filter(|(_, hearing)| hearing.alive) {
                let Path::Interface(index) = path else { continue };
                if let Some(other) = known.insert((index, hearing.mac), name)
                    && hearing.mac != MacAddr::ZERO
                {
                    found.push((index, hearing.mac, other.to_owned(), name.to_owned()));
                }
            }
        }
        found
    }

    /// How many peers live on an interface by this MAC address.
    pub(crate) fn living_with(&self, mac: MacAddr) -> usize {
        self.by_name.values().filter(|peer| peer.paths.values().any(|one| one.alive && one.mac == mac)).count()
    }

    /// The peer that has this MAC address.
    pub(crate) fn by_mac(&self, mac: MacAddr) -> Option<&str> {
        self.by_name.iter().find(|(_, peer)| peer.has_mac(mac)).map(|(name, _)| name)
    }
}
