//! Neighbor discovery (RFC 4861), with what duplicate address detection asks of an address in use (RFC 4862).

use std::net::{IpAddr, Ipv6Addr};

use metalev_wire::ethernet::Frame;
use metalev_wire::ndp::{self, Flags, Message};
use metalev_wire::{Error, MacAddr, ipv6};

use super::{Outcome, Responder};
use crate::event::{Action, DropReason, Interface};
use crate::sighting;

impl Responder {
    /// Look at an IPv6 frame that came in on `link`. `may_answer` is whether the promise still holds.
    pub(crate) fn ndp(&mut self, link: &Interface, frame: &Frame<&[u8]>, may_answer: bool) -> Outcome {
        let judged = self.judge_ndp(link, frame, may_answer);
        self.conclude(judged)
    }

    fn judge_ndp(&mut self, link: &Interface, frame: &Frame<&[u8]>, may_answer: bool) -> Result<Outcome, DropReason> {
        let repr = ndp::Packet::new_checked(frame.payload()).and_then(|packet| ndp::Repr::parse(&packet));
        let repr = repr.map_err(|error| match error {
            Error::Unsupported => DropReason::MessageType,
            _ => DropReason::Malformed,
        })?;
        if !is_for(link, frame.dst(), repr.dst_ip) {
            return Err(DropReason::EthernetDestination);
        }
        let seen = Some(sighting::of_ndp(&repr, frame.src())).filter(|seen| seen.is_of_another(link.mac));
        let judged = match repr.message {
            Message::Solicitation { source_mac } => self.solicited(link, &repr, (source_mac, frame.src()), may_answer),
            // Whatever else an advertisement says is for the kernel.
            Message::Advertisement { .. } => {
                let claim = seen.filter(|seen| self.is_claim(seen, link));
                claim.map(Outcome::Claim).ok_or(DropReason::MessageType)
            }
        };
        self.noting(judged, seen)
    }

    /// A question, and the MAC addresses that its sender states and sends from.
    fn solicited(
        &mut self,
        link: &Interface,
        question: &ndp::Repr,
        (stated, from): (Option<MacAddr>, MacAddr),
        may_answer: bool,
    ) -> Result<Outcome, DropReason> {
        // Who asks everybody must say where to answer (RFC 4861 section 4.3); who asks one, or probes, need not.
        if stated.is_none() && question.dst_ip.is_multicast() && !question.is_probe() {
            return Err(DropReason::NoSourceLl);
        }
        let asker = stated.unwrap_or(from);
        if asker.is_multicast() {
            return Err(DropReason::Malformed);
        }
        let seen = Some(sighting::of_ndp(question, from)).filter(|seen| seen.is_of_another(link.mac));
        if let Some(claim) = seen.filter(|seen| self.is_claim(seen, link)) {
            return Ok(Outcome::Claim(claim));
        }
        self.admit(link, question.target.into(), may_answer)?;
        let bytes = answer(link, question, asker);
        Ok(Outcome::Answer(Action::SendFrame { interface: link.index, bytes }))
    }
}

/// Whether a frame is for this node: to its own address, or to a group in the frame that belongs to the group in the
/// packet (RFC 2464 section 7). Which groups are ours is a question of the target, and asked there.
fn is_for(link: &Interface, dst: MacAddr, dst_ip: Ipv6Addr) -> bool {
    dst == link.mac || dst_ip.is_multicast() && (dst.is_broadcast() || dst == ipv6::multicast_mac(dst_ip))
}

/// The answer as RFC 4861 section 7.2.4 has it: to the asker, solicited; to a probe, which has no address to be
/// answered at, to all nodes and unsolicited, and its sender gives the address up (RFC 4862 section 5.4.4).
///
/// Override is set in both: the address is an ordinary unicast address with one announcer, and after a takeover a
/// neighbor must replace what it has cached. (`MetalLB` leaves it clear in answers to a question.)
fn answer(link: &Interface, question: &ndp::Repr, asker: MacAddr) -> Vec<u8> {
    if question.is_probe() {
        return unsolicited_frame(link, question.target);
    }
    advertisement(link, question.target, question.src_ip, true).frame(asker, link.mac)
}

/// The unsolicited advertisement of RFC 4861 section 7.2.6. One form is enough: all heed it.
pub(super) fn unsolicited(link: &Interface, target: Ipv6Addr) -> Vec<Vec<u8>> {
    vec![unsolicited_frame(link, target)]
}

fn unsolicited_frame(link: &Interface, target: Ipv6Addr) -> Vec<u8> {
    let dst = ipv6::ALL_NODES;
    advertisement(link, target, dst, false).frame(ipv6::multicast_mac(dst), link.mac)
}

fn advertisement(link: &Interface, target: Ipv6Addr, dst_ip: Ipv6Addr, solicited: bool) -> ndp::Repr {
    let flags = Flags { router: false, solicited, overrides: true };
    let message = Message::Advertisement { flags, target_mac: Some(link.mac) };
    ndp::Repr { src_ip: link_local(link).unwrap_or(target), dst_ip, target, message }
}

/// The interface's own link-local address: the source has to be an address of the interface (RFC 4861 section 4.4), and
/// the advertised one is none.
fn link_local(link: &Interface) -> Option<Ipv6Addr> {
    link.addresses.iter().find_map(|(address, _)| match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => Some(*address),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
