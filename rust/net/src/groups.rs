//! Membership of the solicited-node groups of held IPv6 addresses (RFC 4861 section 7.2.1), so that the kernel reports
//! it by MLD and switches that snoop let the questions through.
//!
//! A thread of its own: joining waits for the kernel's RTNL lock on most kernels, longer than the engine's promises.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metalev_engine::Interface;

use crate::{clock, sys};

/// How long to wait before another attempt where the kernel refused: IPv6 may be switched on later.
const RETRY: Duration = Duration::from_secs(5);

/// The groups to be a member of, by the index of the interface; sorted.
type Wanted = BTreeMap<u32, Vec<Ipv6Addr>>;

/// What the engine's thread wants; a later wish replaces an earlier one.
pub(crate) struct Wish {
    state: Mutex<State>,
    bell: sys::Bell,
}

#[derive(Default)]
struct State {
    wanted: Wanted,
    stop: bool,
}

impl Wish {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { state: Mutex::default(), bell: sys::Bell::new()? })
    }

    /// Be a member of exactly these groups on this interface.
    pub(crate) fn put(&self, interface: u32, groups: Vec<Ipv6Addr>) {
        self.lock().wanted.insert(interface, groups);
        self.bell.ring();
    }

    /// Of none on interfaces that are not among these: when one returns, the engine says anew what it wants there.
    pub(crate) fn retain(&self, interfaces: &[Interface]) {
        self.lock().wanted.retain(|&index, _| interfaces.iter().any(|interface| interface.index == index));
        self.bell.ring();
    }

    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.bell.ring();
    }

    /// Carry out every wish, until told to stop. The memberships end with the sockets.
    pub(crate) fn run(&self) -> io::Result<()> {
        let (epoll, mut alarm) = (sys::Epoll::new()?, sys::Alarm::new()?);
        epoll.add(self.bell.as_fd(), 0)?;
        epoll.add(alarm.as_fd(), 1)?;
        let (mut members, mut ready) = (Members::default(), Vec::new());
        loop {
            epoll.wait(&mut ready)?;
            self.bell.acknowledge();
            alarm.acknowledge();
            let wanted = match &*self.lock() {
                State { stop: true, .. } => return Ok(()),
                State { wanted, .. } => wanted.clone(),
            };
            let settled = members.settle(&wanted);
            alarm.set(settled.err().map(|_| (clock::now() + RETRY).nanos()))?;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memberships that the kernel has granted, and the sockets that hold them: one socket has room for about 2,300
/// (`net.core.optmem_max`), fewer on older kernels.
#[derive(Default)]
struct Members {
    sockets: Vec<OwnedFd>,
    /// Number of the first socket that may have room.
    roomy: usize,
    joined: BTreeMap<(u32, Ipv6Addr), usize>,
}

impl Members {
    /// Leave what is no longer wanted, then join what is missing. An error is the first of those that kept some group
    /// from being joined; every other group is tried all the same.
    fn settle(&mut self, wanted: &Wanted) -> io::Result<()> {
        let is_wanted = |interface, group| wanted.get(&interface).is_some_and(|g| g.binary_search(&group).is_ok());
        let gone: Vec<_> = self.joined.keys().copied().filter(|&(i, group)| !is_wanted(i, group)).collect();
        for member in gone {
            self.leave(member);
        }
        let mut result = Ok(());
        for (&interface, groups) in wanted {
            for &group in groups {
                let joined = self.join((interface, group));
                result = result.and(joined);
            }
        }
        result
    }

    fn join(&mut self, member: (u32, Ipv6Addr)) -> io::Result<()> {
        if self.joined.contains_key(&member) {
            return Ok(());
        }
        loop {
            let fresh = self.roomy == self.sockets.len();
            if fresh {
                self.sockets.push(sys::socket(libc::AF_INET6, libc::SOCK_DGRAM, 0)?);
            }
            match sys::join_group(self.sockets[self.roomy].as_fd(), member.0, member.1) {
                Ok(()) => {
                    self.joined.insert(member, self.roomy);
                    return Ok(());
                }
                Err(e) if is_full(&e) && !fresh => self.roomy += 1,
                Err(e) => {
                    if fresh {
                        // It holds nothing: kept, it would be one more descriptor at every try.
                        self.sockets.pop();
                    }
                    return Err(e);
                }
            }
        }
    }

    /// That the interface is gone is no reason to fail: the socket forgets the membership all the same.
    fn leave(&mut self, member: (u32, Ipv6Addr)) {
        if let Some(socket) = self.joined.remove(&member) {
            let _ = sys::leave_group(self.sockets[socket].as_fd(), member.0, member.1);
            self.roomy = self.roomy.min(socket);
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{self, Lab};

    fn solicited(number: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff77, number)
    }

    fn wanted(interface: u32, count: u16) -> Wanted {
        BTreeMap::from([(interface, (0..count).map(solicited).collect())])
    }

    /// How many of the tests' groups the kernel is a member of on an interface.
    fn memberships(interface: u32) -> usize {
        let table = std::fs::read_to_string("/proc/thread-self/net/igmp6").unwrap();
        let own = |line: &&str| {
            let mut columns = line.split_whitespace();
            let index = columns.next() == Some(&interface.to_string());
            index && columns.nth(1).is_some_and(|group| group.starts_with("ff0200000000000000000001ff77"))
        };
        table.lines().filter(own).count()
    }

    #[test]
    fn five_thousand_groups_take_more_than_one_socket_and_are_all_joined() {
        let lab = Lab::new();
        let mut members = Members::default();
        members.settle(&wanted(lab.near, 5_000)).unwrap();
        assert_eq!(memberships(lab.near), 5_000);
        assert!(members.sockets.len() > 1);
    }

    #[test]
    fn what_is_no_longer_wanted_is_left_and_makes_room() {
        let lab = Lab::new();
        let mut members = Members::default();
        members.settle(&wanted(lab.near, 3_000)).unwrap();
        let sockets = members.sockets.len();
        members.settle(&wanted(lab.near, 1)).unwrap();
        assert_eq!(memberships(lab.near), 1);
        members.settle(&wanted(lab.near, 3_000)).unwrap();
        assert_eq!((memberships(lab.near), members.sockets.len()), (3_000, sockets));
    }

    #[test]
    fn each_interface_has_groups_of_its_own() {
        let lab = Lab::new();
        let mut members = Members::default();
        let both = wanted(lab.near, 2).into_iter().chain(wanted(lab.far, 3)).collect();
        members.settle(&both).unwrap();
        assert_eq!((memberships(lab.near), memberships(lab.far)), (2, 3));
        members.settle(&wanted(lab.far, 3)).unwrap();
        assert_eq!((memberships(lab.near), memberships(lab.far)), (0, 3));
    }

    #[test]
    fn an_interface_that_comes_back_under_its_old_index_is_joined_again() {
        let lab = Lab::new();
        let mut members = Members::default();
        members.settle(&wanted(lab.near, 2)).unwrap();
        lab::ip("link del v0");
        members.settle(&Wanted::new()).unwrap();
        lab::ip(&format!("link add v0 index {} type veth peer name v1", lab.near));
        lab::ip("link set v0 up");
        members.settle(&wanted(lab.near, 2)).unwrap();
        assert_eq!(memberships(lab.near), 2);
    }

    #[test]
    fn a_group_that_cannot_be_joined_does_not_keep_the_others_from_it() {
        let lab = Lab::new();
        let mut members = Members::default();
        let with_absent = wanted(lab.near, 2).into_iter().chain(wanted(4711, 1)).collect();
        assert!(members.settle(&with_absent).is_err());
        assert_eq!(memberships(lab.near), 2);
    }

    #[test]
    fn a_wish_is_carried_out_by_its_thread_and_ends_with_it() {
        let lab = Lab::new();
        let wish = Wish::new().unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| wish.run());
            wish.put(lab.near, vec![solicited(1)]);
            lab::eventually("the membership", || (memberships(lab.near) == 1).then_some(()));
            wish.retain(&[]);
            lab::eventually("the end of the membership", || (memberships(lab.near) == 0).then_some(()));
            wish.stop();
            thread.join().unwrap().unwrap();
        });
    }

    #[test]
    fn the_neighbours_are_told_by_mld() {
        let lab = Lab::new();
        let reports = lab.far_unfiltered(crate::ETHERTYPE_IPV6);
        let mut members = Members::default();
        members.settle(&wanted(lab.near, 1)).unwrap();
        let group = solicited(0).octets();
        lab::eventually("a report that names the group", || {
            // RFC 3810 section 5.2: a hop-by-hop header, then type 143, with the group in one of its records.
            let report = lab::next_octets(&reports);
            (report.get(62) == Some(&143) && report.windows(16).any(|at| at == group)).then_some(())
        });
    }
}
