//! What becomes of what is sent: how long it takes, what is lost, and who cannot hear whom.

use core::time::Duration;
use std::collections::BTreeSet;

/// Random numbers from a seed (`SplitMix64`): the same seed, the same network.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from `0..end`; 0 if that is empty.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }
}

/// The segment.
#[derive(Clone, Debug)]
pub struct Network {
    /// What every frame and datagram takes.
    pub latency: Duration,
    /// Up to so much more, evenly.
    pub jitter: Duration,
    /// Of a hundred, so many are lost.
    pub loss: u64,
    /// Pairs (from, to) between which nothing gets through.
    deaf: BTreeSet<(String, String)>,
    /// The same of frames on the segment alone.
    parted: BTreeSet<(String, String)>,
    /// Those whose cable is out.
    unplugged: BTreeSet<String>,
    pub random: Random,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            latency: Duration::from_micros(200),
            jitter: Duration::ZERO,
            loss: 0,
            deaf: BTreeSet::new(),
            parted: BTreeSet::new(),
            unplugged: BTreeSet::new(),
            random: Random(1),
        }
    }
}

impl Network {
    /// How long one parcel takes, a `frame` or a datagram; `None` if it gets lost.
    pub fn fate(&mut self, from: &str, to: &str, frame: bool) -> Option<Duration> {
        let parted = frame && !self.parted.is_empty() && self.parted.contains(&(from.to_owned(), to.to_owned()));
        if parted || self.is_cut(from, to) || (self.loss > 0 && self.random.below(100) < self.loss) {
            return None;
        }
        let jitter = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
        Some(self.latency + Duration::from_nanos(self.random.below(jitter)))
    }

    fn is_cut(&self, from: &str, to: &str) -> bool {
        (!self.unplugged.is_empty() && (self.unplugged.contains(from) || self.unplugged.contains(to)))
            || (!self.deaf.is_empty() && self.deaf.contains(&(from.to_owned(), to.to_owned())))
    }

    /// Whether every frame between two that are plugged in arrives.
    pub fn is_whole(&self) -> bool {
        self.deaf.is_empty() && self.loss == 0 && self.jitter.is_zero()
    }

    /// Nothing gets from `from` to `to` any more.
    pub fn cut(&mut self, from: &str, to: &str) {
        self.deaf.insert((from.to_owned(), to.to_owned()));
    }

    /// No frame gets from `from` to `to` any more; datagrams do.
    pub fn cut_segment(&mut self, from: &str, to: &str) {
        self.parted.insert((from.to_owned(), to.to_owned()));
    }

    /// Undo every cut; cables that are out stay out.
    pub fn heal(&mut self) {
        self.deaf.clear();
        self.parted.clear();
    }

    pub fn unplug(&mut self, node: &str) {
        self.unplugged.insert(node.to_owned());
    }

    pub fn replug(&mut self, node: &str) {
        self.unplugged.remove(node);
    }

    pub fn plugged(&self, node: &str) -> bool {
        !self.unplugged.contains(node)
    }
}
