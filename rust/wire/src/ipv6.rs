//! What neighbor discovery needs of IPv6: groups and their MAC addresses, and the checksum of `ICMPv6`.

use core::net::Ipv6Addr;

use crate::MacAddr;

/// Every node on the link (RFC 4291 section 2.7.1).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// `ff02::1:ff00:0/104` (RFC 4291 section 2.7.1).
const SOLICITED_NODE: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;
/// The bits of an address that its solicited-node group keeps.
const SOLICITED_NODE_HOST: u128 = 0x00ff_ffff;

/// The next header of `ICMPv6` (RFC 4443 section 1).
pub(crate) const NEXT_HEADER_ICMPV6: u8 = 58;

/// The group to which questions for `address` go: addresses with the same last 24 bits share it.
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(SOLICITED_NODE | address.to_bits() & SOLICITED_NODE_HOST)
}

/// Whether `address` is some solicited-node group.
pub const fn is_solicited_node(address: Ipv6Addr) -> bool {
    address.to_bits() & !SOLICITED_NODE_HOST == SOLICITED_NODE
}

/// The MAC address to which packets for a group go: 33:33 and the last four octets (RFC 2464 section 7).
pub const fn multicast_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr::new([0x33, 0x33, a, b, c, d])
}

/// The checksum of an `ICMPv6` message with the pseudo-header before it (RFC 8200 section 8.1). Over a message that
/// contains its right checksum it is zero.
pub(crate) fn icmpv6_checksum(src: Ipv6Addr, dst: Ipv6Addr, message: &[u8]) -> u16 {
    // No message that is summed here is longer than a frame, so nothing is cut and the sum does not overflow.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let parts = [&src.octets()[..], &dst.octets(), &length.to_be_bytes(), &[0, 0, 0, NEXT_HEADER_ICMPV6], message];
    let mut sum: u64 = parts.into_iter().map(sum_of_words).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // What is left has 16 bits.
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// 16 bits at a time; an odd octet at the end counts as if a zero followed (RFC 1071 section 1).
fn sum_of_words(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2).map(|word| u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]));
    words.map(u64::from).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().expect("an IPv6 address")
    }

    #[test]
    fn a_solicited_node_group_keeps_the_last_24_bits() {
        // The example of RFC 4291 section 2.7.1.
        assert_eq!(solicited_node(ip("4037::01:800:200e:8c6c")), ip("ff02::1:ff0e:8c6c"));
        assert!(is_solicited_node(ip("ff02::1:ff0e:8c6c")));
        assert!(!is_solicited_node(ALL_NODES) && !is_solicited_node(ip("4037::01:800:200e:8c6c")));
    }

    #[test]
    fn a_group_keeps_its_last_four_octets_on_ethernet() {
        assert_eq!(multicast_mac(ALL_NODES).to_string(), "33:33:00:00:00:01");
        assert_eq!(multicast_mac(ip("ff02::1:ff0e:8c6c")).to_string(), "33:33:ff:0e:8c:6c");
    }

    #[test]
    fn an_odd_octet_counts_as_if_a_zero_followed() {
        assert_eq!(sum_of_words(&[0x12, 0x34, 0x56]), 0x1234 + 0x5600);
    }

    proptest! {
        #[test]
        fn a_message_with_its_checksum_sums_to_zero(src: u128, dst: u128, mut message in prop::collection::vec(any::<u8>(), 4..90)) {
            let (src, dst) = (src.into(), dst.into());
            message[2..4].fill(0);
            let checksum = icmpv6_checksum(src, dst, &message);
            message[2..4].copy_from_slice(&checksum.to_be_bytes());
            prop_assert_eq!(icmpv6_checksum(src, dst, &message), 0);
        }
    }
}
