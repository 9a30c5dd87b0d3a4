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

#[test]
fn an_address_without_a_service_is_answered_until_it_is_released_and_counted_no_more() {
    let mut responder = responder();
    ask(&mut responder, &who_has(), MacAddr::BROADCAST);
    responder.forget(&[VIP.into()]);
    assert_eq!(responder.address_counters(), []);
    assert!(matches!(ask(&mut responder, &who_has(), MacAddr::BROADCAST), Outcome::Answer(_)));
    responder.release(&[VIP.into()]);
    assert_eq!(ask(&mut responder, &who_has(), MacAddr::BROADCAST), Outcome::Drop(DropReason::AnnounceIp));
    responder.hold(&[VIP.into()], &[2]);
    assert_eq!(responder.address_counters()[0].requests_received, 0);
}

#[test]
fn the_groups_of_an_address_without_a_service_are_left_when_it_is_released() {
    let vip: IpAddr = "2001:db8::1".parse().unwrap();
    let mut responder = Responder::default();
    responder.hold(&[vip], &[2]);
    responder.memberships().changes();
    responder.forget(&[vip]);
    responder.release(&[vip]);
    assert_eq!(responder.memberships().changes(), [Action::SetGroups { interface: 2, groups: vec![] }]);
}

#[test]
fn addresses_on_other_interfaces_do_not_share_theirs() {
    let mut responder = Responder::default();
    let other: IpAddr = [192, 168, 1, 201].into();
    responder.hold(&[VIP.into()], &[2]);
    responder.hold(&[other], &[3]);
    assert!(responder.holds_on(VIP.into(), &link()) && !responder.holds_on(other, &link()));
    responder.hold(&[other], &[2, 3]);
    assert!(responder.holds_on(VIP.into(), &link()) && responder.holds_on(other, &link()));
}

/// By one look at a hash each: how long it takes is measured by `bench/bench_questions.py`.
#[test]
fn each_of_fifty_thousand_addresses_is_answered_for_itself_and_no_other() {
    let mut responder = Responder::default();
    let address = |n: u32| IpAddr::from((0x0a00_0000 + n).to_be_bytes());
    let (held, others): (Vec<u32>, Vec<u32>) = (0..100_000).partition(|n| n % 2 == 0);
    responder.hold(&held.iter().map(|&n| address(n)).collect::<Vec<_>>(), &[2]);
    for n in held {
        let asked = question(Operation::Request, [192, 168, 1, 50], (0x0a00_0000 + n).to_be_bytes());
        let Outcome::Answer(Action::SendFrame { bytes, .. }) = ask(&mut responder, &asked, MacAddr::BROADCAST) else {
            panic!("no answer for {}", address(n))
        };
        assert_eq!(bytes[28..32], (0x0a00_0000 + n).to_be_bytes());
    }
    for n in others {
        let asked = question(Operation::Request, [192, 168, 1, 50], (0x0a00_0000 + n).to_be_bytes());
        assert_eq!(ask(&mut responder, &asked, MacAddr::BROADCAST), Outcome::Drop(DropReason::AnnounceIp));
    }
}
