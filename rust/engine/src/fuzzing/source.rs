//! What the bytes of a fuzz target spell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use metalev_wire::MacAddr;
use metalev_wire::beacon::{Claim, Standing};

use super::address;

/// Bytes as a source of values; it never runs dry, but gives zeros in the end.
pub(super) struct Source<'a>(pub(super) &'a [u8]);

impl<'a> Source<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let (now, later) = self.0.split_at(self.0.len().min(N));
        taken[..now.len()].copy_from_slice(now);
        self.0 = later;
        taken
    }

    pub(super) fn byte(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    pub(super) fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    pub(super) fn long(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    /// Mostly a small number, as revisions are; sometimes any.
    pub(super) fn small(&mut self) -> u64 {
        match self.byte() {
            255 => self.long(),
            small => u64::from(small % 16),
        }
    }

    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte() % 128).min(self.0.len());
        let (now, later) = self.0.split_at(len);
        self.0 = later;
        now
    }

    pub(super) fn mac(&mut self) -> MacAddr {
        match self.byte() % 8 {
            7 => MacAddr::new(self.take()),
            last => MacAddr::new([2, 0, 0, 0, 0, last]),
        }
    }

    pub(super) fn address(&mut self) -> IpAddr {
        match self.byte() {
            255 => Ipv4Addr::from(self.take::<4>()).into(),
            254 => Ipv6Addr::from(self.take::<16>()).into(),
            number => address(number % 16),
        }
    }

    pub(super) fn v4(&mut self) -> Ipv4Addr {
        match self.address() {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        }
    }

    pub(super) fn v6(&mut self) -> Ipv6Addr {
        match self.address() {
            IpAddr::V6(v6) => v6,
            IpAddr::V4(_) => Ipv6Addr::UNSPECIFIED,
        }
    }

    pub(super) fn claim(&mut self) -> Claim {
        let (kind, reason) = (self.byte(), self.byte() % 4);
        let standing = match kind % 4 {
            0 => Standing::Holds(reason),
            1 => Standing::Able(reason),
            2 => Standing::Unable(reason),
            _ => Standing::Gone,
        };
        let term = if kind & 0x70 == 0x70 { self.long() } else { u64::from(kind >> 4) };
        Claim { address: self.address(), term, standing }
    }
}
