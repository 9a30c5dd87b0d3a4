//! Answers ARP for the addresses that this node holds (RFC 826), by hash, and counts what it does not answer.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use metalev_wire::ethernet::Frame;
use metalev_wire::{MacAddr, arp};

use crate::event::{Action, AddressCounters, DropReason, Interface};

/// What a frame was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A question that is answered.
    Answer(Action),
    /// Nothing to answer.
    Drop(DropReason),
    /// Somebody else says that a held address is theirs.
    ForeignClaim {
        /// The address.
        address: IpAddr,
        /// Who says so.
        mac: MacAddr,
    },
}

/// The held addresses and their counters.
#[derive(Debug, Default)]
pub(crate) struct Responder {
    /// For each held address the interfaces on which it is announced.
    held: HashMap<IpAddr, Vec<u32>>,
    counters: HashMap<IpAddr, AddressCounters>,
    dropped: BTreeMap<DropReason, u64>,
}

impl Responder {
    /// Answer for these addresses on these interfaces from now on.
    pub(crate) fn hold(&mut self, addresses: &[IpAddr], interfaces: &[u32]) {
        for address in addresses {
            self.held.insert(*address, interfaces.to_vec());
            self.counter(*address);
        }
    }

    /// Answer for these addresses no more.
    pub(crate) fn release(&mut self, addresses: &[IpAddr]) {
        for address in addresses {
            self.held.remove(address);
        }
    }

    /// Forget the counters of an address that no Service has any more.
    pub(crate) fn forget(&mut self, addresses: &[IpAddr]) {
        for address in addresses {
            self.counters.remove(address);
        }
    }

    /// Look at an ARP frame that came in on `link`. `may_answer` is whether the promise still holds.
    pub(crate) fn arp(
        &mut self,
        link: &Interface,
        frame: &Frame<&[u8]>,
        may_answer: bool,
    ) -> Outcome {
        match self.judge(link, frame, may_answer) {
            Ok(outcome) => outcome,
            Err(reason) => {
                self.count_drop(reason);
                Outcome::Drop(reason)
            }
        }
    }

    fn judge(
        &mut self,
        link: &Interface,
        frame: &Frame<&[u8]>,
        may_answer: bool,
    ) -> Result<Outcome, DropReason> {
        let dst = frame.dst();
        if !dst.is_broadcast() && dst != link.mac {
            return Err(DropReason::EthernetDestination);
        }
        let packet =
            arp::Packet::new_checked(frame.payload()).map_err(|_| DropReason::Malformed)?;
        let request = arp::Repr::parse(&packet).map_err(|_| DropReason::Malformed)?;
        let sender = IpAddr::V4(request.sender_ip);
        if request.sender_mac != link.mac
            && self
                .held
                .get(&sender)
                .is_some_and(|on| on.contains(&link.index))
        {
            return Ok(Outcome::ForeignClaim {
                address: sender,
                mac: request.sender_mac,
            });
        }
        self.answer(link, &request, may_answer)
    }

    fn answer(
        &mut self,
        link: &Interface,
        request: &arp::Repr,
        may_answer: bool,
    ) -> Result<Outcome, DropReason> {
        match request.operation {
            arp::Operation::Request => {}
            arp::Operation::Reply => return Err(DropReason::ArpReply),
            arp::Operation::Unknown(_) => return Err(DropReason::MessageType),
        }
        let target = IpAddr::V4(request.target_ip);
        let interfaces = self.held.get(&target).ok_or(DropReason::AnnounceIp)?;
        if !interfaces.contains(&link.index) {
            return Err(DropReason::NotMatchInterface);
        }
        self.counter(target).requests_received += 1;
        if !may_answer {
            return Err(DropReason::Lapsed);
        }
        self.counter(target).responses_sent += 1;
        let reply = arp::Repr {
            operation: arp::Operation::Reply,
            sender_mac: link.mac,
            sender_ip: request.target_ip,
            target_mac: request.sender_mac,
            target_ip: request.sender_ip,
        };
        let bytes = reply.frame(request.sender_mac, link.mac).to_vec();
        Ok(Outcome::Answer(Action::SendFrame {
            interface: link.index,
            bytes,
        }))
    }

    /// Count a frame or datagram that got no answer.
    pub(crate) fn count_drop(&mut self, reason: DropReason) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// Count gratuitous frames.
    pub(crate) fn count_gratuitous(&mut self, address: IpAddr, frames: u64) {
        self.counter(address).gratuitous_sent += frames;
    }

    fn counter(&mut self, address: IpAddr) -> &mut AddressCounters {
        self.counters.entry(address).or_insert(AddressCounters {
            address,
            requests_received: 0,
            responses_sent: 0,
            gratuitous_sent: 0,
        })
    }

    /// What was counted per address, in the order of addresses.
    pub(crate) fn address_counters(&self) -> Vec<AddressCounters> {
        let mut all: Vec<AddressCounters> = self.counters.values().copied().collect();
        all.sort_by_key(|counters| counters.address);
        all
    }

    /// What got no answer, by reason.
    pub(crate) fn dropped(&self) -> Vec<(DropReason, u64)> {
        self.dropped
            .iter()
            .map(|(reason, count)| (*reason, *count))
            .collect()
    }
}

/// The two gratuitous forms of ARP for an address: some neighbours heed only one of them.
///
/// The reply carries the sender's own MAC as target: with the broadcast address there, Linux ignores it within the
/// neighbour entry's `locktime`. The request form is RFC 5227 1.1's announcement.
pub(crate) fn gratuitous(link: &Interface, address: IpAddr) -> Vec<Action> {
    let IpAddr::V4(ip) = address else {
        return Vec::new();
    };
    let form = |operation, target_mac| {
        let repr = arp::Repr {
            operation,
            sender_mac: link.mac,
            sender_ip: ip,
            target_mac,
            target_ip: ip,
        };
        let bytes = repr.frame(MacAddr::BROADCAST, link.mac).to_vec();
        Action::SendFrame {
            interface: link.index,
            bytes,
        }
    };
    vec![
        form(arp::Operation::Request, MacAddr::ZERO),
        form(arp::Operation::Reply, link.mac),
    ]
}

#[cfg(test)]
mod tests {
    use metalev_wire::arp::Operation;

    use super::*;

    const US: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
    const CLIENT: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 9]);
    const VIP: [u8; 4] = [192, 168, 1, 200];

    fn link() -> Interface {
        Interface {
            index: 2,
            name: "eth0".into(),
            mac: US,
            addresses: vec![([192, 168, 1, 10].into(), 24)],
        }
    }

    fn responder() -> Responder {
        let mut responder = Responder::default();
        responder.hold(&[VIP.into()], &[2]);
        responder
    }

    fn question(operation: Operation, sender_ip: [u8; 4], target_ip: [u8; 4]) -> arp::Repr {
        let (sender_ip, target_ip) = (sender_ip.into(), target_ip.into());
        arp::Repr {
            operation,
            sender_mac: CLIENT,
            sender_ip,
            target_mac: MacAddr::ZERO,
            target_ip,
        }
    }

    fn ask(responder: &mut Responder, repr: &arp::Repr, dst: MacAddr) -> Outcome {
        let bytes = repr.frame(dst, CLIENT);
        responder.arp(&link(), &Frame::new_checked(&bytes[..]).unwrap(), true)
    }

    fn who_has() -> arp::Repr {
        question(Operation::Request, [192, 168, 1, 50], VIP)
    }

    #[test]
    fn a_broadcast_request_for_a_held_address_is_answered_to_its_sender() {
        let Outcome::Answer(Action::SendFrame { interface, bytes }) =
            ask(&mut responder(), &who_has(), MacAddr::BROADCAST)
        else {
            panic!("no answer")
        };
        let frame = Frame::new_checked(&bytes[..]).unwrap();
        let reply = arp::Repr::parse(&arp::Packet::new_checked(frame.payload()).unwrap()).unwrap();
        assert_eq!((interface, frame.dst(), frame.src()), (2, CLIENT, US));
        assert_eq!(
            (reply.operation, reply.sender_mac, reply.sender_ip),
            (Operation::Reply, US, VIP.into())
        );
        assert_eq!(
            (reply.target_mac, reply.target_ip),
            (CLIENT, [192, 168, 1, 50].into())
        );
    }

    #[test]
    fn a_request_to_our_own_mac_is_answered() {
        assert!(matches!(
            ask(&mut responder(), &who_has(), US),
            Outcome::Answer(_)
        ));
    }

    #[test]
    fn a_request_to_another_hosts_mac_is_not() {
        let foreign = MacAddr::new([2, 0, 0, 0, 0, 2]);
        let outcome = ask(&mut responder(), &who_has(), foreign);
        assert_eq!(outcome, Outcome::Drop(DropReason::EthernetDestination));
    }

    #[test]
    fn a_probe_for_a_held_address_is_answered() {
        let probe = question(Operation::Request, [0; 4], VIP);
        assert!(matches!(
            ask(&mut responder(), &probe, MacAddr::BROADCAST),
            Outcome::Answer(_)
        ));
    }

    #[test]
    fn an_address_that_is_not_held_is_nobodys_business() {
        let other = question(Operation::Request, [192, 168, 1, 50], [192, 168, 1, 201]);
        let outcome = ask(&mut responder(), &other, MacAddr::BROADCAST);
        assert_eq!(outcome, Outcome::Drop(DropReason::AnnounceIp));
    }

    #[test]
    fn a_held_address_is_not_answered_on_another_interface() {
        let mut responder = Responder::default();
        responder.hold(&[VIP.into()], &[3]);
        let outcome = ask(&mut responder, &who_has(), MacAddr::BROADCAST);
        assert_eq!(outcome, Outcome::Drop(DropReason::NotMatchInterface));
    }

    #[test]
    fn a_reply_and_an_unknown_operation_are_not_answered() {
        let reply = question(Operation::Reply, [192, 168, 1, 50], VIP);
        let odd = question(Operation::Unknown(9), [192, 168, 1, 50], VIP);
        assert_eq!(
            ask(&mut responder(), &reply, US),
            Outcome::Drop(DropReason::ArpReply)
        );
        assert_eq!(
            ask(&mut responder(), &odd, US),
            Outcome::Drop(DropReason::MessageType)
        );
    }

    #[test]
    fn past_the_promise_nothing_is_answered() {
        let bytes = who_has().frame(MacAddr::BROADCAST, CLIENT);
        let frame = Frame::new_checked(&bytes[..]).unwrap();
        assert_eq!(
            responder().arp(&link(), &frame, false),
            Outcome::Drop(DropReason::Lapsed)
        );
    }

    #[test]
    fn whoever_uses_a_held_address_as_its_own_is_noticed() {
        let claim = question(Operation::Request, VIP, VIP);
        let outcome = ask(&mut responder(), &claim, MacAddr::BROADCAST);
        assert_eq!(
            outcome,
            Outcome::ForeignClaim {
                address: VIP.into(),
                mac: CLIENT
            }
        );
    }

    #[test]
    fn both_gratuitous_forms_name_our_mac_and_the_reply_is_one_that_linux_heeds() {
        let frames: Vec<arp::Repr> = gratuitous(&link(), VIP.into())
            .into_iter()
            .map(|action| {
                let Action::SendFrame { bytes, .. } = action else {
                    panic!("not a frame")
                };
                let frame = Frame::new_checked(&bytes[..]).unwrap();
                assert!(frame.dst().is_broadcast());
                arp::Repr::parse(&arp::Packet::new_checked(frame.payload()).unwrap()).unwrap()
            })
            .collect();
        assert!(
            frames
                .iter()
                .all(|repr| repr.sender_mac == US && repr.sender_ip == repr.target_ip)
        );
        assert_eq!(
            (frames[0].operation, frames[0].target_mac),
            (Operation::Request, MacAddr::ZERO)
        );
        assert_eq!(
            (frames[1].operation, frames[1].target_mac),
            (Operation::Reply, US)
        );
    }

    #[test]
    fn what_is_asked_and_answered_is_counted_per_address() {
        let mut responder = responder();
        ask(&mut responder, &who_has(), MacAddr::BROADCAST);
        ask(&mut responder, &who_has(), MacAddr::BROADCAST);
        let counters = responder.address_counters();
        assert_eq!(
            (counters[0].requests_received, counters[0].responses_sent),
            (2, 2)
        );
    }
}
