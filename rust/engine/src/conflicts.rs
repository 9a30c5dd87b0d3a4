//! Addresses that somebody else says are theirs.
//!
//! A **conflict** begins with the first frame that says so and ends when a probe found nobody any more, or when nothing
//! was heard of it for [`MEMORY`]. What a [proxy](crate::proxies) answers says nothing of who has an address; what
//! somebody *uses*, asking under it or probing for it, is theirs whoever they are.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metalev_wire::MacAddr;

use crate::Time;
use crate::event::Cause;
use crate::proxies::{Proxies, Proxy};
use crate::sighting::{Form, MEMORY, Sighting};

/// Somebody else has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) address: IpAddr,
    pub(crate) mac: MacAddr,
    /// The interface on which it was seen.
    pub(crate) interface: u32,
    /// How it was seen last.
    form: Form,
    /// When it was seen last.
    last: Time,
}

/// What a sighting, or the time, makes of the conflicts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Somebody has an address.
    Found(Conflict),
    /// They are not taken to have it any more, and why.
    Over(Conflict, Cause),
    /// Somebody answers for addresses that are not theirs.
    Proxy {
        /// Who.
        mac: MacAddr,
        /// On which interface.
        interface: u32,
        /// For which addresses it was heard to, the first few.
        addresses: Vec<IpAddr>,
    },
    /// They are not taken to do so any more, and why.
    ProxyOver(Proxy, Cause),
}

/// All that is known of them.
#[derive(Debug, Default)]
pub(crate) struct Conflicts {
    open: BTreeMap<IpAddr, Conflict>,
    proxies: Proxies,
}

impl Conflicts {
    /// Take in that somebody who is none of us says that an address is theirs.
    pub(crate) fn see(&mut self, now: Time, interface: u32, seen: Sighting) -> Vec<News> {
        let Sighting { address, mac, form } = seen;
        let mut news = Vec::new();
        if form == Form::Answer {
            if self.proxies.hear(now, interface, address, mac) {
                news = self.unmask(interface, mac);
            }
            if self.proxies.has(mac) {
                return news;
            }
        }
        let known = self.open.get(&address).is_some_and(|open| open.mac == mac);
        let conflict = Conflict { address, mac, interface, form, last: now };
        if !known {
            news.push(News::Found(conflict.clone()));
        }
        self.open.insert(address, conflict);
        news
    }

    /// It is a proxy: take back what was believed of its answers.
    fn unmask(&mut self, interface: u32, mac: MacAddr) -> Vec<News> {
        let over = self.end(|conflict| conflict.mac == mac && conflict.form == Form::Answer);
        let news = News::Proxy { mac, interface, addresses: self.proxies.answers_of(mac) };
        [news].into_iter().chain(over.into_iter().map(|one| News::Over(one, Cause::Proxy))).collect()
    }

    /// Take in at which MAC address a gateway is; whether it also answered for others is seen anew.
    pub(crate) fn see_gateway(&mut self, now: Time, interface: u32, gateway: IpAddr, mac: MacAddr) -> Vec<News> {
        if self.proxies.see_gateway(now, interface, gateway, mac) { self.unmask(interface, mac) } else { Vec::new() }
    }

    /// Whether it is known at which MAC address a gateway is.
    pub(crate) fn knows_gateway(&self, interface: u32, gateway: IpAddr) -> bool {
        self.proxies.knows_gateway(interface, gateway)
    }

    /// Whether it depends on an address whether somebody is still taken for a proxy.
    pub(crate) fn hangs_on(&self, mac: MacAddr, address: IpAddr) -> bool {
        self.proxies.hangs_on(mac, address)
    }

    /// The same of anybody.
    pub(crate) fn any_hangs_on(&self, address: IpAddr) -> bool {
        self.proxies.any_hangs_on(address)
    }

    /// Nobody answered a whole series of probes for an address.
    pub(crate) fn clear(&mut self, address: IpAddr) -> Vec<News> {
        let over = self.open.remove(&address).map(|conflict| News::Over(conflict, Cause::Probe));
        over.into_iter().chain(self.clear_proxies(address, Cause::Probe)).collect()
    }

    /// No proxy answered for an address when it was asked for.
    pub(crate) fn clear_proxies(&mut self, address: IpAddr, cause: Cause) -> Vec<News> {
        self.proxies.clear(address).into_iter().map(|proxy| News::ProxyOver(proxy, cause)).collect()
    }

    /// Who was taken for a stranger is one of ours.
    pub(crate) fn acquit(&mut self, address: IpAddr, mac: MacAddr) -> Vec<News> {
        let over = self.end(|conflict| conflict.address == address && conflict.mac == mac);
        over.into_iter().map(|conflict| News::Over(conflict, Cause::BeaconHeard)).collect()
    }

    /// Keep only what is said of addresses of interest. What is dropped so is nobody's concern any more.
    pub(crate) fn retain(&mut self, interests: impl Fn(IpAddr) -> bool) -> Vec<News> {
        let gone = self.end(|conflict| !interests(conflict.address));
        gone.into_iter().map(|conflict| News::Over(conflict, Cause::Unwanted)).collect()
    }

    /// Whether somebody else has an address.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.open.contains_key(&address)
    }

    /// End what nothing was heard of for long.
    pub(crate) fn expire(&mut self, now: Time) -> Vec<News> {
        let over = self.end(|conflict| now.since(conflict.last) >= MEMORY);
        let over = over.into_iter().map(|conflict| News::Over(conflict, Cause::Silence));
        over.chain(self.proxies.expire(now).into_iter().map(|proxy| News::ProxyOver(proxy, Cause::Silence))).collect()
    }

    fn end(&mut self, over: impl Fn(&Conflict) -> bool) -> Vec<Conflict> {
        let gone: Vec<IpAddr> = self.open.values().filter(|one| over(one)).map(|one| one.address).collect();
        gone.iter().filter_map(|address| self.open.remove(address)).collect()
    }

    /// When the next would end so.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let conflicts = self.open.values().map(|conflict| conflict.last + MEMORY).min();
        conflicts.into_iter().chain(self.proxies.deadline()).min()
    }
}

#[cfg(test)]
mod tests;
