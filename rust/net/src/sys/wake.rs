//! What the threads sleep on: epoll, an alarm on the boot-time clock, a bell that other threads ring.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use libc::{c_int, epoll_event, itimerspec, timespec};

use super::{check, owned};

/// How many ready descriptors one wait reports; the rest come with the next one.
const READY: usize = 32;
/// The same as the kernel wants it.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "it is 32")]
const READY_COUNT: c_int = READY as c_int;

/// A level-triggered epoll instance: what is not read to the end is reported again.
pub(crate) struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer. The new descriptor is owned at once.
        let fd = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Self { fd })
    }

    /// Report `token` whenever `fd` is readable or has an error. Closing `fd` ends it.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let mut event = epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: `event` outlives the call and is copied by the kernel.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) })
            .map(drop)
    }

    /// Report it no longer.
    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: an event is not read for this operation, so that a null pointer is allowed (since Linux 2.6.9).
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_DEL, fd.as_raw_fd(), ptr::null_mut()) })
            .map(drop)
    }

    /// Sleep until something is ready and put its tokens into `ready`. A signal is a wake-up with nothing ready.
    pub(crate) fn wait(&self, ready: &mut Vec<u64>) -> io::Result<()> {
        ready.clear();
        let mut events = [epoll_event { events: 0, u64: 0 }; READY];
        // SAFETY: the kernel writes at most READY events into `events`, which is that long and lives on this stack.
        let count = check(unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events.as_mut_ptr(), READY_COUNT, -1) });
        match count {
            Ok(count) => ready.extend(events.iter().take(usize::try_from(count).unwrap_or(0)).map(|e| e.u64)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

/// A timer on `CLOCK_BOOTTIME`: it goes off at once after a suspend that lasted beyond it, which a time-out of
/// `epoll_wait` would not, and it is exact to less than a millisecond.
pub(crate) struct Alarm {
    fd: OwnedFd,
    armed: Option<u64>,
    /// Whether it went off since it was set.
    over: bool,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        let fd = owned(unsafe { libc::timerfd_create(libc::CLOCK_BOOTTIME, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) })?;
        Ok(Self { fd, armed: None, over: false })
    }

    /// Go off at `nanos` of the clock, or never. A time in the past is now.
    pub(crate) fn set(&mut self, nanos: Option<u64>) -> io::Result<()> {
        if self.armed == nanos && !self.over {
            return Ok(());
        }
        // Zero would disarm it, and is in the past anyway.
        let at = nanos.map_or(0, |n| n.max(1));
        let value = itimerspec { it_interval: ZERO, it_value: split(at) };
        // SAFETY: `value` outlives the call, the kernel only reads it; a null old value is allowed.
        check(unsafe {
            libc::timerfd_settime(self.fd.as_raw_fd(), libc::TFD_TIMER_ABSTIME, &raw const value, ptr::null_mut())
        })?;
        (self.armed, self.over) = (nanos, false);
        Ok(())
    }

    /// Take note that it went off. It is silent once it is set again, which needs no read: the kernel forgets what
    /// expired.
    pub(crate) fn acknowledge(&mut self) {
        self.over = true;
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// An eventfd: any thread rings it, one waits for it. Ringing twice is the same as once.
pub(crate) struct Bell {
    fd: OwnedFd,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer. The new descriptor is owned at once.
        let fd = owned(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
        Ok(Self { fd })
    }

    /// Wake the thread that waits. It cannot fail: the counter would have to reach 2^64.
    pub(crate) fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: pointer and length describe `one`; the kernel only reads it.
        unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Take note that it rang.
    pub(crate) fn acknowledge(&self) {
        drain(self.fd.as_fd());
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Read the counter of an eventfd, which resets it. Nothing there is fine.
fn drain(fd: BorrowedFd<'_>) {
    let mut counter = [0u8; 8];
    // SAFETY: pointer and length describe `counter`; the kernel writes no further than that.
    unsafe { libc::read(fd.as_raw_fd(), counter.as_mut_ptr().cast(), counter.len()) };
}

const ZERO: timespec = timespec { tv_sec: 0, tv_nsec: 0 };

#[expect(clippy::cast_possible_wrap, reason = "2^64 ns are 1.8e10 s, far inside the range of time_t")]
fn split(nanos: u64) -> timespec {
    timespec { tv_sec: (nanos / 1_000_000_000) as libc::time_t, tv_nsec: (nanos % 1_000_000_000) as libc::c_long }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is reported within `wait` ms; -1 as long as it takes.
    fn rings(alarm: &Alarm, wait: c_int) -> bool {
        let mut fd = libc::pollfd { fd: alarm.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: the kernel writes into `fd`, which is one entry and outlives the call.
        unsafe { libc::poll(&raw mut fd, 1, wait) == 1 }
    }

    #[test]
    fn an_alarm_that_went_off_is_silent_once_it_is_set_to_never_or_to_later() {
        for next in [None, Some(u64::MAX / 4)] {
            let mut alarm = Alarm::new().unwrap();
            alarm.set(Some(1)).unwrap();
            assert!(rings(&alarm, -1));
            alarm.acknowledge();
            alarm.set(next).unwrap();
            assert!(!rings(&alarm, 0));
        }
    }

    #[test]
    fn an_alarm_that_went_off_can_be_set_to_the_same_time_again() {
        let mut alarm = Alarm::new().unwrap();
        alarm.set(Some(1)).unwrap();
        assert!(rings(&alarm, -1));
        alarm.acknowledge();
        alarm.set(Some(1)).unwrap();
        assert!(rings(&alarm, -1));
    }
}
