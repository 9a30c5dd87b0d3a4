use proptest::prelude::*;

use super::*;
use crate::beacon::fixtures::{BYTES, CLAIMS_AT, any_repr, forged, ipv4_claim, ipv6_claim, key, repr};
use crate::beacon::{room, verify};
use crate::fuzzing;

fn read(bytes: &[u8]) -> Result<Repr, Error> {
    Repr::parse(&verify(bytes, &[key()])?)
}

#[test]
fn parses() {
    assert_eq!(read(&BYTES), Ok(repr()));
}

#[test]
fn emits() {
    assert_eq!(repr().emit_signed(&key()).as_deref(), Ok(&BYTES[..]));
    assert_eq!(repr().buffer_len(), BYTES.len());
}

#[test]
fn tells_hearing_goodbye_and_quiet_apart() {
    for flags in 0..8 {
        let [hears_you, goodbye, quiet] = [1, 2, 4].map(|bit| flags & bit != 0);
        let beacon = Repr { hears_you, goodbye, quiet, ..repr() };
        assert_eq!(beacon.emit_signed(&key()).unwrap()[5], flags);
        assert_eq!(read(&forged(5, flags)), Ok(beacon));
    }
}

#[test]
fn refuses_flags_of_a_later_version() {
    for bit in 3..8 {
        assert_eq!(read(&forged(5, 1 << bit)), Err(Error::Unsupported), "bit {bit}");
    }
}

#[test]
fn refuses_names_that_are_not_utf8() {
    for at in [79, 86] {
        assert_eq!(read(&forged(at, 0xff)), Err(Error::Malformed), "byte {at}");
    }
}

#[test]
fn refuses_more_or_fewer_claims_than_stated() {
    for count in [0, 1, 3, 255] {
        assert_eq!(read(&forged(11, count)), Err(Error::Malformed), "{count}");
    }
}

#[test]
fn refuses_a_standing_that_it_does_not_know() {
    assert_eq!(read(&forged(CLAIMS_AT + 13, 9)), Err(Error::Malformed));
}

#[test]
fn a_name_has_1_to_253_bytes() {
    for len in [0, 254, 300] {
        let name = "n".repeat(len);
        let from = Repr { sender: name.clone(), ..repr() };
        let to = Repr { recipient: name, ..repr() };
        assert_eq!(from.emit_signed(&key()), Err(Error::NameLength), "{len}");
        assert_eq!(to.emit_signed(&key()), Err(Error::NameLength), "{len}");
    }
    let longest = Repr { sender: "n".repeat(253), recipient: "é".repeat(126), ..repr() };
    assert_eq!(read(&longest.emit_signed(&key()).unwrap()), Ok(longest));
}

#[test]
fn as_many_claims_fit_as_there_is_room_for() {
    for claim in [ipv4_claim(), ipv6_claim()] {
        let fitting = room("node-a".len(), "node-b".len()) / claim.wire_len();
        let full = Repr { claims: vec![claim; fitting], ..repr() };
        assert_eq!(read(&full.emit_signed(&key()).unwrap()), Ok(full));
        let over = Repr { claims: vec![claim; fitting + 1], ..repr() };
        assert_eq!(over.emit_signed(&key()), Err(Error::TooLong));
    }
}

#[test]
fn the_longest_names_leave_room_for_28_claims() {
    assert_eq!(room(MAX_NAME_LEN, MAX_NAME_LEN) / ipv6_claim().wire_len(), 28);
    assert_eq!(room(MAX_LEN, MAX_LEN), 0);
}

proptest! {
    #[test]
    fn any_beacon_survives_the_wire(repr in any_repr()) {
        let bytes = repr.emit_signed(&key()).unwrap();
        prop_assert_eq!(bytes.len(), repr.buffer_len());
        prop_assert_eq!(read(&bytes), Ok(repr));
    }

    #[test]
    fn any_bytes_as_a_value_survive_the_wire(data in prop::collection::vec(any::<u8>(), 0..600)) {
        fuzzing::beacon_round_trip(&data);
    }
}
