use proptest::prelude::*;

use super::*;
use crate::fuzzing;

const BYTES: [u8; 18] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // destination
    0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, // source
    0x88, 0xb5, // type
    0xde, 0xad, 0xbe, 0xef, // payload
];

const REPR: Repr =
    Repr { dst: MacAddr::BROADCAST, src: MacAddr::new([0x02, 0, 0, 0, 0, 0x0a]), ethertype: EtherType::BEACON };

#[test]
fn deconstructs() {
    let frame = Frame::new_checked(&BYTES[..]).expect("long enough");
    assert_eq!(frame.dst(), REPR.dst);
    assert_eq!(frame.src(), REPR.src);
    assert_eq!(frame.ethertype(), REPR.ethertype);
    assert_eq!(frame.payload(), &BYTES[14..]);
    assert_eq!(frame.into_payload(), &BYTES[14..]);
}

#[test]
fn constructs_over_old_bytes() {
    let mut bytes = [0xa5; 18];
    let mut frame = Frame::new_checked(&mut bytes).expect("long enough");
    frame.set_dst(REPR.dst);
    frame.set_src(REPR.src);
    frame.set_ethertype(REPR.ethertype);
    frame.payload_mut().copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(bytes, BYTES);
}

#[test]
fn parses() {
    assert_eq!(Repr::parse(&Frame::new_unchecked(BYTES)), Ok(REPR));
}

#[test]
fn emits_the_header_and_nothing_after_it() {
    let mut bytes = [0xa5; 18];
    REPR.emit(&mut Frame::new_unchecked(&mut bytes));
    assert_eq!(bytes[..14], BYTES[..14]);
    assert_eq!(bytes[14..], [0xa5; 4]);
}

#[test]
fn makes_a_whole_frame() {
    assert_eq!(REPR.frame(&[0xde, 0xad, 0xbe, 0xef]), BYTES);
}

#[test]
fn is_truncated_at_every_length_below_the_header() {
    for len in 0..HEADER_LEN {
        let cut = &BYTES[..len];
        assert_eq!(Frame::new_checked(cut), Err(Error::Truncated), "{len}");
        assert_eq!(Repr::parse(&Frame::new_unchecked(cut)), Err(Error::Truncated), "{len}");
    }
    assert!(Frame::new_checked(&BYTES[..HEADER_LEN]).is_ok_and(|frame| frame.payload().is_empty()));
}

#[test]
fn ethertypes_are_shown_as_they_are_assigned() {
    assert_eq!(EtherType::ARP.to_string(), "0x0806");
    assert_eq!(format!("{:?}", EtherType::BEACON), "0x88b5");
}

proptest! {
    #[test]
    fn any_bytes_are_read_back_as_they_were(data in prop::collection::vec(any::<u8>(), 0..64)) {
        fuzzing::ethernet(&data);
    }

    #[test]
    fn any_value_survives_the_wire(dst: [u8; 6], src: [u8; 6], ethertype: u16, payload: Vec<u8>) {
        let repr = Repr { dst: dst.into(), src: src.into(), ethertype: EtherType(ethertype) };
        let bytes = repr.frame(&payload);
        let frame = Frame::new_unchecked(&bytes[..]);
        prop_assert_eq!(Repr::parse(&frame), Ok(repr));
        prop_assert_eq!(frame.payload(), payload);
    }
}
