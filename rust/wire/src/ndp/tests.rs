use proptest::prelude::*;

use super::*;
use crate::fuzzing;

/// Who has `2001:db8::f0`? Tell `fe80::a`. The checksums were computed with Python, not with this crate.
const SOLICITATION: [u8; MIN_LEN + OPTION_LEN] = [
    0x60, 0x00, 0x00, 0x00, // version 6, class, label
    0x00, 0x20, // payload length: 32
    0x3a, 0xff, // ICMPv6, hop limit 255
    0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // source: fe80::a
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, //
    0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // destination: ff02::1:ff00:f0
    0x00, 0x00, 0x00, 0x01, 0xff, 0x00, 0x00, 0xf0, //
    0x87, 0x00, 0x49, 0x71, // solicitation, code 0, checksum
    0x00, 0x00, 0x00, 0x00, // reserved
    0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, // target: 2001:db8::f0
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf0, //
    0x01, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, // source link-layer address
];

/// Its answer.
const ADVERTISEMENT: [u8; MIN_LEN + OPTION_LEN] = [
    0x60, 0x00, 0x00, 0x00, // version 6, class, label
    0x00, 0x20, // payload length: 32
    0x3a, 0xff, // ICMPv6, hop limit 255
    0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // source: fe80::b
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0b, //
    0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // destination: fe80::a
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, //
    0x88, 0x00, 0xe7, 0xd8, // advertisement, code 0, checksum
    0x60, 0x00, 0x00, 0x00, // solicited, override
    0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, // target: 2001:db8::f0
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf0, //
    0x02, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0b, // target link-layer address
];

const ASKER: MacAddr = MacAddr::new([0x02, 0, 0, 0, 0, 0x0a]);
const ANSWERER: MacAddr = MacAddr::new([0x02, 0, 0, 0, 0, 0x0b]);
const ASKER_IP: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x0a);
const TARGET: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xf0);

const QUESTION: Repr = Repr {
    src_ip: ASKER_IP,
    dst_ip: ipv6::solicited_node(TARGET),
    target: TARGET,
    message: Message::Solicitation { source_mac: Some(ASKER) },
};

const ANSWER: Repr = Repr {
    src_ip: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x0b),
    dst_ip: ASKER_IP,
    target: TARGET,
    message: Message::Advertisement {
        flags: Flags { router: false, solicited: true, overrides: true },
        target_mac: Some(ANSWERER),
    },
};

fn parse(bytes: &[u8]) -> Result<Repr, Error> {
    Repr::parse(&Packet::new_unchecked(bytes))
}

fn emit(repr: &Repr) -> Vec<u8> {
    let mut bytes = vec![0xa5; repr.buffer_len()];
    repr.emit(&mut Packet::new_unchecked(&mut bytes));
    bytes
}

/// `bytes` with changes and then the checksum, so that it is not what they are refused for.
fn forged(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    change(&mut bytes);
    let payload = u16::try_from(bytes.len() - 40).expect("short");
    bytes[4..6].copy_from_slice(&payload.to_be_bytes());
    Packet::new_unchecked(&mut bytes).fill_checksum();
    bytes
}

#[test]
fn deconstructs() {
    let packet = Packet::new_checked(&ADVERTISEMENT[..]).expect("long enough");
    assert_eq!((packet.total_len(), packet.hop_limit()), (72, 255));
    assert_eq!((packet.src_ip(), packet.dst_ip(), packet.target()), (ANSWER.src_ip, ANSWER.dst_ip, TARGET));
    assert_eq!((packet.message_type(), packet.code(), packet.flags()), (136, 0, 0x60));
    assert_eq!(packet.option(TARGET_LINK_LAYER), Ok(Some(ANSWERER)));
    assert_eq!(packet.option(SOURCE_LINK_LAYER), Ok(None));
    assert!(packet.checksum_fits());
}

#[test]
fn parses_both_messages() {
    assert_eq!(parse(&SOLICITATION), Ok(QUESTION));
    assert_eq!(parse(&ADVERTISEMENT), Ok(ANSWER));
}

#[test]
fn emits_both_messages_over_old_bytes() {
    assert_eq!(emit(&QUESTION), SOLICITATION);
    assert_eq!(emit(&ANSWER), ADVERTISEMENT);
}

#[test]
fn makes_a_whole_frame() {
    let frame = ANSWER.frame(ASKER, ANSWERER);
    assert_eq!(frame[..6], ASKER.octets());
    assert_eq!(frame[6..12], ANSWERER.octets());
    assert_eq!(frame[12..14], [0x86, 0xdd]);
    assert_eq!(frame[14..], ADVERTISEMENT);
}

#[test]
fn goes_without_a_link_layer_address() {
    let unicast = Repr { dst_ip: TARGET, message: Message::Solicitation { source_mac: None }, ..QUESTION };
    assert_eq!(emit(&unicast).len(), MIN_LEN);
    assert_eq!(parse(&emit(&unicast)), Ok(unicast));
}

#[test]
fn ignores_the_padding_of_the_frame_and_the_reserved_bits() {
    assert_eq!(parse(&[&SOLICITATION[..], &[0xa5; 9]].concat()), Ok(QUESTION));
    assert_eq!(parse(&forged(&SOLICITATION, |bytes| bytes[44..48].fill(0xff))), Ok(QUESTION));
    assert_eq!(parse(&forged(&ADVERTISEMENT, |bytes| bytes[44..48].copy_from_slice(&[0x7f, 1, 2, 3]))), Ok(ANSWER));
}

#[test]
fn is_truncated_at_every_length_below_its_own() {
    for len in 0..SOLICITATION.len() {
        assert_eq!(parse(&SOLICITATION[..len]), Err(Error::Truncated), "{len}");
    }
}

#[test]
fn refuses_a_header_that_leaves_no_room_for_a_message() {
    let mut bytes = SOLICITATION;
    bytes[5] = 23;
    assert_eq!(parse(&bytes), Err(Error::Malformed));
}

#[test]
fn refuses_every_hop_limit_but_255() {
    for hop_limit in 0..255 {
        let mut bytes = SOLICITATION;
        bytes[7] = hop_limit;
        assert_eq!(parse(&bytes), Err(Error::Malformed), "{hop_limit}");
    }
}

#[test]
fn refuses_any_flipped_bit_that_the_checksum_covers() {
    for bit in 8 * 8..SOLICITATION.len() * 8 {
        let mut bytes = SOLICITATION;
        bytes[bit / 8] ^= 0x80 >> (bit % 8);
        assert!(parse(&bytes).is_err(), "bit {bit}");
    }
}

#[test]
fn refuses_another_version_next_header_type_and_code() {
    for (at, byte, error) in [
        (0, 0x40, Error::Unsupported),
        (6, 0x00, Error::Unsupported), // hop-by-hop options
        (6, 44, Error::Unsupported),   // a fragment, RFC 6980
        (40, 134, Error::Unsupported), // router advertisement
        (40, 137, Error::Unsupported), // redirect
        (41, 1, Error::Malformed),
    ] {
        let bytes = forged(&SOLICITATION, |bytes| bytes[at] = byte);
        assert_eq!(parse(&bytes), Err(error), "byte {at}");
    }
}

#[test]
fn refuses_an_option_of_length_zero_wherever_it_stands() {
    for at in [64, 72] {
        let bytes = forged(&[&SOLICITATION[..], &[0x0e, 1, 0, 0, 0, 0, 0, 0]].concat(), |bytes| bytes[at + 1] = 0);
        assert_eq!(parse(&bytes), Err(Error::Malformed), "{at}");
    }
}

#[test]
fn refuses_an_option_that_reaches_beyond_the_packet() {
    let long = forged(&SOLICITATION, |bytes| bytes[65] = 2);
    let single_octet = forged(&SOLICITATION, |bytes| bytes.push(1));
    assert_eq!([parse(&long), parse(&single_octet)], [Err(Error::Malformed); 2]);
}

#[test]
fn refuses_a_link_layer_address_that_is_not_of_ethernet() {
    let eight_octets = forged(&[&SOLICITATION[..], &[0; 8]].concat(), |bytes| bytes[65] = 2);
    assert_eq!(parse(&eight_octets), Err(Error::Malformed));
}

#[test]
fn skips_options_that_it_does_not_know_and_takes_the_first_of_those_it_does() {
    let nonce = [0x0e, 1, 1, 2, 3, 4, 5, 6]; // RFC 3971 section 5.3.2
    let second = [0x01, 1, 9, 9, 9, 9, 9, 9];
    let bytes = [&SOLICITATION[..64], &nonce, &SOLICITATION[64..], &second].concat();
    assert_eq!(parse(&forged(&bytes, |_| {})), Ok(QUESTION));
}

#[test]
fn reads_a_probe_and_refuses_one_that_does_not_follow_its_rules() {
    let probe = Repr { src_ip: Ipv6Addr::UNSPECIFIED, message: Message::Solicitation { source_mac: None }, ..QUESTION };
    assert!(probe.is_probe() && !QUESTION.is_probe());
    assert_eq!(parse(&emit(&probe)), Ok(probe));
    let named = Repr { message: QUESTION.message, ..probe };
    let astray = Repr { dst_ip: ipv6::ALL_NODES, ..probe };
    assert_eq!([parse(&emit(&named)), parse(&emit(&astray))], [Err(Error::Malformed); 2]);
}

#[test]
fn refuses_what_contradicts_itself() {
    for (name, repr) in [
        ("a group as target", Repr { target: ipv6::ALL_NODES, ..QUESTION }),
        ("a group as sender", Repr { src_ip: ipv6::ALL_NODES, ..QUESTION }),
        ("an answer to everybody", Repr { dst_ip: ipv6::ALL_NODES, ..ANSWER }),
    ] {
        assert_eq!(parse(&emit(&repr)), Err(Error::Malformed), "{name}");
    }
}

fn any_message() -> impl Strategy<Value = Message> {
    let mac = || prop::option::of(any::<[u8; 6]>().prop_map(MacAddr::new));
    let advertisement = (any::<[bool; 3]>(), mac()).prop_map(|([router, solicited, overrides], target_mac)| {
        Message::Advertisement { flags: Flags { router, solicited, overrides }, target_mac }
    });
    prop_oneof![mac().prop_map(|source_mac| Message::Solicitation { source_mac }), advertisement]
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..120)) {
        fuzzing::ndp(&data);
    }

    #[test]
    fn any_value_survives_the_wire_or_contradicts_itself(ips: [u128; 3], message in any_message()) {
        let [src_ip, dst_ip, target] = ips.map(Ipv6Addr::from);
        let repr = Repr { src_ip, dst_ip, target, message };
        let expected = if repr.makes_sense() { Ok(repr) } else { Err(Error::Malformed) };
        prop_assert_eq!(parse(&emit(&repr)), expected);
    }
}
