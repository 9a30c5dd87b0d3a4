//! What is done about somebody else who claims a held address: it is announced again, and told, both not too often.
//!
//! RFC 5227 section 2.4 (c): who is to keep its address, as a server or a router, announces it once, and not again
//! within `DEFEND_INTERVAL`, so that two who defend the same address do not shout at each other for ever. In IPv6 an
//! unsolicited advertisement with the override flag does the same.

use core::time::Duration;
use std::collections::HashMap;
use std::net::IpAddr;

use metalev_wire::MacAddr;

use crate::Time;

/// Between two announcements in defence of one address (RFC 5227 section 1.1).
pub(crate) const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// How often the same claim is told at most.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// Claims remembered to keep to that; an attacker who varies its MAC makes the list start over, no more.
const REMEMBERED: usize = 1024;

/// When each address was last defended, and each claim last told.
#[derive(Debug, Default)]
pub(crate) struct Defence {
    defended: HashMap<IpAddr, Time>,
    told: HashMap<(IpAddr, MacAddr), Time>,
}

impl Defence {
    /// Whether to announce an address now that somebody claims it.
    pub(crate) fn defends(&mut self, address: IpAddr, now: Time) -> bool {
        let recently = self.defended.get(&address).is_some_and(|last| now.since(*last) < DEFEND_INTERVAL);
        if !recently {
            self.defended.insert(address, now);
        }
        !recently
    }

    /// Whether to tell of a claim.
    pub(crate) fn tells(&mut self, address: IpAddr, mac: MacAddr, now: Time) -> bool {
        if self.told.get(&(address, mac)).is_some_and(|last| now.since(*last) < TELL_INTERVAL) {
            return false;
        }
        if self.told.len() >= REMEMBERED {
            self.told.clear();
        }
        self.told.insert((address, mac), now);
        true
    }

    /// Forget an address that no Service has any more.
    pub(crate) fn forget(&mut self, addresses: &[IpAddr]) {
        for address in addresses {
            self.defended.remove(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: MacAddr = MacAddr::new([2, 0, 0, 0, 9, 9]);

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    fn vip(last: u8) -> IpAddr {
        [192, 168, 1, last].into()
    }

    #[test]
    fn an_address_is_defended_once_in_ten_seconds_however_often_it_is_claimed() {
        let mut defence = Defence::default();
        let defended: Vec<u64> = (0..60).filter(|second| defence.defends(vip(1), at(*second))).collect();
        assert_eq!(defended, [0, 10, 20, 30, 40, 50]);
    }

    #[test]
    fn each_address_is_defended_by_itself() {
        let mut defence = Defence::default();
        assert!(defence.defends(vip(1), at(0)) && defence.defends(vip(2), at(0)));
    }

    #[test]
    fn one_claim_is_told_once_in_ten_seconds_and_anothers_at_once() {
        let mut defence = Defence::default();
        assert!(defence.tells(vip(1), OTHER, at(0)));
        assert!(!defence.tells(vip(1), OTHER, at(9)));
        assert!(defence.tells(vip(1), MacAddr::new([2, 0, 0, 0, 9, 8]), at(9)));
        assert!(defence.tells(vip(1), OTHER, at(10)));
    }

    #[test]
    fn who_varies_its_mac_fills_no_memory() {
        let mut defence = Defence::default();
        for n in 0..10_000_u32 {
            let [a, b, c, d] = n.to_be_bytes();
            defence.tells(vip(1), MacAddr::new([2, 0, a, b, c, d]), at(0));
        }
        assert!(defence.told.len() <= REMEMBERED);
    }
}
