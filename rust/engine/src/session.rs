//! One life of a peer: proof that its beacons are fresh, and how far its claims are known.

use metalev_wire::beacon::{Claim, Repr as Beacon, Standing};

/// How many beacons may overtake one another before the late ones are taken for replays (the window that RFC 4303
/// 3.4.3 prefers).
const WINDOW: u64 = 64;

/// Sequence numbers already seen, as a sliding window of bits.
#[derive(Debug, Default)]
pub(crate) struct ReplayWindow {
    highest: u64,
    seen: u64,
}

impl ReplayWindow {
    /// A window that has seen `highest` and all before it.
    fn after(highest: u64) -> Self {
        Self { highest, seen: u64::MAX }
    }

    /// Take note of `sequence`; `false` if it was seen before or is too old to tell.
    pub(crate) fn accept(&mut self, sequence: u64) -> bool {
        if sequence > self.highest {
            let ahead = sequence - self.highest;
            self.seen = if ahead < WINDOW { self.seen << ahead } else { 0 } | 1;
            self.highest = sequence;
            return true;
        }
        let behind = self.highest - sequence;
        if behind >= WINDOW || self.seen & (1 << behind) != 0 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

/// What a peer has said since it drew its nonce.
#[derive(Debug)]
pub(crate) struct Session {
    /// The random number that names this life of the peer.
    pub(crate) nonce: u64,
    /// The newest of its revisions that is known completely.
    pub(crate) applied: u64,
    /// The newest of its revisions that exists.
    pub(crate) latest: u64,
    /// The newest of our revisions that it has.
    pub(crate) acknowledged: u64,
    /// Whether it took what it announces without hearing us, and has not heard us since.
    pub(crate) ignorant: bool,
    window: ReplayWindow,
}

impl Session {
    pub(crate) fn new(nonce: u64) -> Self {
        let window = ReplayWindow::default();
        Self { nonce, applied: 0, latest: 0, acknowledged: 0, ignorant: false, window }
    }

    /// A life that goes on, of which sequence numbers up to `highest` do not count again.
    pub(crate) fn after(nonce: u64, highest: u64) -> Self {
        Self { window: ReplayWindow::after(highest), ..Self::new(nonce) }
    }

    /// The highest sequence number that was heard of it.
    pub(crate) fn highest(&self) -> u64 {
        self.window.highest
    }

    /// Take note of a beacon's sequence number; `false` for a replay.
    pub(crate) fn fresh(&mut self, sequence: u64) -> bool {
        self.window.accept(sequence)
    }

    /// Learn what the beacon says, and answer the claims that are news.
    ///
    /// A part that does not join what is known already (one before it was lost) is left alone: it comes again, because
    /// it is not acknowledged.
    pub(crate) fn learn(&mut self, beacon: Beacon) -> Vec<Claim> {
        // Taken as it is: a peer that has forgotten us starts again from 0, and a late beacon only makes us repeat.
        self.acknowledged = beacon.acknowledged;
        self.latest = self.latest.max(beacon.latest);
        self.ignorant &= !beacon.hears_you;
        if beacon.since > self.applied || beacon.through <= self.applied {
            return Vec::new();
        }
        self.applied = beacon.through;
        for claim in &beacon.claims {
            self.ignorant |=
                !beacon.hears_you && matches!(claim.standing, Standing::Holds(_) | Standing::Offers { .. });
        }
        beacon.claims
    }

    /// Whether everything that the peer has said is known.
    pub(crate) fn in_step(&self) -> bool {
        self.applied >= self.latest
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use metalev_wire::MacAddr;

    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 168, 1, last])
    }

    fn beacon(since: u64, through: u64, claims: Vec<Claim>) -> Beacon {
        Beacon {
            sender: "node1".into(),
            recipient: "node2".into(),
            nonce: 7,
            echo: 9,
            sequence: 1,
            hears_you: true,
            goodbye: false,
            quiet: false,
            interval_ms: 50,
            mac: MacAddr::ZERO,
            since,
            through,
            latest: through,
            acknowledged: 0,
            claims,
        }
    }

    fn holds(last: u8, term: u64) -> Claim {
        Claim { address: ip(last), term, standing: Standing::Holds(0) }
    }

    #[test]
    fn a_sequence_number_counts_once() {
        let mut window = ReplayWindow::default();
        assert!(window.accept(5));
        assert!(!window.accept(5));
    }

    #[test]
    fn beacons_may_overtake_one_another() {
        let mut window = ReplayWindow::default();
        assert!(window.accept(5));
        assert!(window.accept(4));
        assert!(!window.accept(4));
        assert!(window.accept(6));
        assert!(!window.accept(5));
    }

    #[test]
    fn what_is_too_old_to_tell_is_a_replay() {
        let mut window = ReplayWindow::default();
        assert!(window.accept(100));
        assert!(window.accept(37));
        assert!(!window.accept(36));
    }

    #[test]
    fn claims_are_learnt_in_order() {
        let mut session = Session::new(7);
        assert_eq!(session.learn(beacon(0, 1, vec![holds(1, 1)])), [holds(1, 1)]);
        assert!(session.in_step());
    }

    #[test]
    fn a_part_whose_beginning_was_lost_is_left_alone() {
        let mut session = Session::new(7);
        assert_eq!(session.learn(beacon(3, 4, vec![holds(1, 1)])), []);
        assert_eq!(session.applied, 0);
        assert!(!session.in_step());
    }

    #[test]
    fn an_older_part_that_arrives_late_changes_nothing() {
        let mut session = Session::new(7);
        session.learn(beacon(0, 2, vec![holds(1, 2)]));
        assert_eq!(session.learn(beacon(0, 1, vec![holds(1, 1)])), []);
        assert_eq!(session.applied, 2);
    }

    #[test]
    fn who_took_an_address_without_hearing_us_is_ignorant_until_it_hears_us() {
        let mut session = Session::new(7);
        session.learn(Beacon { hears_you: false, ..beacon(0, 1, vec![holds(1, 1)]) });
        assert!(session.ignorant);
        session.learn(beacon(1, 1, vec![]));
        assert!(!session.ignorant);
        session.learn(Beacon { hears_you: false, ..beacon(1, 1, vec![]) });
        assert!(!session.ignorant);
    }
}
