//! Why bytes have no meaning here, or a value no bytes.

use core::fmt;

/// Why bytes were refused, or a value could not be put into bytes.
///
/// Small and `Copy`, because whoever drops a frame only counts it by this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Error {
    /// The buffer ends before the packet does.
    Truncated,
    /// The bytes contradict the format or themselves.
    Malformed,
    /// Well formed, but of a kind that this version does not speak.
    Unsupported,
    /// A key with the beacon's key id is known, and the beacon was not signed with it.
    BadSignature,
    /// No key with that id is known, or its secret is empty.
    UnknownKey,
    /// Only when sending: a node name is not 1 to 253 bytes long.
    NameLength,
    /// Only when sending: the beacon would be longer than [`beacon::MAX_LEN`](crate::beacon::MAX_LEN).
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the packet is cut short",
            Self::Malformed => "the packet contradicts its own format",
            Self::Unsupported => "the packet is of a kind or version that is not spoken here",
            Self::BadSignature => "the signature does not fit: the nodes' beacon keys differ, or it is forged",
            Self::UnknownKey => "no beacon key with that id is known here, or its secret is empty",
            Self::NameLength => "a node name in a beacon must be 1 to 253 bytes long",
            Self::TooLong => "the beacon is longer than a frame may be: put fewer claims into it",
        })
    }
}

impl core::error::Error for Error {}
