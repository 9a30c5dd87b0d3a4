//! ARP (RFC 826).

use std::net::Ipv4Addr;

use metalev_wire::ethernet::Frame;
use metalev_wire::{MacAddr, arp};

use super::{Outcome, Responder};
use crate::event::{Action, DropReason, Interface};
use crate::sighting;

impl Responder {
    /// Look at an ARP frame that came in on `link`. `may_answer` is whether the promise still holds.
    pub(crate) fn arp(&mut self, link: &Interface, frame: &Frame<&[u8]>, may_answer: bool) -> Outcome {
        let judged = self.judge_arp(link, frame, may_answer);
        self.conclude(judged)
    }

    fn judge_arp(&mut self, link: &Interface, frame: &Frame<&[u8]>, may_answer: bool) -> Result<Outcome, DropReason> {
        let dst = frame.dst();
        if !dst.is_broadcast() && dst != link.mac {
            return Err(DropReason::EthernetDestination);
        }
        let packet = arp::Packet::new_checked(frame.payload()).map_err(|_| DropReason::Malformed)?;
        let request = arp::Repr::parse(&packet).map_err(|_| DropReason::Malformed)?;
        // Nobody's own address is that of a group, and an answer there would go to everybody.
        if request.sender_mac.is_multicast() {
            return Err(DropReason::Malformed);
        }
        let seen = sighting::of_arp(&request).filter(|seen| seen.is_of_another(link.mac));
        if let Some(claim) = seen.filter(|seen| self.is_claim(seen, link)) {
            return Ok(Outcome::Claim(claim));
        }
        let judged = self.answer_arp(link, &request, may_answer);
        self.noting(judged, seen)
    }

    fn answer_arp(&mut self, link: &Interface, request: &arp::Repr, may_answer: bool) -> Result<Outcome, DropReason> {
        match request.operation {
            arp::Operation::Request => {}
            arp::Operation::Reply => return Err(DropReason::ArpReply),
            arp::Operation::Unknown(_) => return Err(DropReason::MessageType),
        }
        if request.sender_ip == request.target_ip && !self.holds(request.target_ip.into()) {
            // The announcer's own gratuitous request: nobody has asked.
            return Err(DropReason::AnnounceIp);
        }
        self.admit(link, request.target_ip.into(), may_answer)?;
        let reply = arp::Repr {
            operation: arp::Operation::Reply,
            sender_mac: link.mac,
            sender_ip: request.target_ip,
            target_mac: request.sender_mac,
            target_ip: request.sender_ip,
        };
        let bytes = reply.frame(request.sender_mac, link.mac).to_vec();
        Ok(Outcome::Answer(Action::SendFrame { interface: link.index, bytes }))
    }
}

/// The two gratuitous forms of ARP for an address: some neighbours heed only one of them.
///
/// The reply carries the sender's own MAC as target: with the broadcast address there, Linux ignores it within the
/// neighbour entry's `locktime`. The request form is RFC 5227 1.1's announcement.
pub(super) fn gratuitous(link: &Interface, ip: Ipv4Addr) -> Vec<Vec<u8>> {
    let form = |operation, target_mac| {
        let repr = arp::Repr { operation, sender_mac: link.mac, sender_ip: ip, target_mac, target_ip: ip };
        repr.frame(MacAddr::BROADCAST, link.mac).to_vec()
    };
    vec![form(arp::Operation::Request, MacAddr::ZERO), form(arp::Operation::Reply, link.mac)]
}
