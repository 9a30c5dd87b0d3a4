//! Why a speaker cannot start, or no longer runs: for the person who reads it at night.

use std::{fmt, io};

/// What went wrong.
#[derive(Debug)]
pub enum Error {
    /// The process lacks a capability.
    Permission {
        /// Its name as the kernel has it.
        capability: String,
        /// What it was needed for.
        doing: String,
    },
    /// The UDP port of the beacons belongs to somebody else.
    PortInUse {
        /// The port.
        port: u16,
    },
    /// An interface that is named in the options does not exist.
    UnknownInterface {
        /// Its name.
        name: String,
        /// The names of those that do.
        known: Vec<String>,
    },
    /// An option that makes no sense.
    Invalid(String),
    /// The kernel refused something else.
    System {
        /// What was being done.
        doing: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A thread of the speaker ended by itself: nothing is announced any more.
    Ended(String),
}

impl Error {
    /// The kernel's answer to what was being done; a refusal for want of a capability names it.
    pub(crate) fn system(doing: impl Into<String>, source: io::Error) -> Self {
        Self::System { doing: doing.into(), source }
    }

    /// The same for what needs a capability.
    pub(crate) fn privileged(capability: &str, doing: impl Into<String>, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                Self::Permission { capability: capability.to_owned(), doing: doing.into() }
            }
            _ => Self::system(doing, source),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission { capability, doing } => {
                write!(f, "cannot {doing}: {capability} is missing")
            }
            Self::PortInUse { port } => write!(f, "UDP port {port} is in use"),
            Self::UnknownInterface { name, known } => {
                write!(f, "no interface named {name}; there are: {}", known.join(", "))
            }
            Self::Invalid(message) => f.write_str(message),
            Self::System { doing, source } => write!(f, "cannot {doing}: {source}"),
            Self::Ended(message) => write!(f, "the announcing engine ended: {message}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
