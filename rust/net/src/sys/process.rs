//! The clock, random bits, and what the process is allowed to do.

use std::io;

use libc::{c_int, c_long};

use super::check;

/// Nanoseconds of `CLOCK_BOOTTIME`.
pub(crate) fn boottime() -> u64 {
    time(libc::CLOCK_BOOTTIME)
}

/// Nanoseconds of `CLOCK_REALTIME`, which somebody may set at any moment.
pub(crate) fn realtime() -> u64 {
    time(libc::CLOCK_REALTIME)
}

#[expect(clippy::cast_sign_loss, reason = "no time is before its epoch")]
fn time(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to `now`. With a valid pointer and a clock that every kernel since 2.6.39
    // has, the call cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// 64 bits that nobody can foresee.
pub(crate) fn random() -> io::Result<u64> {
    let mut bytes = [0u8; 8];
    // SAFETY: pointer and length describe `bytes`. Up to 256 octets come whole or not at all (getrandom(2)).
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    super::check_len(got).map(|_| u64::from_ne_bytes(bytes))
}

/// Three of the capability sets of a thread, as bit masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CapabilitySets {
    pub(crate) effective: u64,
    pub(crate) permitted: u64,
    pub(crate) inheritable: u64,
}

/// The kernel's `__user_cap_header_struct`; pid 0 is the calling thread.
#[repr(C)]
struct Header {
    version: u32,
    pid: c_int,
}

/// The kernel's `__user_cap_data_struct`: 32 capabilities. Version 3 takes two of them, low bits first.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

/// The capabilities of the calling thread.
pub(crate) fn capabilities() -> io::Result<CapabilitySets> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: both pointers are to values of the layout that capget(2) gives for version 3, exclusively borrowed.
    check_call(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    let join = |set: fn(&Data) -> u32| u64::from(set(&data[1])) << 32 | u64::from(set(&data[0]));
    Ok(CapabilitySets {
        effective: join(|d| d.effective),
        permitted: join(|d| d.permitted),
        inheritable: join(|d| d.inheritable),
    })
}

/// Set them. The kernel lowers the ambient set to what is both permitted and inheritable.
pub(crate) fn set_capabilities(sets: CapabilitySets) -> io::Result<()> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let half = |shift: u32| Data {
        effective: low(sets.effective >> shift),
        permitted: low(sets.permitted >> shift),
        inheritable: low(sets.inheritable >> shift),
    };
    let data = [half(0), half(32)];
    // SAFETY: as in `capabilities`; the kernel only reads `data`.
    check_call(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) })
}

/// Take a capability out of the bounding set; `EINVAL` if the kernel knows no such number.
pub(crate) fn drop_from_bounding_set(capability: u32) -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) }).map(drop)
}

/// No program that is executed from now on gains a privilege (`PR_SET_NO_NEW_PRIVS`).
pub(crate) fn no_new_privileges() -> io::Result<()> {
    let (on, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: takes no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, unused, unused, unused) }).map(drop)
}

fn check_call(result: c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn low(bits: u64) -> u32 {
    bits as u32
}
