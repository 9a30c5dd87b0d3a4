//! What a speaker says of one group.

use core::net::IpAddr;

use crate::Error;
use crate::field::{get_u64, octets};

const FAMILY_IPV4: u8 = 4;
const FAMILY_IPV6: u8 = 6;
/// Family, term, standing and reason: all but the address.
const FIXED_LEN: usize = 1 + 8 + 1 + 1;

/// What a speaker says of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The group's key.
    pub group: IpAddr,
    /// The term of the takeover that the claim goes back to.
    pub term: u64,
    /// How the sender stands to it.
    pub standing: Standing,
}

/// How a speaker stands to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It announces the group.
    Holds,
    /// It could.
    Able,
    /// It cannot, for the reason with this code; the engine gives codes their names, and one that it does not know is kept.
    Unable(u8),
    /// The group is no longer among those it may announce.
    Gone,
}

impl Standing {
    /// The bytes `standing` and `reason`.
    const fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::Holds => [1, 0],
            Self::Able => [2, 0],
            Self::Unable(reason) => [3, reason],
            Self::Gone => [4, 0],
        }
    }

    const fn from_bytes(bytes: [u8; 2]) -> Result<Self, Error> {
        match bytes {
            [1, 0] => Ok(Self::Holds),
            [2, 0] => Ok(Self::Able),
            [3, reason] => Ok(Self::Unable(reason)),
            [4, 0] => Ok(Self::Gone),
            _ => Err(Error::Malformed),
        }
    }
}

impl Claim {
    /// How many bytes it takes in a beacon: 15 for IPv4, 27 for IPv6.
    pub const fn wire_len(&self) -> usize {
        match self.group {
            IpAddr::V4(_) => FIXED_LEN + 4,
            IpAddr::V6(_) => FIXED_LEN + 16,
        }
    }

    /// Appends its bytes.
    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self.group {
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
        let (group, rest) = match family {
            FAMILY_IPV4 => address::<4>(rest)?,
            FAMILY_IPV6 => address::<16>(rest)?,
            _ => return Err(Error::Malformed),
        };
        let (fixed, rest) = rest.split_at_checked(10).ok_or(Error::Malformed)?;
        let standing = Standing::from_bytes(octets(fixed, 8..10))?;
        Ok((
            Self {
                group,
                term: get_u64(fixed, 0..8),
                standing,
            },
            rest,
        ))
    }
}

fn address<const N: usize>(bytes: &[u8]) -> Result<(IpAddr, &[u8]), Error>
where
    IpAddr: From<[u8; N]>,
{
    let (octets, rest) = bytes.split_first_chunk::<N>().ok_or(Error::Malformed)?;
    Ok((IpAddr::from(*octets), rest))
}
