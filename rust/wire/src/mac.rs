//! The address of an interface on its segment.

use core::fmt;
use core::str::FromStr;

use crate::Error;

/// A 48-bit MAC address (EUI-48), in the order of the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    /// Every station on the segment.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// Nobody: what an ARP request says of the address that it asks for.
    pub const ZERO: Self = Self([0; 6]);

    /// The address with these octets.
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// Its octets.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether it is `ff:ff:ff:ff:ff:ff`.
    pub const fn is_broadcast(self) -> bool {
        matches!(self.0, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    }

    /// Whether it names a group of stations (the I/G bit of IEEE 802); broadcast is one such group.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl From<[u8; 6]> for MacAddr {
    fn from(octets: [u8; 6]) -> Self {
        Self(octets)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|octet| write!(f, ":{octet:02x}"))
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = Error;

    /// Six pairs of hexadecimal digits with colons between; anything else is [`Error::Malformed`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut octets = [0; 6];
        let mut pairs = text.split(':');
        for octet in &mut octets {
            *octet = pair(pairs.next().ok_or(Error::Malformed)?)?;
        }
        match pairs.next() {
            None => Ok(Self(octets)),
            Some(_) => Err(Error::Malformed),
        }
    }
}

fn pair(digits: &str) -> Result<u8, Error> {
    // `from_str_radix` would take "+f" and "f" as well.
    if digits.len() != 2 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Error::Malformed);
    }
    u8::from_str_radix(digits, 16).map_err(|_| Error::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_written_in_lower_case_with_colons() {
        let mac = MacAddr::new([0x02, 0, 0, 0xAB, 0x0c, 0xff]);
        assert_eq!(mac.to_string(), "02:00:00:ab:0c:ff");
        assert_eq!(format!("{mac:?}"), "02:00:00:ab:0c:ff");
    }

    #[test]
    fn reads_both_cases() {
        assert_eq!("02:00:00:Ab:0C:fF".parse(), Ok(MacAddr::new([0x02, 0, 0, 0xab, 0x0c, 0xff])));
    }

    #[test]
    fn refuses_what_is_not_six_pairs() {
        let wrong = [
            "",
            "02:00:00:ab:0c",
            "02:00:00:ab:0c:ff:",
            "02:00:00:ab:0c:ff:00",
            "2:0:0:ab:c:ff",
            "02:00:00:ab:0c:+f",
            "02-00-00-ab-0c-ff",
            "02:00:00:ab:0c:é",
        ];
        for text in wrong {
            assert_eq!(text.parse::<MacAddr>(), Err(Error::Malformed), "{text}");
        }
    }

    #[test]
    fn broadcast_is_a_multicast_but_not_the_reverse() {
        assert!(MacAddr::BROADCAST.is_broadcast() && MacAddr::BROADCAST.is_multicast());
        let all_nodes = MacAddr::new([0x33, 0x33, 0, 0, 0, 1]);
        assert!(all_nodes.is_multicast() && !all_nodes.is_broadcast());
        assert!(!MacAddr::ZERO.is_multicast() && !MacAddr::ZERO.is_broadcast());
    }

    proptest! {
        #[test]
        fn text_leads_back_to_the_address(octets: [u8; 6]) {
            let mac = MacAddr::new(octets);
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            if let Ok(mac) = text.parse::<MacAddr>() {
                prop_assert_eq!(mac.to_string(), text.to_lowercase());
            }
        }
    }
}
