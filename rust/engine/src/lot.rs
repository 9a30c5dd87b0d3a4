//! Drawing lots that fall the same on every node.

use std::net::IpAddr;

/// A number that follows from a name, an address and a salt (FNV-1a with the finish of `MurmurHash3`): no secret, only
/// spread evenly.
pub(crate) fn draw(name: &str, address: IpAddr, salt: u64) -> u64 {
    let octets = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    let all = name.bytes().chain([0]).chain(octets).chain(salt.to_be_bytes());
    let hash =
        all.fold(0xcbf2_9ce4_8422_2325, |hash: u64, octet| (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3));
    let mixed = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ mixed >> 33
}

/// Whether `me` draws the lowest number for `address` of itself and `others`.
pub(crate) fn is_mine<'a>(me: &str, others: impl Iterator<Item = &'a str>, address: IpAddr) -> bool {
    let mine = (draw(me, address, 0), me);
    others.filter(|name| *name != me).all(|name| mine < (draw(name, address, 0), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [&str; 3] = ["node1", "node2", "node3"];

    #[test]
    fn exactly_one_draws_an_address_and_each_about_as_many() {
        let mut drawn = [0; 3];
        for n in 0..3_000_u16 {
            let [high, low] = n.to_be_bytes();
            let address: IpAddr = [10, 0, high, low].into();
            let mine: Vec<usize> = (0..3).filter(|at| is_mine(NODES[*at], NODES.into_iter(), address)).collect();
            assert_eq!(mine.len(), 1, "{address}");
            drawn[mine[0]] += 1;
        }
        assert!(drawn.iter().all(|count| (850..1_150).contains(count)), "{drawn:?}");
    }
}
