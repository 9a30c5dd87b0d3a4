//! What the kernel lets through to the sockets. A frame that is kept out is followed by one that is not: when the second
//! arrives, the first would have been there.

mod lab;

use lab::{ARP, BEACON, FAR, Lab, NEAR, STRANGER, beacon, ip, next_frame, request};
use metalev_net::PacketSocket;
use metalev_wire::MacAddr;

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
fn our_own_frame_sent_back_by_the_network_never_reaches_us() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    far.send(&request(EVERYBODY, NEAR)).unwrap();
    far.send(&request(EVERYBODY, FAR)).unwrap();
    assert_eq!(next_frame(&near), request(EVERYBODY, FAR));
}

#[test]
fn a_source_that_differs_in_its_last_octet_only_is_not_our_own() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    let neighbour = MacAddr::new([0x02, 0, 0, 0, 0, 0x0c]);
    far.send(&request(EVERYBODY, neighbour)).unwrap();
    assert_eq!(next_frame(&near), request(EVERYBODY, neighbour));
}

#[test]
fn a_source_that_differs_in_its_first_octets_only_is_not_our_own() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    let neighbour = MacAddr::new([0x06, 0, 0, 0, 0, 0x0a]);
    far.send(&request(EVERYBODY, neighbour)).unwrap();
    assert_eq!(next_frame(&near), request(EVERYBODY, neighbour));
}

#[test]
fn a_new_address_of_the_interface_is_the_one_that_counts() {
    let lab = Lab::new();
    let (near, far) = (lab.near(ARP), lab.far(ARP));
    near.set_own_address(STRANGER).unwrap();
    far.send(&request(EVERYBODY, STRANGER)).unwrap();
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

#[test]
fn an_interface_that_does_not_exist_has_no_socket() {
    let _lab = Lab::new();
    let error = PacketSocket::open(4711, ARP, NEAR).err().unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
}
