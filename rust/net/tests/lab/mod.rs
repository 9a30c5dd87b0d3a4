//! A network of its own for each test: a new namespace with a cable `v0` to `v1`, gone with the test's thread.
#![allow(dead_code, reason = "each test file uses its part of the lab")]
#![allow(unsafe_code, clippy::unwrap_used, reason = "it is for tests only")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use metalev_engine::{Candidate, Fact, FactKind, Group, HOLD_DOWN, Peer, Preempt, Table};
use metalev_net::{ETHERTYPE_ARP, ETHERTYPE_BEACON, ETHERTYPE_IPV6, Options, PacketSocket, Ranges, Speaker};
use metalev_wire::MacAddr;
use metalev_wire::arp::{Operation, Repr};
use metalev_wire::beacon::Key;

/// The address of `v0`, where the code under test is.
pub(crate) const NEAR: MacAddr = MacAddr::new([0x02, 0, 0, 0, 0, 0x0a]);
/// The address of `v1`, the rest of the world.
pub(crate) const FAR: MacAddr = MacAddr::new([0x02, 0, 0, 0, 0, 0x0b]);
/// Nobody's address.
pub(crate) const STRANGER: MacAddr = MacAddr::new([0x02, 0, 0, 0, 0, 0x63]);
pub(crate) const VIP: &str = "192.0.2.10";
/// What is true by then will not become true later.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Lab {
    pub(crate) near: u32,
    pub(crate) far: u32,
}

impl Lab {
    /// Move this thread into a new network namespace and lay the cable.
    pub(crate) fn new() -> Self {
        // SAFETY: takes no pointer. It changes the namespace of this thread alone, which is the test's own; processes
        // and threads that it starts inherit it, and with the last of them it goes.
        let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
        assert_eq!(result, 0, "a network namespace takes CAP_SYS_ADMIN: {}", std::io::Error::last_os_error());
        ip("link set lo up");
        ip(&format!("link add v0 address {NEAR} type veth peer name v1 address {FAR}"));
        ip("link set v0 up");
        ip("link set v1 up");
        Self { near: index("v0"), far: index("v1") }
    }

    /// A socket at the near end.
    pub(crate) fn near(&self, ethertype: u16) -> PacketSocket {
        PacketSocket::open(self.near, ethertype, &Ranges::all()).unwrap()
    }

    /// A socket at the far end that shows every frame of a type.
    pub(crate) fn far_unfiltered(&self, ethertype: u16) -> OwnedFd {
        // SAFETY: takes no pointer; the new descriptor is owned at once and by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)) };
        // SAFETY: all zeroes is a value of this struct of integers.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        (address.sll_family, address.sll_protocol) = (17, ethertype.to_be());
        address.sll_ifindex = self.far.cast_signed();
        let len = libc::socklen_t::try_from(size_of_val(&address)).unwrap();
        // SAFETY: pointer and length describe `address`, which outlives the call.
        let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        fd
    }

    /// A socket at the far end.
    pub(crate) fn far(&self, ethertype: u16) -> PacketSocket {
        PacketSocket::open(self.far, ethertype, &Ranges::all()).unwrap()
    }
}

/// IPv6 frames that arrive at the far end, with the time at which the kernel had each.
///
/// There is room for thousands, where the kernel gives so much: to root of its first namespaces. For others there is room
/// for hundreds, and what comes while the reader sleeps may be missing.
pub(crate) struct Tape {
    fd: OwnedFd,
}

impl Tape {
    /// Of every frame.
    pub(crate) fn new(lab: &Lab) -> Self {
        let tape = Self { fd: lab.far_unfiltered(ETHERTYPE_IPV6) };
        let bytes = libc::c_int::from(1 << 14) << 12; // 64 MiB
        if !tape.set(libc::SO_RCVBUFFORCE, &bytes) {
            assert!(tape.set(libc::SO_RCVBUF, &bytes), "{}", std::io::Error::last_os_error());
        }
        tape.stamp(); // the first time says nothing, and has the kernel begin
        tape
    }

    /// Of those that are sent to the far end alone.
    pub(crate) fn of_answers(lab: &Lab) -> Self {
        const PACKET_TYPE: u32 = 0xffff_f004; // SKF_AD_OFF + SKF_AD_PKTTYPE of linux/filter.h
        let tape = Self::new(lab);
        let mut program = [
            libc::sock_filter { code: 0x28, jt: 0, jf: 0, k: PACKET_TYPE }, // load it
            libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: 0 },           // is it PACKET_HOST?
            libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: u32::MAX },    // take all of it
            libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 },           // drop it
        ];
        let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
        assert!(tape.set(libc::SO_ATTACH_FILTER, &filter), "{}", std::io::Error::last_os_error());
        tape
    }

    fn set<T>(&self, option: libc::c_int, value: &T) -> bool {
        let len = libc::socklen_t::try_from(size_of::<T>()).unwrap();
        // SAFETY: pointer and length describe `value`, which outlives the call, as does all that it points to.
        let result = unsafe {
            libc::setsockopt(self.fd.as_raw_fd(), libc::SOL_SOCKET, option, std::ptr::from_ref(value).cast(), len)
        };
        result == 0
    }

    /// The next frame. None within a minute fails the test.
    pub(crate) fn next(&self) -> (Duration, Vec<u8>) {
        let frame = next_octets(&self.fd);
        (self.stamp(), frame)
    }

    /// When the frame that was read last arrived.
    fn stamp(&self) -> Duration {
        const SIOCGSTAMPNS: libc::Ioctl = 0x8907; // socket(7)
        let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the kernel writes a `struct timespec` there and keeps no pointer.
        unsafe { libc::ioctl(self.fd.as_raw_fd(), SIOCGSTAMPNS, &raw mut at) };
        Duration::new(at.tv_sec.cast_unsigned(), u32::try_from(at.tv_nsec).unwrap())
    }
}

/// Run `ip` with these arguments in the namespace of this thread.
pub(crate) fn ip(arguments: &str) {
    output(arguments);
}

/// Run `nft` with this command in the namespace of this thread.
pub(crate) fn nft(command: &str) {
    run("nft", &[command]);
}

/// Run `tc` with these arguments in the namespace of this thread.
pub(crate) fn tc(arguments: &str) {
    run("tc", &arguments.split_whitespace().collect::<Vec<_>>());
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The same; what it printed.
pub(crate) fn output(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn index(name: &str) -> u32 {
    let name = std::ffi::CString::new(name).unwrap();
    // SAFETY: a valid C string, read during the call only.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    assert_ne!(index, 0, "no such interface");
    index
}

// ===== frames =====

/// An ARP request for the VIP.
pub(crate) fn request(to: MacAddr, from: MacAddr) -> Vec<u8> {
    let repr = Repr {
        operation: Operation::Request,
        sender_mac: from,
        sender_ip: "192.0.2.20".parse().unwrap(),
        target_mac: MacAddr::ZERO,
        target_ip: VIP.parse().unwrap(),
    };
    repr.frame(to, from).to_vec()
}

/// The request, tagged for VLAN 5.
pub(crate) fn tagged_request() -> Vec<u8> {
    let whole = request(MacAddr::BROADCAST, FAR);
    [&whole[..12], &[0x81, 0, 0, 5], &whole[12..]].concat()
}

/// The same for any address, from any.
pub(crate) fn request_for(target: &str, sender: &str) -> Vec<u8> {
    let (target_ip, sender_ip) = (target.parse().unwrap(), sender.parse().unwrap());
    let repr = Repr { operation: Operation::Request, sender_mac: FAR, sender_ip, target_mac: MacAddr::ZERO, target_ip };
    repr.frame(MacAddr::BROADCAST, FAR).to_vec()
}

/// An IPv6 frame to a solicited-node group: `ICMPv6` of this type about `target`, without checksum and options.
pub(crate) fn icmpv6(kind: u8, hop_limit: u8, target: &str) -> Vec<u8> {
    let target: std::net::Ipv6Addr = target.parse().unwrap();
    let [.., a, b, c] = target.octets();
    let header = [0x60, 0, 0, 0, 0, 24, 58, hop_limit];
    let source = "fe80::ff:fe00:b".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let group = std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let icmp = [&[kind, 0, 0, 0, 0, 0, 0, 0][..], &target.octets()].concat();
    [&[0x33, 0x33, 0xff, a, b, c][..], &FAR.octets(), &[0x86, 0xdd], &header, &source, &group.octets(), &icmp].concat()
}

/// A frame of the beacons' type with any payload.
pub(crate) fn beacon(to: MacAddr, from: MacAddr, payload: &[u8]) -> Vec<u8> {
    [&to.octets(), &from.octets(), &ETHERTYPE_BEACON.to_be_bytes()[..], payload].concat()
}

/// The next frame that the socket shows. None within ten seconds fails the test.
pub(crate) fn next_frame(socket: &PacketSocket) -> Vec<u8> {
    next_octets(socket)
}

/// The same of any packet socket.
pub(crate) fn next_octets(socket: &impl AsFd) -> Vec<u8> {
    let fd = socket.as_fd().as_raw_fd();
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let patience = i32::try_from(PATIENCE.as_millis()).unwrap();
    // SAFETY: one pollfd, on this stack, for the length of the call.
    let ready = unsafe { libc::poll(&raw mut poll, 1, patience) };
    assert_eq!(ready, 1, "no frame came");
    let mut buffer = vec![0; 2048];
    // SAFETY: pointer and length describe `buffer`, which outlives the call.
    let len = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    buffer.truncate(usize::try_from(len).expect("a frame is there"));
    buffer
}

/// The next ARP packet that satisfies a condition.
pub(crate) fn next_arp(socket: &PacketSocket, wanted: impl Fn(&Repr) -> bool) -> Repr {
    eventually("such an ARP packet", || {
        let frame = next_frame(socket);
        let packet = metalev_wire::arp::Packet::new_checked(&frame[14..]).unwrap();
        Repr::parse(&packet).ok().filter(&wanted)
    })
}

// ===== speakers =====

pub(crate) fn options(node: &str, port: u16, interface: &str) -> Options {
    Options {
        node: node.to_owned(),
        beacon_interval: Duration::from_millis(50),
        beacon_misses: 3,
        refresh: metalev_engine::REFRESH,
        hold_down: HOLD_DOWN,
        port,
        interfaces: vec![interface.to_owned()],
        exclude: Vec::new(),
    }
}

/// The VIP, which these nodes may announce in this order.
pub(crate) fn table(peers: &[&str], candidates: &[&str]) -> Table {
    let vip = VIP.parse().unwrap();
    let peer = |name: &&str| Peer { node: (*name).to_owned(), addresses: Vec::new() };
    let candidate = |name: &&str| Candidate { node: (*name).to_owned(), score: 0 };
    Table {
        peers: peers.iter().map(peer).collect(),
        keys: vec![Key { id: 1, secret: b"a key of thirty-two octets, fine".to_vec() }],
        groups: vec![Group {
            key: vip,
            addresses: vec![vip],
            candidates: candidates.iter().map(candidate).collect(),
            interfaces: Vec::new(),
            gives_way: false,
            keeps: false,
            drilled: false,
            preempt: Preempt::Sticky,
        }],
        ..Table::default()
    }
}

/// Wait until the speaker has reported this kind of fact.
pub(crate) fn await_fact(speaker: &Speaker, kind: FactKind) -> Fact {
    eventually(&format!("a fact that says \"{kind}\""), || {
        speaker.facts(PATIENCE).unwrap().into_iter().rfind(|fact| fact.kind == kind)
    })
}

/// Try until there is an answer. `attempt` waits by itself if there is something to wait for.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < give_up, "{what} did not come");
        std::thread::yield_now();
    }
}

pub(crate) const ARP: u16 = ETHERTYPE_ARP;
pub(crate) const BEACON: u16 = ETHERTYPE_BEACON;
pub(crate) const IPV6: u16 = ETHERTYPE_IPV6;
