//! What holds for any bytes whatever: the bodies of the fuzz targets in `rust/fuzz`.
//!
//! They live here, and the tests beside the codecs call them too, so that no target can rot unnoticed. Each panics if
//! its invariant is broken.

use core::net::IpAddr;

use crate::beacon::{self, Claim, Key, Standing};
use crate::{Error, MacAddr, arp, ethernet, ipv6, ndp};

/// Every buffer is first filled with this, so that a byte that `emit` forgets shows.
const OLD: u8 = 0xa5;

/// A header that can be read is written back byte for byte.
pub fn ethernet(data: &[u8]) {
    let Ok(frame) = ethernet::Frame::new_checked(data) else {
        assert!(data.len() < ethernet::HEADER_LEN);
        return;
    };
    let repr = ethernet::Repr::parse(&frame).expect("the length was checked");
    let mut bytes = vec![OLD; repr.buffer_len()];
    repr.emit(&mut ethernet::Frame::new_unchecked(&mut bytes));
    assert_eq!([&bytes, frame.payload()].concat(), data);
}

/// A packet that can be read is written back byte for byte: these bytes, and the same for IPv4 over Ethernet.
pub fn arp(data: &[u8]) {
    let mut data = data.to_vec();
    arp_as_it_is(&data);
    if data.len() >= arp::LEN {
        arp::Packet::new_unchecked(&mut data).set_ipv4_over_ethernet();
        assert!(arp_as_it_is(&data));
    }
}

/// Whether it could be read.
fn arp_as_it_is(data: &[u8]) -> bool {
    let Ok(repr) = arp::Packet::new_checked(data).and_then(|packet| arp::Repr::parse(&packet)) else {
        return false;
    };
    let mut bytes = vec![OLD; repr.buffer_len()];
    repr.emit(&mut arp::Packet::new_unchecked(&mut bytes));
    assert_eq!(bytes, data[..arp::LEN]);
    true
}

/// A packet that can be read means the same once written again: these bytes, and the same made whole enough to be read
/// as a solicitation or an advertisement.
pub fn ndp(data: &[u8]) {
    ndp_as_it_is(data);
    if let Some(mended) = mend(data) {
        ndp_as_it_is(&mended);
    }
}

fn ndp_as_it_is(data: &[u8]) {
    let Ok(repr) = ndp::Packet::new_checked(data).and_then(|packet| ndp::Repr::parse(&packet)) else {
        return;
    };
    let mut bytes = vec![OLD; repr.buffer_len()];
    repr.emit(&mut ndp::Packet::new_unchecked(&mut bytes));
    assert!(bytes.len() <= data.len(), "only what is not known is left out");
    assert_eq!(ndp::Packet::new_checked(&bytes).and_then(|packet| ndp::Repr::parse(&packet)), Ok(repr));
}

/// The packet with a header, a type and a checksum that get it read.
fn mend(data: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = data.to_vec();
    if bytes.len() < ndp::MIN_LEN {
        return None;
    }
    bytes[0] = 0x60;
    let payload = u16::try_from(bytes.len() - 40).ok()?;
    bytes[4..6].copy_from_slice(&payload.to_be_bytes());
    bytes[6..8].copy_from_slice(&[ipv6::NEXT_HEADER_ICMPV6, 255]);
    bytes[40] = 135 + (bytes[40] & 1);
    bytes[41] = 0;
    ndp::Packet::new_unchecked(&mut bytes).fill_checksum();
    Some(bytes)
}

/// The view of any bytes does not panic, and whatever was signed and can be read is written back byte for byte: these
/// bytes, and the same ones signed.
pub fn beacon_signed(data: &[u8]) {
    if let Ok(packet) = beacon::Packet::new_checked(data) {
        assert_eq!([packet.signed(), packet.tag()].concat(), data[..packet.total_len()]);
        let names = packet.sender().len() + packet.recipient().len();
        assert_eq!(packet.claims().len() + names + beacon::FIXED_LEN, packet.total_len());
    }
    beacon_as_it_is(data);
    if let Some(sealed) = seal(data) {
        beacon_as_it_is(&sealed);
    }
}

fn beacon_as_it_is(data: &[u8]) {
    let Ok(verified) = beacon::verify(data, &[key()]) else {
        return;
    };
    let Ok(repr) = beacon::Repr::parse(&verified) else {
        return;
    };
    let bytes = repr.emit_signed(&key()).expect("what was read can be written");
    assert_eq!(bytes, data[..verified.packet().total_len()]);
}

/// The beacon with everything before its signature that gets it read, and the signature.
fn seal(data: &[u8]) -> Option<Vec<u8>> {
    let len = data.len().min(beacon::MAX_LEN - beacon::TAG_LEN);
    let total = u16::try_from(len + beacon::TAG_LEN).ok()?;
    let mut bytes = data[..len].to_vec();
    bytes.get_mut(..4)?.copy_from_slice(beacon::MAGIC);
    *bytes.get_mut(4)? = beacon::VERSION;
    bytes.get_mut(6..8)?.copy_from_slice(&key().id.to_be_bytes());
    bytes.get_mut(8..10)?.copy_from_slice(&total.to_be_bytes());
    key().sign(&mut bytes).ok()?;
    Some(bytes)
}

/// A value made of any bytes survives the wire, or is refused for the reason that it really has; and a beacon with one
/// bit flipped is refused.
pub fn beacon_round_trip(data: &[u8]) {
    let mut source = Source(data);
    let flip = usize::from(u16::from_be_bytes(source.take()));
    let repr = source.beacon();
    let bad_name = |name: &str| name.is_empty() || name.len() > beacon::MAX_NAME_LEN;
    match repr.emit_signed(&key()) {
        Ok(bytes) => {
            assert_eq!(bytes.len(), repr.buffer_len());
            assert_eq!(read(&bytes), Ok(repr));
            refuses_flipped(bytes, flip);
        }
        Err(Error::NameLength) => assert!(bad_name(&repr.sender) || bad_name(&repr.recipient)),
        Err(error) => {
            assert_eq!(error, Error::TooLong);
            assert!(repr.buffer_len() > beacon::MAX_LEN);
        }
    }
}

fn read(bytes: &[u8]) -> Result<beacon::Repr, Error> {
    beacon::Repr::parse(&beacon::verify(bytes, &[key()])?)
}

fn refuses_flipped(mut bytes: Vec<u8>, bit: usize) {
    let bit = bit % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    assert!(beacon::verify(&bytes, &[key()]).is_err(), "bit {bit}");
}

/// The key that the fuzz targets and the tests know.
pub fn key() -> Key {
    Key { id: 7, secret: b"a secret of the tests".to_vec() }
}

/// Bytes as a source of values; it never runs dry, but gives zeros in the end.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let (now, later) = self.0.split_at(self.0.len().min(N));
        taken[..now.len()].copy_from_slice(now);
        self.0 = later;
        taken
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    fn name(&mut self) -> String {
        let [len] = self.take();
        let (name, rest) = self.0.split_at(self.0.len().min(len.into()));
        self.0 = rest;
        String::from_utf8_lossy(name).into_owned()
    }

    fn beacon(&mut self) -> beacon::Repr {
        let [flags] = self.take();
        beacon::Repr {
            sender: self.name(),
            recipient: self.name(),
            nonce: self.u64(),
            echo: self.u64(),
            sequence: self.u64(),
            hears_you: flags & 1 != 0,
            goodbye: flags & 2 != 0,
            quiet: flags & 4 != 0,
            interval_ms: u32::from_be_bytes(self.take()),
            mac: MacAddr::new(self.take()),
            since: self.u64(),
            through: self.u64(),
            latest: self.u64(),
            acknowledged: self.u64(),
            claims: core::iter::from_fn(|| self.claim()).collect(),
        }
    }

    fn claim(&mut self) -> Option<Claim> {
        if self.0.is_empty() {
            return None;
        }
        let [kind, reason] = self.take();
        let standing = match kind & 3 {
            0 => Standing::Holds(reason),
            1 => Standing::Able(reason),
            2 => Standing::Unable(reason),
            _ if kind & 8 != 0 => Standing::Offers { off_link: reason, reason: kind >> 4 },
            _ => Standing::Gone,
        };
        let address = if kind & 4 == 0 { IpAddr::from(self.take::<4>()) } else { IpAddr::from(self.take::<16>()) };
        Some(Claim { address, term: self.u64(), standing })
    }
}
