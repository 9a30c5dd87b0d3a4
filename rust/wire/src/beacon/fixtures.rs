//! One beacon, as bytes and as meaning, and any beacon that fits.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::MacAddr;
pub(super) use crate::fuzzing::key;

/// The tag was computed with Python's `hmac`, not with this crate.
pub(super) const BYTES: [u8; 166] = [
    0x4d, 0x4c, 0x45, 0x56, // magic: MLEV
    0x01, // version
    0x01, // flags: I hear you
    0x00, 0x07, // key id
    0x00, 0xa6, // total length
    0x00, 0x02, // claim count
    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, // nonce
    0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00, // echo
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2a, // sequence
    0x00, 0x00, 0x00, 0x32, // interval
    0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, // MAC
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, // since
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, // through
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, // latest
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, // acknowledged
    0x06, 0x6e, 0x6f, 0x64, 0x65, 0x2d, 0x61, // sender: node-a
    0x06, 0x6e, 0x6f, 0x64, 0x65, 0x2d, 0x62, // recipient: node-b
    0x04, 0xc0, 0x00, 0x02, 0xf0, // claim: 192.0.2.240
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, // term
    0x01, 0x00, // holds
    0x06, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, // claim: 2001:db8::240
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x40, //
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, // term
    0x03, 0x02, // unable, for reason 2
    0xe7, 0x94, 0xa3, 0xb8, 0x48, 0xf9, 0x94, 0x99, // tag
    0x8e, 0xe0, 0x32, 0xf1, 0x22, 0xb1, 0xd0, 0xdd, //
    0xff, 0xb2, 0xdd, 0x09, 0x09, 0x3d, 0x91, 0xfb, //
    0x13, 0xa8, 0x2f, 0x6c, 0xb2, 0xd4, 0xd3, 0x9d, //
];

/// Where the first claim starts in [`BYTES`].
pub(super) const CLAIMS_AT: usize = 92;

pub(super) fn repr() -> Repr {
    Repr {
        sender: "node-a".into(),
        recipient: "node-b".into(),
        nonce: 0x1122_3344_5566_7788,
        echo: 0x99aa_bbcc_ddee_ff00,
        sequence: 42,
        hears_you: true,
        goodbye: false,
        quiet: false,
        interval_ms: 50,
        mac: MacAddr::new([0x02, 0, 0, 0, 0, 0x0a]),
        since: 3,
        through: 5,
        latest: 6,
        acknowledged: 9,
        claims: vec![ipv4_claim(), ipv6_claim()],
    }
}

pub(super) fn ipv4_claim() -> Claim {
    let address = Ipv4Addr::new(192, 0, 2, 240).into();
    Claim { address, term: 5, standing: Standing::Holds(0) }
}

pub(super) fn ipv6_claim() -> Claim {
    let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x240).into();
    Claim { address, term: 1, standing: Standing::Unable(2) }
}

/// [`BYTES`] with one byte changed and the tag made anew: what only somebody with the key can send.
pub(super) fn forged(at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = BYTES[..BYTES.len() - TAG_LEN].to_vec();
    bytes[at] = byte;
    key().sign(&mut bytes).unwrap();
    bytes
}

pub(super) fn any_claim() -> impl Strategy<Value = Claim> {
    let standing = prop_oneof![
        any::<u8>().prop_map(Standing::Holds),
        any::<u8>().prop_map(Standing::Able),
        any::<u8>().prop_map(Standing::Unable),
        Just(Standing::Gone),
        (any::<u8>(), 0..128_u8).prop_map(|(off_link, reason)| Standing::Offers { off_link, reason }),
    ];
    (any::<IpAddr>(), any::<u64>(), standing).prop_map(|(address, term, standing)| Claim { address, term, standing })
}

/// Any beacon that fits: 28 claims of the larger kind have room beside the longest names.
pub(super) fn any_repr() -> impl Strategy<Value = Repr> {
    let names = ["[a-z0-9.-]{1,253}", "[a-z0-9.-]{1,253}"];
    let claims = prop::collection::vec(any_claim(), 0..=28);
    (names, any::<([u64; 7], [bool; 3], u32, [u8; 6])>(), claims).prop_map(
        |([sender, recipient], (numbers, [hears_you, goodbye, quiet], interval_ms, mac), claims)| {
            let [nonce, echo, sequence, since, through, latest, acknowledged] = numbers;
            Repr {
                sender,
                recipient,
                nonce,
                echo,
                sequence,
                hears_you,
                goodbye,
                quiet,
                interval_ms,
                mac: MacAddr::new(mac),
                since,
                through,
                latest,
                acknowledged,
                claims,
            }
        },
    )
}
