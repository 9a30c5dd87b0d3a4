//! Fixed fields of a buffer. Callers have checked its length: a field beyond the end is a bug and panics.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::Range;

use crate::MacAddr;

/// Where a field lies, in bytes.
pub(crate) type Field = Range<usize>;

/// The `N` bytes of a field that is `N` bytes long.
pub(crate) fn octets<const N: usize>(data: &[u8], field: Field) -> [u8; N] {
    let mut octets = [0; N];
    octets.copy_from_slice(&data[field]);
    octets
}

pub(crate) fn get_u16(data: &[u8], field: Field) -> u16 {
    u16::from_be_bytes(octets(data, field))
}

pub(crate) fn get_u32(data: &[u8], field: Field) -> u32 {
    u32::from_be_bytes(octets(data, field))
}

pub(crate) fn get_u64(data: &[u8], field: Field) -> u64 {
    u64::from_be_bytes(octets(data, field))
}

pub(crate) fn get_mac(data: &[u8], field: Field) -> MacAddr {
    MacAddr::new(octets(data, field))
}

pub(crate) fn get_ipv4(data: &[u8], field: Field) -> Ipv4Addr {
    Ipv4Addr::from(octets::<4>(data, field))
}

pub(crate) fn get_ipv6(data: &[u8], field: Field) -> Ipv6Addr {
    Ipv6Addr::from(octets::<16>(data, field))
}

pub(crate) fn set(data: &mut [u8], field: Field, octets: &[u8]) {
    data[field].copy_from_slice(octets);
}
