use metalev_wire::MacAddr;
use metalev_wire::arp::{self, Operation};
use metalev_wire::ethernet::Frame;

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
        gateways: vec![],
    }
}

fn responder() -> Responder {
    let mut responder = Responder::default();
    responder.hold(&[VIP.into()], &[2]);
    responder
}

fn question(operation: Operation, sender_ip: [u8; 4], target_ip: [u8; 4]) -> arp::Repr {
    let (sender_ip, target_ip) = (sender_ip.into(), target_ip.into());
    arp::Repr { operation, sender_mac: CLIENT, sender_ip, target_mac: MacAddr::ZERO, target_ip }
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
    let Outcome::Answer(Action::SendFrame { interface, bytes }) = ask(&mut responder(), &who_has(), MacAddr::BROADCAST)
    else {
        panic!("no answer")
    };
    let frame = Frame::new_checked(&bytes[..]).unwrap();
    let reply = arp::Repr::parse(&arp::Packet::new_checked(frame.payload()).unwrap()).unwrap();
    assert_eq!((interface, frame.dst(), frame.src()), (2, CLIENT, US));
    assert_eq!((reply.operation, reply.sender_mac, reply.sender_ip), (Operation::Reply, US, VIP.into()));
    assert_eq!((reply.target_mac, reply.target_ip), (CLIENT, [192, 168, 1, 50].into()));
}

#[test]
fn a_request_to_our_own_mac_is_answered() {
    assert!(matches!(ask(&mut responder(), &who_has(), US), Outcome::Answer(_)));
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
    let Outcome::Noted(seen, _) = ask(&mut responder(), &probe, MacAddr::BROADCAST) else { panic!("no answer") };
    assert_eq!(seen, Sighting { address: VIP.into(), mac: CLIENT, form: Form::Probe });
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
    assert_eq!(ask(&mut responder(), &reply, US), Outcome::Drop(DropReason::ArpReply));
    assert_eq!(ask(&mut responder(), &odd, US), Outcome::Drop(DropReason::MessageType));
}

#[test]
fn past_the_promise_nothing_is_answered() {
    let bytes = who_has().frame(MacAddr::BROADCAST, CLIENT);
    let frame = Frame::new_checked(&bytes[..]).unwrap();
    assert_eq!(responder().arp(&link(), &frame, false), Outcome::Drop(DropReason::Lapsed));
}

#[test]
fn whoever_uses_a_held_address_as_its_own_is_noticed() {
    let claim = question(Operation::Request, VIP, VIP);
    let outcome = ask(&mut responder(), &claim, MacAddr::BROADCAST);
    assert_eq!(outcome, Outcome::Claim(Sighting { address: VIP.into(), mac: CLIENT, form: Form::Use }));
}

#[test]
fn both_gratuitous_forms_name_our_mac_and_the_reply_is_one_that_linux_heeds() {
    let frames: Vec<arp::Repr> = gratuitous(&link(), VIP.into())
        .into_iter()
        .map(|action| {
            let Action::SendFrame { bytes, .. } = action else { panic!("not a frame") };
            let frame = Frame::new_checked(&bytes[..]).unwrap();
            assert!(frame.dst().is_broadcast());
            arp::Repr::parse(&arp::Packet::new_checked(frame.payload()).unwrap()).unwrap()
        })
        .collect();
    assert!(frames.iter().all(|repr| repr.sender_mac == US && repr.sender_ip == repr.target_ip));
    assert_eq!((frames[0].operation, frames[0].target_mac), (Operation::Request, MacAddr::ZERO));
    assert_eq!((frames[1].operation, frames[1].target_mac), (Operation::Reply, US));
}

#[test]
fn what_is_asked_and_answered_is_counted_per_address() {
    let mut responder = responder();
    ask(&mut responder, &who_has(), MacAddr::BROADCAST);
    ask(&mut responder, &who_has(), MacAddr::BROADCAST);
    let counters = responder.address_counters();
    assert_eq!((counters[0].requests_received, counters[0].responses_sent), (2, 2));
}
