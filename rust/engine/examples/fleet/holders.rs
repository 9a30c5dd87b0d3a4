//! Who announces what, and for how long two did.

use core::time::Duration;
use std::net::IpAddr;

use metalev_engine::Time;

/// Of every group, who says that it announces it.
pub struct Holders {
    of: Vec<Vec<usize>>,
    /// Since when a group has two.
    since: Vec<Option<Time>>,
    /// How many groups had two at some time, and the longest that one did.
    pub doubles: usize,
    pub longest: Duration,
}

/// The address of a group.
pub fn vip(group: usize) -> IpAddr {
    let [.., b, c, d] = u32::try_from(group).unwrap().to_be_bytes();
    [10, b, c, d].into()
}

fn group(address: IpAddr) -> usize {
    let IpAddr::V4(address) = address else { panic!("no group has {address}") };
    (address.to_bits() & 0x00ff_ffff).try_into().unwrap()
}

impl Holders {
    pub fn new(groups: usize) -> Self {
        Self { of: vec![Vec::new(); groups], since: vec![None; groups], doubles: 0, longest: Duration::ZERO }
    }

    pub fn count(&self, group: usize) -> usize {
        self.of[group].len()
    }

    pub fn take(&mut self, address: IpAddr, node: usize, now: Time) {
        let holders = &mut self.of[group(address)];
        if !holders.contains(&node) {
            holders.push(node);
        }
        self.see(group(address), now);
    }

    pub fn leave(&mut self, address: IpAddr, node: usize, now: Time) {
        self.of[group(address)].retain(|holder| *holder != node);
        self.see(group(address), now);
    }

    pub fn bury(&mut self, node: usize, now: Time) {
        for group in 0..self.of.len() {
            self.of[group].retain(|holder| *holder != node);
            self.see(group, now);
        }
    }

    fn see(&mut self, group: usize, now: Time) {
        let double = self.of[group].len() > 1;
        if double && self.since[group].is_none() {
            self.since[group] = Some(now);
            self.doubles += 1;
        }
        if !double && let Some(since) = self.since[group].take() {
            self.longest = self.longest.max(now.since(since));
        }
    }

    /// Count from now.
    pub fn begin(&mut self, now: Time) {
        (self.doubles, self.longest) = (0, Duration::ZERO);
        for since in &mut self.since {
            *since = since.map(|_| now);
        }
    }
}
