//! The kernel's calls, each wrapped once in a small safe function: the only `unsafe` code of the crate.
//!
//! Nothing here decides anything. What a wrapper hands to the kernel by pointer lives on its caller's stack or in a
//! buffer borrowed for the length of the call, and no call used here keeps a pointer after it has returned.
#![allow(unsafe_code, reason = "this module is the seam to libc; every block says why it is sound")]

mod batch;
mod process;
mod socket;
mod wake;

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use libc::c_int;

pub(crate) use batch::{Batch, Message, send_all};
pub(crate) use process::CapabilitySets;
pub(crate) use process::{
    boottime, capabilities, drop_from_bounding_set, no_new_privileges, random, realtime, set_capabilities,
};
pub(crate) use socket::{
    Address, attach_choice, attach_filter, bind, join_group, leave_group, let_wait, receive, send, send_to, set_option,
    socket,
};
pub(crate) use wake::{Alarm, Bell, Epoll};

/// Turn the kernel's -1 into the error that it stands for.
fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for calls that return a length.
fn check_len(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Take ownership of a descriptor that a call has just returned, or its error.
fn owned(result: c_int) -> io::Result<OwnedFd> {
    let fd: RawFd = check(result)?;
    // SAFETY: every caller passes the result of a call that creates a descriptor (socket, epoll_create1, ...), so that
    // it is open and nobody else knows it. It would be unsound for a descriptor that is borrowed or already owned.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The size of `T` as the kernel wants the length of an argument.
#[expect(clippy::cast_possible_truncation, reason = "no argument of a system call is larger than a page")]
const fn size_of_argument<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}
