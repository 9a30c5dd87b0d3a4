use proptest::prelude::*;

use super::*;
use crate::fuzzing;

/// Who has 192.0.2.240? Tell 192.0.2.1.
const BYTES: [u8; LEN] = [
    0x00, 0x01, // hardware: Ethernet
    0x08, 0x00, // protocol: IPv4
    0x06, 0x04, // their lengths
    0x00, 0x01, // operation: request
    0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, // sender MAC
    0xc0, 0x00, 0x02, 0x01, // sender IP
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // target MAC
    0xc0, 0x00, 0x02, 0xf0, // target IP
];

const SENDER: MacAddr = MacAddr::new([0x02, 0, 0, 0, 0, 0x0a]);

const REPR: Repr = Repr {
    operation: Operation::Request,
    sender_mac: SENDER,
    sender_ip: Ipv4Addr::new(192, 0, 2, 1),
    target_mac: MacAddr::ZERO,
    target_ip: Ipv4Addr::new(192, 0, 2, 240),
};

#[test]
fn deconstructs() {
    let packet = Packet::new_checked(&BYTES[..]).expect("long enough");
    assert!(packet.is_ipv4_over_ethernet());
    assert_eq!(packet.operation(), Operation::Request);
    assert_eq!(packet.sender_mac(), REPR.sender_mac);
    assert_eq!(packet.sender_ip(), REPR.sender_ip);
    assert_eq!(packet.target_mac(), REPR.target_mac);
    assert_eq!(packet.target_ip(), REPR.target_ip);
}

#[test]
fn constructs_over_old_bytes() {
    let mut bytes = [0xa5; LEN];
    let mut packet = Packet::new_checked(&mut bytes).expect("long enough");
    packet.set_ipv4_over_ethernet();
    packet.set_operation(Operation::Request);
    packet.set_sender(REPR.sender_mac, REPR.sender_ip);
    packet.set_target(REPR.target_mac, REPR.target_ip);
    assert_eq!(bytes, BYTES);
}

#[test]
fn parses() {
    assert_eq!(Repr::parse(&Packet::new_unchecked(BYTES)), Ok(REPR));
}

#[test]
fn emits_over_old_bytes() {
    let mut bytes = [0xa5; LEN];
    REPR.emit(&mut Packet::new_unchecked(&mut bytes));
    assert_eq!(bytes, BYTES);
    assert_eq!(REPR.buffer_len(), LEN);
}

#[test]
fn makes_a_whole_frame() {
    let frame = REPR.frame(MacAddr::BROADCAST, SENDER);
    assert_eq!(frame[..6], [0xff; 6]);
    assert_eq!(frame[6..12], SENDER.octets());
    assert_eq!(frame[12..14], [0x08, 0x06]);
    assert_eq!(frame[14..], BYTES);
}

#[test]
fn ignores_the_padding_of_a_short_frame() {
    let mut padded = [0xa5; 46];
    padded[..LEN].copy_from_slice(&BYTES);
    assert_eq!(Repr::parse(&Packet::new_unchecked(padded)), Ok(REPR));
}

#[test]
fn is_truncated_at_every_length_below_its_own() {
    for len in 0..LEN {
        let cut = &BYTES[..len];
        assert_eq!(Packet::new_checked(cut), Err(Error::Truncated), "{len}");
        assert_eq!(Repr::parse(&Packet::new_unchecked(cut)), Err(Error::Truncated), "{len}");
    }
}

#[test]
fn refuses_other_hardware_protocols_and_lengths() {
    for at in 0..6 {
        let mut bytes = BYTES;
        bytes[at] ^= 0x10;
        assert_eq!(Repr::parse(&Packet::new_unchecked(bytes)), Err(Error::Unsupported), "byte {at}");
    }
}

#[test]
fn keeps_an_operation_that_it_does_not_know() {
    let mut bytes = BYTES;
    bytes[7] = 8; // InARP request, RFC 2390
    let repr = Repr::parse(&Packet::new_unchecked(bytes));
    assert_eq!(repr, Ok(Repr { operation: Operation::Unknown(8), ..REPR }));
}

proptest! {
    #[test]
    fn any_bytes_are_read_back_as_they_were(data in prop::collection::vec(any::<u8>(), 0..64)) {
        fuzzing::arp(&data);
    }

    #[test]
    fn any_value_survives_the_wire(operation: u16, macs: [[u8; 6]; 2], ips: [u32; 2]) {
        let repr = Repr {
            operation: operation.into(),
            sender_mac: macs[0].into(),
            sender_ip: ips[0].into(),
            target_mac: macs[1].into(),
            target_ip: ips[1].into(),
        };
        let frame = repr.frame(MacAddr::BROADCAST, SENDER);
        prop_assert_eq!(Repr::parse(&Packet::new_unchecked(&frame[ethernet::HEADER_LEN..])), Ok(repr));
    }
}
