//! Who only says for everybody that an address is theirs: a router that answers for others (proxy ARP, RFC 1027).
//!
//! Whoever *answers* for three addresses or more, or for one and has the MAC address of the gateway, is taken for one:
//! what it answers says nothing of who has an address. That ends when a whole series of probes for each of the addresses
//! for which it answered found nobody, or when it answered for nothing for [`MEMORY`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use metalev_wire::MacAddr;

use crate::Time;
use crate::sighting::MEMORY;

/// Whoever answers for so many addresses answers for everybody.
pub(crate) const PROXIED: usize = 3;

/// MAC addresses whose answers are remembered; an attacker who varies its own makes the list start over, no more.
const REMEMBERED: usize = 1024;

/// As many are taken for proxies at most; what more of them answer is believed.
const MOST: usize = 64;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) mac: MacAddr,
    /// The interface on which it was noticed.
    pub(crate) interface: u32,
    /// When it last answered.
    last: Time,
}

/// All of them, and the answers that tell.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    /// For which addresses somebody answered: the first [`PROXIED`] of them.
    answers: HashMap<MacAddr, BTreeSet<IpAddr>>,
    known: BTreeMap<MacAddr, Proxy>,
    gateways: BTreeMap<(u32, IpAddr), MacAddr>,
}

impl Proxies {
    /// Take in an answer. Tells whether whoever gave it is taken for a proxy from now on.
    pub(crate) fn hear(&mut self, now: Time, interface: u32, address: IpAddr, mac: MacAddr) -> bool {
        if self.answers.len() >= REMEMBERED && !self.answers.contains_key(&mac) {
            self.answers.clear();
        }
        let answers = self.answers.entry(mac).or_default();
        if answers.len() < PROXIED {
            answers.insert(address);
        }
        if let Some(known) = self.known.get_mut(&mac) {
            known.last = now;
            return false;
        }
        let is_one = answers.len() >= PROXIED || self.is_gateway(interface, mac);
        is_one && self.enter(now, interface, mac)
    }

    fn enter(&mut self, now: Time, interface: u32, mac: MacAddr) -> bool {
        let room = self.known.len() < MOST;
        if room {
            self.known.insert(mac, Proxy { mac, interface, last: now });
        }
        room
    }

    fn is_gateway(&self, interface: u32, mac: MacAddr) -> bool {
        self.gateways.iter().any(|(at, known)| at.0 == interface && *known == mac)
    }

    /// Whether somebody is taken for one.
    pub(crate) fn has(&self, mac: MacAddr) -> bool {
        self.known.contains_key(&mac)
    }

    /// For which addresses somebody was heard to answer, the first few.
    pub(crate) fn answers_of(&self, mac: MacAddr) -> Vec<IpAddr> {
        self.answers.get(&mac).into_iter().flatten().copied().collect()
    }

    /// Whether it depends on an address whether somebody is still one: it is to be asked for again soon.
    pub(crate) fn hangs_on(&self, mac: MacAddr, address: IpAddr) -> bool {
        self.has(mac) && self.answers.get(&mac).is_some_and(|answers| answers.contains(&address))
    }

    /// The same of anybody.
    pub(crate) fn any_hangs_on(&self, address: IpAddr) -> bool {
        self.known.keys().any(|mac| self.hangs_on(*mac, address))
    }

    /// Take in at which MAC address a gateway is. Tells whether it is taken for a proxy from now on, as one that has
    /// answered for others.
    pub(crate) fn see_gateway(&mut self, now: Time, interface: u32, gateway: IpAddr, mac: MacAddr) -> bool {
        self.gateways.insert((interface, gateway), mac);
        let answered = self.answers.get(&mac).is_some_and(|addresses| !addresses.is_empty());
        answered && !self.has(mac) && self.enter(now, interface, mac)
    }

    /// Whether it is known at which MAC address a gateway is.
    pub(crate) fn knows_gateway(&self, interface: u32, gateway: IpAddr) -> bool {
        self.gateways.contains_key(&(interface, gateway))
    }

    /// Nobody answered a whole series of probes for an address. Tells who is taken for a proxy no longer.
    pub(crate) fn clear(&mut self, address: IpAddr) -> Vec<Proxy> {
        let mut innocent = Vec::new();
        self.answers.retain(|mac, answers| {
            let last_one = answers.remove(&address) && answers.is_empty();
            innocent.extend(last_one.then_some(*mac));
            !last_one
        });
        innocent.iter().filter_map(|mac| self.known.remove(mac)).collect()
    }

    /// Tells who has answered for nothing for long, and is taken for a proxy no longer.
    pub(crate) fn expire(&mut self, now: Time) -> Vec<Proxy> {
        let over = |proxy: &&Proxy| now.since(proxy.last) >= MEMORY;
        let over: Vec<Proxy> = self.known.values().filter(over).copied().collect();
        for proxy in &over {
            self.known.remove(&proxy.mac);
            self.answers.remove(&proxy.mac);
        }
        over
    }

    /// When the next would end so.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.known.values().map(|proxy| proxy.last + MEMORY).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETH: u32 = 2;
    const ROUTER: MacAddr = MacAddr::new([2, 0, 0, 0, 9, 9]);

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    fn ip(last: u8) -> IpAddr {
        [192, 168, 1, last].into()
    }

    /// One that has answered for addresses 1 to 4.
    fn known() -> Proxies {
        let mut proxies = Proxies::default();
        let news: Vec<bool> = (1..=4).map(|last| proxies.hear(at(0), ETH, ip(last), ROUTER)).collect();
        assert_eq!(news, [false, false, true, false]);
        proxies
    }

    #[test]
    fn whoever_answers_for_three_addresses_is_one_and_that_is_news_once() {
        let proxies = known();
        assert!(proxies.has(ROUTER));
        assert_eq!(proxies.answers_of(ROUTER), [ip(1), ip(2), ip(3)]);
    }

    #[test]
    fn a_gateway_is_one_by_its_first_answer_whichever_is_known_first() {
        let mut proxies = Proxies::default();
        assert!(!proxies.see_gateway(at(0), ETH, ip(254), ROUTER));
        assert!(proxies.hear(at(0), ETH, ip(1), ROUTER));
        let mut proxies = Proxies::default();
        assert!(!proxies.hear(at(0), ETH, ip(1), ROUTER));
        assert!(proxies.see_gateway(at(0), ETH, ip(254), ROUTER));
    }

    #[test]
    fn it_ends_when_nobody_answers_any_more_for_any_of_the_addresses_that_told() {
        let mut proxies = known();
        assert!(proxies.hangs_on(ROUTER, ip(1)) && !proxies.hangs_on(ROUTER, ip(4)));
        assert_eq!([ip(1), ip(2), ip(4)].map(|address| proxies.clear(address).len()), [0, 0, 0]);
        assert!(proxies.has(ROUTER), "it may answer for some and not for others");
        assert_eq!(proxies.clear(ip(3)).len(), 1);
        assert!(!proxies.has(ROUTER));
    }

    #[test]
    fn what_it_answers_meanwhile_tells_as_well() {
        let mut proxies = known();
        proxies.clear(ip(1));
        assert!(!proxies.hear(at(1), ETH, ip(7), ROUTER));
        assert_eq!([ip(2), ip(3)].map(|address| proxies.clear(address).len()), [0, 0]);
        assert_eq!(proxies.clear(ip(7)).len(), 1);
    }

    #[test]
    fn it_ends_when_it_has_answered_for_nothing_for_ten_minutes() {
        let mut proxies = known();
        proxies.hear(at(100), ETH, ip(1), ROUTER);
        assert_eq!(proxies.deadline(), Some(at(700)));
        assert_eq!((proxies.expire(at(699)).len(), proxies.expire(at(700)).len()), (0, 1));
        assert_eq!(proxies.deadline(), None);
        assert!(!proxies.hear(at(701), ETH, ip(9), ROUTER), "it begins anew");
    }

    #[test]
    fn who_leaves_one_address_for_another_again_and_again_is_none() {
        let mut proxies = Proxies::default();
        for last in 1..10 {
            assert!(!proxies.hear(at(0), ETH, ip(last), ROUTER));
            proxies.clear(ip(last));
        }
    }

    #[test]
    fn who_varies_its_mac_fills_no_memory() {
        let mut proxies = Proxies::default();
        for n in 0..10_000_u32 {
            let [a, b, c, d] = n.to_be_bytes();
            for last in 1..=3 {
                proxies.hear(at(0), ETH, ip(last), MacAddr::new([2, 0, a, b, c, d]));
            }
        }
        assert!(proxies.answers.len() <= REMEMBERED && proxies.known.len() <= MOST);
    }
}
