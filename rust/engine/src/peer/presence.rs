//! What the ways on which a peer is heard say of it.

use super::{Hearing, Path, Peer, SOUGHT};
use crate::Time;
use crate::session::Session;
use metalev_wire::MacAddr;

impl Peer {
    /// Whether it is alive on any path: what it says can be believed to be its present mind.
    pub(crate) fn alive(&self) -> bool {
        self.paths.values().any(|hearing| hearing.alive)
    }

    /// Whether it is alive on one of these interfaces, by whichever path came in there.
    pub(crate) fn alive_on(&self, interfaces: &[u32]) -> bool {
        self.paths.values().any(|hearing| hearing.alive && interfaces.contains(&hearing.arrived_on))
    }

    /// Whether it fell silent on a path not long ago, without a goodbye: it may be back at any moment.
    pub(crate) fn lost_lately(&self, now: Time) -> bool {
        let lately = |hearing: &Hearing| !hearing.alive && now.since(hearing.last) < SOUGHT;
        !self.gone && self.paths.values().any(lately)
    }

    /// Whether it was ever heard on one of these interfaces.
    pub(crate) fn ever_on(&self, interfaces: &[u32]) -> bool {
        self.paths.values().any(|hearing| interfaces.contains(&hearing.arrived_on))
    }

    /// Whether it is alive on one of these interfaces and says that it hears us there.
    pub(crate) fn hears_us_on(&self, interfaces: &[u32]) -> bool {
        let there = |hearing: &Hearing| hearing.alive && interfaces.contains(&hearing.arrived_on);
        self.paths.values().any(|hearing| there(hearing) && hearing.hears_us)
    }

    /// Whether it says by a path that it hears us there, and whether it took what it announces without hearing us.
    pub(crate) fn knows_us(&self, path: Path) -> (bool, bool) {
        let hears = self.paths.get(path).is_some_and(|hearing| hearing.alive && hearing.hears_us);
        (hears, self.session.as_ref().is_some_and(|session| session.ignorant))
    }

    /// Whether the latest of what it says was heard on one of these interfaces too.
    pub(crate) fn confirmed_on(&self, interfaces: &[u32]) -> bool {
        let there = |hearing: &Hearing| hearing.alive && interfaces.contains(&hearing.arrived_on);
        self.paths.values().any(|hearing| there(hearing) && !hearing.behind)
    }

    /// It has said something new by a path: the others have yet to confirm it.
    pub(crate) fn leave_behind(&mut self, but: Path) {
        self.paths.iter_mut().filter(|(path, _)| *path != but).for_each(|(_, hearing)| hearing.behind = true);
    }

    /// Whether a path has yet to confirm what came by another.
    pub(crate) fn is_behind(&self, path: Path) -> bool {
        self.paths.get(path).is_some_and(|hearing| hearing.behind)
    }

    /// Since when it is alive on one of these interfaces, by whichever path was first.
    pub(crate) fn heard_since(&self, interfaces: &[u32]) -> Option<Time> {
        let there = self.paths.values().filter(|hearing| hearing.alive && interfaces.contains(&hearing.arrived_on));
        there.map(|hearing| hearing.since).min()
    }

    /// Since when it is alive, by whichever path was first.
    pub(crate) fn since(&self) -> Option<Time> {
        self.paths.values().filter(|hearing| hearing.alive).map(|hearing| hearing.since).min()
    }

    /// When it was last heard on one of these interfaces.
    pub(crate) fn last_heard_on(&self, interfaces: &[u32]) -> Option<Time> {
        let there = self.paths.values().filter(|hearing| interfaces.contains(&hearing.arrived_on));
        there.map(|hearing| hearing.last).max()
    }

    /// The MAC address to reach it on an interface, while it is alive there.
    pub(crate) fn mac_on(&self, interface: u32) -> Option<MacAddr> {
        let hearing = self.paths.get(Path::Interface(interface))?;
        (hearing.alive && hearing.mac != MacAddr::ZERO).then_some(hearing.mac)
    }

    /// Whether it has still to hear of revision `latest`.
    pub(crate) fn lags(&self, latest: u64) -> bool {
        self.alive() && self.session.as_ref().is_some_and(|session| session.acknowledged < latest)
    }

    /// Whether not everything is known that it has said.
    pub(crate) fn tells(&self) -> bool {
        self.session.as_ref().is_some_and(|session| !Session::in_step(session))
    }
}
