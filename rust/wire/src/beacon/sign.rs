//! Who may speak: keys, tags, and the only way from bytes to something that may be believed.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Packet;
use crate::Error;

/// A shared secret of the speakers, and the number by which beacons name it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Its number.
    pub id: u16,
    /// The secret; 32 random bytes are as good as it gets. An empty one signs nothing and is accepted nowhere.
    pub secret: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    /// # Errors
    /// [`Error::UnknownKey`] if the secret is empty: with HMAC's empty key everybody could sign.
    fn mac(&self, signed: &[u8]) -> Result<Hmac<Sha256>, Error> {
        if self.secret.is_empty() {
            return Err(Error::UnknownKey);
        }
        let mac = Hmac::<Sha256>::new_from_slice(&self.secret).map_err(|_| Error::UnknownKey)?;
        Ok(mac.chain_update(signed))
    }

    /// Appends the tag over all of `bytes`.
    pub(crate) fn sign(&self, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let tag = self.mac(bytes)?.finalize().into_bytes();
        bytes.extend_from_slice(&tag);
        Ok(())
    }

    /// Compares in constant time.
    fn check<T: AsRef<[u8]>>(&self, packet: &Packet<T>) -> Result<(), Error> {
        let mac = self.mac(packet.signed())?;
        mac.verify_slice(packet.tag()).map_err(|_| Error::BadSignature)
    }
}

/// A beacon that somebody with one of our keys has signed. Only [`verify`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'a>(Packet<&'a [u8]>);

impl<'a> Verified<'a> {
    /// What it says.
    pub const fn packet(&self) -> &Packet<&'a [u8]> {
        &self.0
    }
}

/// Proves that a beacon was signed with one of `keys`. Padding after it is accepted and not part of it.
///
/// Two keys with the same id are both tried, so that a slip in a rotation of keys costs no beacon.
///
/// # Errors
/// - [`Error::Truncated`], [`Error::Malformed`], [`Error::Unsupported`] as [`Packet::check_len`].
/// - [`Error::UnknownKey`] if no key has the id that the beacon names, or only one with an empty secret.
/// - [`Error::BadSignature`] if the tag is not that of any such key.
pub fn verify<'a>(bytes: &'a [u8], keys: &[Key]) -> Result<Verified<'a>, Error> {
    let packet = Packet::new_checked(bytes)?;
    let mut error = Error::UnknownKey;
    for key in keys.iter().filter(|key| key.id == packet.key_id()) {
        match key.check(&packet) {
            Ok(()) => return Ok(Verified(packet)),
            Err(Error::BadSignature) => error = Error::BadSignature,
            Err(_) => {}
        }
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beacon::fixtures::{BYTES, key, repr};

    #[test]
    fn accepts_what_was_signed_with_a_known_key() {
        let other = Key { id: 8, secret: vec![1; 32] };
        let verified = verify(&BYTES, &[other, key()]).unwrap();
        assert_eq!(verified.packet().key_id(), 7);
    }

    #[test]
    fn accepts_padding_and_leaves_it_out() {
        let padded = [&BYTES[..], &[0xa5; 60]].concat();
        let verified = verify(&padded, &[key()]).unwrap();
        assert_eq!(crate::beacon::Repr::parse(&verified), Ok(repr()));
    }

    #[test]
    fn refuses_a_key_that_is_not_known() {
        let other = Key { id: 8, ..key() };
        assert_eq!(verify(&BYTES, &[other]), Err(Error::UnknownKey));
        assert_eq!(verify(&BYTES, &[]), Err(Error::UnknownKey));
    }

    #[test]
    fn refuses_a_secret_that_is_not_the_same() {
        let other = Key { secret: b"another secret".to_vec(), ..key() };
        assert_eq!(verify(&BYTES, &[other]), Err(Error::BadSignature));
    }

    #[test]
    fn tries_every_key_of_the_same_id() {
        let twin = Key { secret: b"another secret".to_vec(), ..key() };
        assert!(verify(&BYTES, &[twin.clone(), key()]).is_ok());
        assert!(verify(&BYTES, &[key(), twin]).is_ok());
    }

    #[test]
    fn an_empty_secret_neither_signs_nor_proves() {
        let empty = Key { id: 7, secret: vec![] };
        assert_eq!(repr().emit_signed(&empty), Err(Error::UnknownKey));
        let mut forged = BYTES[..134].to_vec();
        let tag = Hmac::<Sha256>::new_from_slice(&[]).unwrap().chain_update(&forged).finalize();
        forged.extend_from_slice(&tag.into_bytes());
        assert_eq!(verify(&forged, &[empty]), Err(Error::UnknownKey));
    }

    #[test]
    fn refuses_every_flip_of_a_bit() {
        for bit in 0..BYTES.len() * 8 {
            let mut bytes = BYTES;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&bytes, &[key()]).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn refuses_every_truncation() {
        for len in 0..BYTES.len() {
            assert_eq!(verify(&BYTES[..len], &[key()]), Err(Error::Truncated), "{len}");
        }
    }

    #[test]
    fn a_key_is_shown_without_its_secret() {
        let shown = format!("{:?}", Key { id: 7, secret: b"hunter2".to_vec() });
        assert_eq!(shown, "Key { id: 7, .. }");
    }
}
