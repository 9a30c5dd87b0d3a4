//! What a speaker says of one address.

use core::net::IpAddr;

use crate::Error;
use crate::field::{get_u64, octets};

const FAMILY_IPV4: u8 = 4;
const FAMILY_IPV6: u8 = 6;
/// Family, term, standing and reason: all but the address.
const FIXED_LEN: usize = 1 + 8 + 1 + 1;

/// What a speaker says of one address, by the group of addresses that move together in which it has it.
///
/// Not of the group: two nodes whose tables differ for a moment would name it differently, and not know that they hold
/// the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The address.
    pub address: IpAddr,
    /// The term of the takeover that the claim goes back to.
    pub term: u64,
    /// How the sender stands to it.
    pub standing: Standing,
}

/// How a speaker stands to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It announces it; this many of the addresses of its group are in no subnet of its interfaces.
    Holds(u8),
    /// It could; this many of the addresses of its group are in no subnet of its interfaces.
    Able(u8),
    /// It cannot, for the reason with this code; the engine gives codes their names, and one that it does not know is kept.
    Unable(u8),
    /// It is no longer among those it may announce.
    Gone,
    /// It announces it and asks to be relieved.
    Offers {
        /// How many of the addresses of its group are in no subnet of its interfaces.
        off_link: u8,
        /// Why it asks: a code from 0 to 127, to which the engine gives a name.
        reason: u8,
    },
}

/// The bit that makes an offer of the byte that says the standing; the others are its reason.
const OFFERS: u8 = 0x80;

impl Standing {
    /// The bytes `standing` and `reason`.
    const fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::Holds(off_link) => [1, off_link],
            Self::Able(off_link) => [2, off_link],
            Self::Unable(reason) => [3, reason],
            Self::Gone => [4, 0],
            Self::Offers { off_link, reason } => [OFFERS | reason, off_link],
        }
    }

    const fn from_bytes(bytes: [u8; 2]) -> Result<Self, Error> {
        match bytes {
            [1, off_link] => Ok(Self::Holds(off_link)),
            [2, off_link] => Ok(Self::Able(off_link)),
            [3, reason] => Ok(Self::Unable(reason)),
            [4, 0] => Ok(Self::Gone),
            [offers, off_link] if offers & OFFERS != 0 => Ok(Self::Offers { off_link, reason: offers & !OFFERS }),
            _ => Err(Error::Malformed),
        }
    }
}

impl Claim {
    /// How many bytes it takes in a beacon: 15 for IPv4, 27 for IPv6.
    pub const fn wire_len(&self) -> usize {
        match self.address {
            IpAddr::V4(_) => FIXED_LEN + 4,
            IpAddr::V6(_) => FIXED_LEN + 16,
        }
    }

    /// Appends its bytes.
    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self.address {
            IpAddr::V4(address) => {
                out.push(FAMILY_IPV4);
                out.extend(address.octets());
            }
            IpAddr::V6(address) => {
                out.push(FAMILY_IPV6);
                out.extend(address.octets());
            }
        }
        out.extend(self.term.to_be_bytes());
        out.extend(self.standing.to_bytes());
    }

    /// Reads the claim at the start of `bytes`, and returns what follows it.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (&family, rest) = bytes.split_first().ok_or(Error::Malformed)?;
        let (address, rest) = match family {
            FAMILY_IPV4 => address::<4>(rest)?,
            FAMILY_IPV6 => address::<16>(rest)?,
            _ => return Err(Error::Malformed),
        };
        let (fixed, rest) = rest.split_at_checked(10).ok_or(Error::Malformed)?;
        let standing = Standing::from_bytes(octets(fixed, 8..10))?;
        Ok((Self { address, term: get_u64(fixed, 0..8), standing }, rest))
    }
}

fn address<const N: usize>(bytes: &[u8]) -> Result<(IpAddr, &[u8]), Error>
where
    IpAddr: From<[u8; N]>,
{
    let (octets, rest) = bytes.split_first_chunk::<N>().ok_or(Error::Malformed)?;
    Ok((IpAddr::from(*octets), rest))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::beacon::fixtures::{BYTES, CLAIMS_AT, any_claim, ipv4_claim, ipv6_claim};

    fn bytes(claim: &Claim) -> Vec<u8> {
        let mut out = vec![0xa5];
        claim.emit(&mut out);
        assert_eq!(out.remove(0), 0xa5, "what was there before stays");
        out
    }

    #[test]
    fn takes_15_bytes_for_ipv4_and_27_for_ipv6() {
        assert_eq!(bytes(&ipv4_claim()), BYTES[CLAIMS_AT..][..15]);
        assert_eq!(bytes(&ipv6_claim()), BYTES[CLAIMS_AT + 15..][..27]);
        assert_eq!((ipv4_claim().wire_len(), ipv6_claim().wire_len()), (15, 27));
    }

    #[test]
    fn parses_one_and_leaves_the_rest() {
        let bytes = &BYTES[CLAIMS_AT..];
        assert_eq!(Claim::parse(bytes), Ok((ipv4_claim(), &bytes[15..])));
        assert_eq!(Claim::parse(&bytes[15..]), Ok((ipv6_claim(), &bytes[42..])));
    }

    #[test]
    fn is_malformed_at_every_length_below_its_own() {
        for claim in [ipv4_claim(), ipv6_claim()] {
            let bytes = bytes(&claim);
            for len in 0..bytes.len() {
                assert_eq!(Claim::parse(&bytes[..len]), Err(Error::Malformed), "{len}");
            }
        }
    }

    #[test]
    fn knows_five_standings_and_every_reason_for_four() {
        let with_reason = [Standing::Holds, Standing::Able, Standing::Unable];
        let offers = |reason| (0..=255).map(move |off_link| Standing::Offers { off_link, reason });
        let known = with_reason.into_iter().flat_map(|of| (0..=255).map(of)).chain((0..128).flat_map(offers));
        let known: HashMap<_, _> = known.chain([Standing::Gone]).map(|of| (of.to_bytes(), of)).collect();
        for bytes in (0..=u16::MAX).map(u16::to_be_bytes) {
            let standing = known.get(&bytes).copied().ok_or(Error::Malformed);
            assert_eq!(Standing::from_bytes(bytes), standing, "{bytes:?}");
        }
        assert_eq!(known.len(), 3 * 256 + 1 + 128 * 256, "no two are written alike");
    }

    #[test]
    fn knows_two_families() {
        let mut bytes = bytes(&ipv4_claim());
        for family in (0..=255).filter(|family| ![FAMILY_IPV4, FAMILY_IPV6].contains(family)) {
            bytes[0] = family;
            assert_eq!(Claim::parse(&bytes), Err(Error::Malformed), "{family}");
        }
    }

    proptest! {
        #[test]
        fn any_claim_survives_the_wire(claim in any_claim()) {
            let bytes = bytes(&claim);
            prop_assert_eq!(bytes.len(), claim.wire_len());
            prop_assert_eq!(Claim::parse(&bytes), Ok((claim, &[][..])));
        }
    }
}
