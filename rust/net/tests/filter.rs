//! What the kernel lets through to the sockets. A frame that is kept out is followed by one that is not: when the second
//! arrives, the first would have been there.

mod lab;

use lab::{ARP, BEACON, FAR, IPV6, Lab, NEAR, STRANGER, beacon, icmpv6, ip, next_frame, request, request_for};
use metalev_net::{PacketSocket, Ranges};
use metalev_wire::MacAddr;
use metalev_wire::beacon::QUIET;

const EVERYBODY: MacAddr = MacAddr::BROADCAST;

#[test]
fn a_broadcast_request_comes_whole() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    far.send(&request(EVERYBODY, FAR)).unwrap();
    assert_eq!(next_frame(&near), request(EVERYBODY, FAR));
}

#[test]
fn a_frame_for_another_host_never_reaches_us() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    far.send(&request(STRANGER, FAR)).unwrap();
    far.send(&request(NEAR, FAR)).unwrap();
    assert_eq!(next_frame(&near), request(NEAR, FAR));
}

#[test]
fn a_frame_for_another_host_never_reaches_us_though_the_interface_is_promiscuous() {
    let lab = Lab::new();
    ip("link set v0 promisc on");
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    far.send(&request(STRANGER, FAR)).unwrap();
    far.send(&request(NEAR, FAR)).unwrap();
    assert_eq!(next_frame(&near), request(NEAR, FAR));
}

#[test]
fn what_another_socket_of_the_host_sends_does_not_come_back() {
    let lab = Lab::new();
    let (near, other, far) = (lab.near(ARP), lab.near(ARP), lab.far(ARP));
    other.send(&request(EVERYBODY, STRANGER)).unwrap();
    far.send(&request(EVERYBODY, FAR)).unwrap();
    assert_eq!(next_frame(&near), request(EVERYBODY, FAR));
}

#[test]
fn our_own_frame_sent_back_by_the_network_comes_through_to_be_counted() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    far.send(&request(EVERYBODY, NEAR)).unwrap();
    assert_eq!(next_frame(&near), request(EVERYBODY, NEAR));
}

#[test]
fn a_frame_for_an_interface_above_is_not_taken_for_ours() {
    let lab = Lab::new();
    let above = "02:00:00:00:00:0d";
    ip(&format!("link add link v0 name above address {above} type macvlan mode bridge"));
    ip("link set above up");
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    far.send(&request(above.parse().unwrap(), FAR)).unwrap();
    far.send(&request(NEAR, FAR)).unwrap();
    assert_eq!(next_frame(&near), request(NEAR, FAR));
}

#[test]
fn a_beacon_is_told_by_its_magic() {
    let lab = Lab::new();
    let (near, far) = (lab.near(BEACON), lab.far(BEACON));
    far.send(&beacon(NEAR, FAR, b"some other experiment")).unwrap();
    far.send(&beacon(NEAR, FAR, b"MLEV and so on")).unwrap();
    assert_eq!(next_frame(&near), beacon(NEAR, FAR, b"MLEV and so on"));
}

/// A beacon as far as the filter looks at it.
fn flagged(flags: u8) -> Vec<u8> {
    beacon(NEAR, FAR, &[b'M', b'L', b'E', b'V', 1, flags])
}

#[test]
fn a_beacon_that_says_nothing_new_is_shown_to_a_socket_of_its_own() {
    let lab = Lab::new();
    let (near, quiet, far) = (lab.near(BEACON), PacketSocket::open_quiet(lab.near).unwrap(), lab.far(BEACON));
    for flags in [QUIET, 0, QUIET | 1, 1] {
        far.send(&flagged(flags)).unwrap();
    }
    assert_eq!([next_frame(&near), next_frame(&near)], [flagged(0), flagged(1)]);
    assert_eq!([next_frame(&quiet), next_frame(&quiet)], [flagged(QUIET), flagged(QUIET | 1)]);
}

#[test]
fn what_is_too_short_for_its_flags_or_no_beacon_is_never_quiet() {
    let lab = Lab::new();
    let (near, quiet, far) = (lab.near(BEACON), PacketSocket::open_quiet(lab.near).unwrap(), lab.far(BEACON));
    far.send(&beacon(NEAR, FAR, b"MLEV\x01")).unwrap();
    far.send(&beacon(NEAR, FAR, b"SOME\x01\x04")).unwrap();
    far.send(&flagged(QUIET)).unwrap();
    assert_eq!(next_frame(&near), beacon(NEAR, FAR, b"MLEV\x01"));
    assert_eq!(next_frame(&quiet), flagged(QUIET));
}

#[test]
fn a_frame_too_short_for_the_magic_is_kept_out() {
    let lab = Lab::new();
    let (near, far) = (lab.near(BEACON), lab.far(BEACON));
    far.send(&beacon(NEAR, FAR, b"MLE")).unwrap();
    far.send(&beacon(NEAR, FAR, b"MLEV")).unwrap();
    assert_eq!(next_frame(&near), beacon(NEAR, FAR, b"MLEV"));
}

#[test]
fn each_socket_sees_frames_of_its_own_type_only() {
    let lab = Lab::new();
    let (near, far_arp, far) = (lab.near(BEACON), lab.far(ARP), lab.far(BEACON));
    far_arp.send(&request(NEAR, FAR)).unwrap();
    far.send(&beacon(NEAR, FAR, b"MLEV")).unwrap();
    assert_eq!(next_frame(&near), beacon(NEAR, FAR, b"MLEV"));
}

// ===== neighbor discovery =====

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

#[test]
fn of_ipv6_only_solicitations_and_advertisements_come_through() {
    let lab = Lab::new();
    let (near, far) = (lab.near(IPV6), lab.far(IPV6));
    let about = |kind| icmpv6(kind, 255, "2001:db8::1");
    for other in [128, 134, 137, 143] {
        far.send(&about(other)).unwrap();
    }
    far.send(&about(SOLICITATION)).unwrap();
    far.send(&about(ADVERTISEMENT)).unwrap();
    assert_eq!(next_solicited(&near), about(SOLICITATION));
    assert_eq!(next_solicited(&near), about(ADVERTISEMENT));
}

#[test]
fn what_a_router_may_have_forwarded_is_kept_out() {
    let lab = Lab::new();
    let (near, far) = (lab.near(IPV6), lab.far(IPV6));
    far.send(&icmpv6(SOLICITATION, 254, "2001:db8::1")).unwrap();
    far.send(&icmpv6(SOLICITATION, 255, "2001:db8::2")).unwrap();
    assert_eq!(next_solicited(&near), icmpv6(SOLICITATION, 255, "2001:db8::2"));
}

#[test]
fn a_solicitation_too_short_for_its_target_comes_through_to_be_counted() {
    let lab = Lab::new();
    let (near, far) = (lab.near(IPV6), lab.far(IPV6));
    near.set_filter(&Ranges::default()).unwrap();
    let whole = icmpv6(SOLICITATION, 255, "2001:db8::1");
    far.send(&whole).unwrap();
    far.send(&whole[..60]).unwrap();
    assert_eq!(next_solicited(&near), whole[..60]);
}

#[test]
fn a_solicitation_for_an_address_without_interest_is_kept_out() {
    let lab = Lab::new();
    let (near, far) = (lab.near(IPV6), lab.far(IPV6));
    near.set_filter(&Ranges::covering(vec![5, 6, 9])).unwrap();
    for other in ["2001:db8::4", "2001:db8::7", "2001:db8::8", "2001:db8::a", "2001:db8::1:5"] {
        far.send(&icmpv6(SOLICITATION, 255, other)).unwrap();
    }
    far.send(&icmpv6(SOLICITATION, 255, "2001:db8::9")).unwrap();
    assert_eq!(next_solicited(&near), icmpv6(SOLICITATION, 255, "2001:db8::9"));
}

/// The kernel's own neighbor discovery is on the wire too; the tests' frames are those to a solicited-node group from
/// one address.
fn next_solicited(socket: &PacketSocket) -> Vec<u8> {
    let source = icmpv6(0, 0, "::")[22..38].to_vec();
    loop {
        let frame = next_frame(socket);
        if frame.get(22..38) == Some(&source[..]) && frame[2] == 0xff {
            return frame;
        }
    }
}

// ===== questions about others =====

#[test]
fn a_request_for_an_address_without_interest_is_kept_out() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    near.set_filter(&ranges(&["192.0.2.10", "192.0.2.11", "192.0.2.20"])).unwrap();
    for other in ["192.0.2.9", "192.0.2.12", "192.0.2.19", "192.0.2.21", "0.0.0.0", "255.255.255.255"] {
        far.send(&request_for(other, "192.0.2.1")).unwrap();
    }
    far.send(&request_for("192.0.2.11", "192.0.2.1")).unwrap();
    assert_eq!(next_frame(&near), request_for("192.0.2.11", "192.0.2.1"));
}

#[test]
fn who_claims_an_address_of_interest_is_heard_whatever_it_asks_for() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    near.set_filter(&ranges(&["192.0.2.10"])).unwrap();
    far.send(&request_for("192.0.2.1", "192.0.2.9")).unwrap();
    far.send(&request_for("192.0.2.1", "192.0.2.10")).unwrap();
    assert_eq!(next_frame(&near), request_for("192.0.2.1", "192.0.2.10"));
}

#[test]
fn every_address_of_a_thousand_scattered_ones_is_let_through() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    // Gaps of all widths: far more ranges than a filter has.
    let scattered: Vec<String> = (0..1000u32).map(|n| std::net::Ipv4Addr::from(n * n * 4_000).to_string()).collect();
    near.set_filter(&ranges(&scattered)).unwrap();
    for address in &scattered {
        far.send(&request_for(address, "255.0.0.1")).unwrap();
        assert_eq!(next_frame(&near), request_for(address, "255.0.0.1"));
    }
}

#[test]
fn without_interest_in_any_address_only_the_malformed_come_through() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    near.set_filter(&Ranges::default()).unwrap();
    let whole = request(EVERYBODY, FAR);
    let mut token_ring = whole.clone();
    token_ring[15] = 6; // the hardware type
    far.send(&whole).unwrap();
    far.send(&token_ring).unwrap();
    far.send(&whole).unwrap();
    far.send(&whole[..30]).unwrap();
    assert_eq!(next_frame(&near), token_ring);
    assert_eq!(next_frame(&near), whole[..30]);
}

fn ranges<S: AsRef<str>>(addresses: &[S]) -> Ranges {
    let bits = |address: &S| address.as_ref().parse::<std::net::Ipv4Addr>().expect("an IPv4 address").to_bits();
    Ranges::covering(addresses.iter().map(bits).collect())
}

// ===== the socket itself =====

#[test]
fn frames_sent_together_arrive_in_their_order_and_those_refused_are_counted() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    let mut frames: Vec<Vec<u8>> = (0..100).map(|n| request_for(&format!("192.0.2.{n}"), "192.0.2.1")).collect();
    frames.insert(70, vec![0; 9000]); // longer than the interface takes
    assert_eq!(far.send_all(&frames).count, 1);
    frames.remove(70);
    for frame in frames {
        assert_eq!(next_frame(&near), frame);
    }
}

#[test]
fn an_interface_that_does_not_exist_has_no_socket() {
    let _lab = Lab::new();
    let error = PacketSocket::open(4711, ARP, &Ranges::all()).err().unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
}
