use metalev_wire::ethernet::{EtherType, Repr as Header};

use super::*;
use crate::sighting::{Form, Sighting};

const US: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const CLIENT: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 9]);
const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xf0);
const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xf1);
const OUR_IP: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const CLIENT_IP: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);

fn link() -> Interface {
    let addresses = vec![(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(), 64), (OUR_IP.into(), 64)];
    Interface { index: 2, name: "eth0".into(), mac: US, addresses, gateways: vec![] }
}

fn responder() -> Responder {
    let mut responder = Responder::default();
    responder.hold(&[VIP.into()], &[2]);
    responder
}

/// Who has `target`? To the group that it belongs to.
fn who_has(target: Ipv6Addr) -> ndp::Repr {
    let message = Message::Solicitation { source_mac: Some(CLIENT) };
    ndp::Repr { src_ip: CLIENT_IP, dst_ip: ipv6::solicited_node(target), target, message }
}

fn probe() -> ndp::Repr {
    let message = Message::Solicitation { source_mac: None };
    ndp::Repr { src_ip: Ipv6Addr::UNSPECIFIED, message, ..who_has(VIP) }
}

fn advertises(target: Ipv6Addr, mac: MacAddr) -> ndp::Repr {
    let message = Message::Advertisement { flags: Flags::default(), target_mac: Some(mac) };
    ndp::Repr { src_ip: CLIENT_IP, dst_ip: ipv6::ALL_NODES, target, message }
}

fn hear_at(responder: &mut Responder, repr: &ndp::Repr, dst: MacAddr, link: &Interface) -> Outcome {
    let bytes = repr.frame(dst, CLIENT);
    responder.ndp(link, &Frame::new_checked(&bytes[..]).unwrap(), true)
}

/// As a neighbor's stack would send it.
fn hear(responder: &mut Responder, repr: &ndp::Repr) -> Outcome {
    let dst = if repr.dst_ip.is_multicast() { ipv6::multicast_mac(repr.dst_ip) } else { US };
    hear_at(responder, repr, dst, &link())
}

/// To whom an answer goes, by frame, and what it says.
fn answered(outcome: Outcome) -> (MacAddr, ndp::Repr) {
    let (Outcome::Answer(action) | Outcome::Noted(_, action)) = outcome else { panic!("no answer: {outcome:?}") };
    let Action::SendFrame { interface: 2, bytes } = action else { panic!("no answer: {action:?}") };
    let frame = Frame::new_checked(&bytes[..]).unwrap();
    assert_eq!((frame.src(), frame.ethertype()), (US, EtherType::IPV6));
    (frame.dst(), ndp::Repr::parse(&ndp::Packet::new_checked(frame.payload()).unwrap()).unwrap())
}

fn says(solicited: bool) -> Message {
    Message::Advertisement { flags: Flags { router: false, solicited, overrides: true }, target_mac: Some(US) }
}

#[test]
fn a_question_for_a_held_address_is_answered_to_its_asker() {
    let (dst, answer) = answered(hear(&mut responder(), &who_has(VIP)));
    assert_eq!(dst, CLIENT);
    assert_eq!(answer, ndp::Repr { src_ip: OUR_IP, dst_ip: CLIENT_IP, target: VIP, message: says(true) });
}

#[test]
fn a_probe_for_a_held_address_is_told_to_all_nodes_that_it_is_taken() {
    let (dst, answer) = answered(hear(&mut responder(), &probe()));
    assert_eq!(dst, ipv6::multicast_mac(ipv6::ALL_NODES));
    assert_eq!(answer, ndp::Repr { src_ip: OUR_IP, dst_ip: ipv6::ALL_NODES, target: VIP, message: says(false) });
}

#[test]
fn a_question_to_this_node_alone_is_answered_where_it_came_from() {
    let still_there = ndp::Repr { dst_ip: VIP, message: Message::Solicitation { source_mac: None }, ..who_has(VIP) };
    assert_eq!(answered(hear(&mut responder(), &still_there)).0, CLIENT);
}

#[test]
fn a_question_to_a_group_that_does_not_say_where_to_answer_is_not() {
    let nameless = ndp::Repr { message: Message::Solicitation { source_mac: None }, ..who_has(VIP) };
    assert_eq!(hear(&mut responder(), &nameless), Outcome::Drop(DropReason::NoSourceLl));
}

#[test]
fn without_a_link_local_address_the_answer_comes_from_the_target() {
    let bare = Interface { addresses: vec![], ..link() };
    let dst = ipv6::multicast_mac(ipv6::solicited_node(VIP));
    let (_, answer) = answered(hear_at(&mut responder(), &who_has(VIP), dst, &bare));
    assert_eq!(answer.src_ip, VIP);
}

#[test]
fn a_frame_to_somebody_else_is_not_answered_whatever_is_in_it() {
    for dst in [MacAddr::new([2, 0, 0, 0, 0, 2]), MacAddr::new([0x33, 0x33, 0xff, 0, 0, 0xf1])] {
        let outcome = hear_at(&mut responder(), &who_has(VIP), dst, &link());
        assert_eq!(outcome, Outcome::Drop(DropReason::EthernetDestination), "{dst}");
    }
}

#[test]
fn an_address_that_is_not_held_is_nobodys_business() {
    assert_eq!(hear(&mut responder(), &who_has(OTHER)), Outcome::Drop(DropReason::AnnounceIp));
}

#[test]
fn a_held_address_is_not_answered_on_another_interface() {
    let mut elsewhere = Responder::default();
    elsewhere.hold(&[VIP.into()], &[3]);
    assert_eq!(hear(&mut elsewhere, &who_has(VIP)), Outcome::Drop(DropReason::NotMatchInterface));
}

#[test]
fn past_the_promise_nothing_is_answered() {
    let bytes = who_has(VIP).frame(US, CLIENT);
    let outcome = responder().ndp(&link(), &Frame::new_checked(&bytes[..]).unwrap(), false);
    assert_eq!(outcome, Outcome::Drop(DropReason::Lapsed));
}

#[test]
fn whoever_advertises_a_held_address_as_its_own_is_noticed() {
    let claim = |form| Outcome::Claim(Sighting { address: VIP.into(), mac: CLIENT, form });
    assert_eq!(hear(&mut responder(), &advertises(VIP, CLIENT)), claim(Form::Answer));
    let speaks_as = ndp::Repr { src_ip: VIP, ..who_has(OTHER) };
    assert_eq!(hear(&mut responder(), &speaks_as), claim(Form::Use));
}

#[test]
fn other_advertisements_and_messages_are_for_the_kernel() {
    let other = hear(&mut responder(), &advertises(OTHER, CLIENT));
    let ours = hear(&mut responder(), &advertises(VIP, US));
    let mut echo = who_has(VIP).frame(US, CLIENT);
    echo[14 + 40] = 128;
    let echo = responder().ndp(&link(), &Frame::new_checked(&echo[..]).unwrap(), true);
    assert_eq!([other, ours, echo], [DropReason::MessageType; 3].map(Outcome::Drop));
}

#[test]
fn what_is_no_neighbors_word_is_malformed() {
    let mut routed = who_has(VIP).frame(US, CLIENT);
    routed[14 + 7] = 64;
    let header = Header { dst: US, src: CLIENT, ethertype: EtherType::IPV6 };
    for (name, bytes) in [("a hop limit of 64", routed), ("nothing at all", header.frame(&[]))] {
        let outcome = responder().ndp(&link(), &Frame::new_checked(&bytes[..]).unwrap(), true);
        assert_eq!(outcome, Outcome::Drop(DropReason::Malformed), "{name}");
    }
}

#[test]
fn an_answer_never_goes_to_a_group_that_the_asker_names() {
    let message = Message::Solicitation { source_mac: Some(MacAddr::BROADCAST) };
    let storm = ndp::Repr { message, ..who_has(VIP) };
    assert_eq!(hear(&mut responder(), &storm), Outcome::Drop(DropReason::Malformed));
}

#[test]
fn the_unsolicited_form_replaces_what_all_nodes_have_cached() {
    let [bytes] = &unsolicited(&link(), VIP)[..] else { panic!("one frame") };
    let frame = Frame::new_checked(&bytes[..]).unwrap();
    let repr = ndp::Repr::parse(&ndp::Packet::new_checked(frame.payload()).unwrap()).unwrap();
    assert_eq!(frame.dst(), ipv6::multicast_mac(ipv6::ALL_NODES));
    assert_eq!(repr, ndp::Repr { src_ip: OUR_IP, dst_ip: ipv6::ALL_NODES, target: VIP, message: says(false) });
}

#[test]
fn what_is_asked_and_answered_is_counted_per_address() {
    let mut responder = responder();
    hear(&mut responder, &who_has(VIP));
    hear(&mut responder, &probe());
    let counters = responder.address_counters();
    assert_eq!((counters[0].requests_received, counters[0].responses_sent), (2, 2));
}
