//! What was said to a peer last, on each way to it: what it hears again need not wake it up.

use std::net::IpAddr;

use metalev_wire::MacAddr;

use super::Path;

/// A way that beacons leave by: of several addresses of a peer each is one.
pub(crate) type Way = (Path, Option<IpAddr>);

/// All that a beacon says besides that its sender lives, and besides claims. Not for how long: whoever has heard of no
/// longer interval yet reads what waits before it gives anybody up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) echo: u64,
    pub(crate) hears_you: bool,
    /// Of the interface that it left by; a datagram names them in turn.
    pub(crate) mac: Option<MacAddr>,
    /// The sender's revision that it leads to, the newest, and the recipient's that is acknowledged.
    pub(crate) revisions: [u64; 3],
}

/// What was said last on each way, and how many times in a row.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Vec<(Way, Said, u32)>);

impl Repeats {
    /// This is said now. Answers how often it was said before, without anything else between.
    pub(crate) fn say(&mut self, way: Way, said: Said) -> u32 {
        if let Some((_, last, times)) = self.0.iter_mut().find(|(other, ..)| *other == way) {
            *times = if *last == said { times.saturating_add(1) } else { 0 };
            *last = said;
            return *times;
        }
        self.0.push((way, said, 0));
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: Said = Said { echo: 1, hears_you: true, mac: None, revisions: [4, 4, 2] };
    const UDP: Way = (Path::Udp, None);

    #[test]
    fn what_is_said_again_is_counted_until_something_else_is_said() {
        let mut repeats = Repeats::default();
        assert_eq!([SAID, SAID, SAID].map(|said| repeats.say(UDP, said)), [0, 1, 2]);
        assert_eq!(repeats.say(UDP, Said { echo: 2, ..SAID }), 0);
        assert_eq!([SAID, SAID].map(|said| repeats.say(UDP, said)), [0, 1]);
    }

    #[test]
    fn each_way_has_its_own_count() {
        let mut repeats = Repeats::default();
        let ways = [(Path::Interface(2), None), UDP, (Path::Udp, Some(IpAddr::from([192, 168, 1, 1])))];
        assert_eq!(ways.map(|way| repeats.say(way, SAID)), [0, 0, 0]);
        assert_eq!(ways.map(|way| repeats.say(way, SAID)), [1, 1, 1]);
    }
}
