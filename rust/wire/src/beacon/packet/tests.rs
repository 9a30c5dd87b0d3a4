use proptest::prelude::*;

use super::*;
use crate::beacon::fixtures::{BYTES, CLAIMS_AT, forged, repr};
use crate::fuzzing;

fn check(bytes: &[u8]) -> Result<(), Error> {
    Packet::new_checked(bytes).map(|_| ())
}

#[test]
fn deconstructs() {
    let packet = Packet::new_checked(&BYTES[..]).unwrap();
    let repr = repr();
    assert_eq!((packet.flags(), packet.key_id()), (1, 7));
    assert_eq!((packet.total_len(), packet.claim_count()), (166, 2));
    assert_eq!((packet.nonce(), packet.echo()), (repr.nonce, repr.echo));
    assert_eq!((packet.sequence(), packet.interval_ms()), (42, 50));
    assert_eq!(packet.mac(), repr.mac);
    assert_eq!((packet.since(), packet.through()), (3, 5));
    assert_eq!((packet.latest(), packet.acknowledged()), (6, 9));
    assert_eq!((packet.sender(), packet.recipient()), (&b"node-a"[..], &b"node-b"[..]));
    assert_eq!(packet.claims(), &BYTES[CLAIMS_AT..134]);
    assert_eq!((packet.signed(), packet.tag()), BYTES.split_at(134));
}

#[test]
fn is_truncated_at_every_length_below_its_own() {
    for len in 0..BYTES.len() {
        assert_eq!(check(&BYTES[..len]), Err(Error::Truncated), "{len}");
    }
    assert_eq!(check(&BYTES), Ok(()));
}

#[test]
fn ends_where_it_says_whatever_follows() {
    let padded = [&BYTES[..], &[0xa5; 60]].concat();
    let packet = Packet::new_checked(&padded[..]).unwrap();
    assert_eq!([packet.signed(), packet.tag()].concat(), BYTES);
}

#[test]
fn refuses_another_magic_and_another_version() {
    for at in 0..4 {
        assert_eq!(check(&forged(at, 0)), Err(Error::Malformed), "byte {at}");
    }
    assert_eq!(check(&forged(4, 2)), Err(Error::Unsupported));
}

#[test]
fn refuses_a_total_length_outside_the_limits() {
    let with_total = |total: u16| {
        let mut bytes = [&BYTES[..], &[0; 2000]].concat();
        bytes[8..10].copy_from_slice(&total.to_be_bytes());
        check(&bytes)
    };
    let shortest_with_these_names = 80 + 12 + 32;
    for wrong in [0, 32, 111, shortest_with_these_names - 1, 1401, u16::MAX] {
        assert_eq!(with_total(wrong), Err(Error::Malformed), "{wrong}");
    }
    for right in [shortest_with_these_names, 166, 1400] {
        assert_eq!(with_total(right), Ok(()), "{right}");
    }
}

#[test]
fn refuses_names_that_are_empty_or_too_long_or_reach_into_the_tag() {
    let (sender_len, recipient_len) = (78, 85);
    for wrong in [0, 49, 253, 254, 255] {
        assert_eq!(check(&forged(recipient_len, wrong)), Err(Error::Malformed), "{wrong}");
    }
    for wrong in [0, 54, 253, 254, 255] {
        assert_eq!(check(&forged(sender_len, wrong)), Err(Error::Malformed), "{wrong}");
    }
    assert_eq!(check(&forged(recipient_len, 48)), Ok(()), "the claims' bytes as a name");
}

#[test]
fn refuses_names_of_254_bytes_though_they_would_fit() {
    for (at, name) in [(78, 254), (85, 254)] {
        let mut bytes = [&BYTES[..], &[1; 1300]].concat();
        bytes[8..10].copy_from_slice(&1400_u16.to_be_bytes());
        bytes[at] = name;
        assert_eq!(check(&bytes), Err(Error::Malformed), "byte {at}");
        bytes[at] = name - 1;
        assert_eq!(check(&bytes), Ok(()), "byte {at}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_back_as_they_were(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzzing::beacon_signed(&data);
    }

    #[test]
    fn a_beacon_with_some_bytes_changed_is_read_back_as_it_is(
        changes in prop::collection::vec((0..134_usize, any::<u8>()), 0..4),
    ) {
        let mut unsigned = BYTES[..134].to_vec();
        for (at, byte) in changes {
            unsigned[at] = byte;
        }
        fuzzing::beacon_signed(&unsigned);
    }
}
