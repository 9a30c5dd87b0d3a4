//! A speaker that cannot start says why, by name.

mod lab;

use std::net::UdpSocket;

use lab::{Lab, options};
use metalev_net::{Error, Options, Speaker, keep_capabilities};

fn refusal(options: Options) -> Error {
    Speaker::start(options).err().expect("it must not start")
}

#[test]
fn a_port_in_use_is_named() {
    let _lab = Lab::new();
    let _other = UdpSocket::bind("[::]:7946").unwrap();
    assert!(matches!(refusal(options("a", 7946, "v0")), Error::PortInUse { port: 7946 }));
}

#[test]
fn a_port_in_use_by_an_ipv4_socket_is_in_use_too() {
    let _lab = Lab::new();
    let _other = UdpSocket::bind("0.0.0.0:7946").unwrap();
    assert_eq!(refusal(options("a", 7946, "v0")).to_string(), "UDP port 7946 is in use");
}

#[test]
fn a_second_speaker_on_the_host_finds_the_port_in_use() {
    let _lab = Lab::new();
    let first = Speaker::start(options("a", 7946, "v0")).unwrap();
    assert!(matches!(refusal(options("b", 7946, "v0")), Error::PortInUse { port: 7946 }));
    first.stop();
}

#[test]
fn the_port_is_free_again_after_a_stop() {
    let _lab = Lab::new();
    Speaker::start(options("a", 7946, "v0")).unwrap().stop();
    // A program that another test is starting has a copy of each descriptor until it runs.
    lab::eventually("the port", || Speaker::start(options("a", 7946, "v0")).ok()).stop();
}

#[test]
fn an_unknown_interface_is_named_beside_those_that_exist() {
    let _lab = Lab::new();
    let message = refusal(options("a", 7946, "eth9")).to_string();
    assert!(message.starts_with("no interface named eth9; there are: lo, "), "{message}");
    assert!(message.contains("v0") && message.contains("v1"), "{message}");
}

#[test]
fn without_the_capability_it_is_named() {
    let _lab = Lab::new();
    keep_capabilities::<&str>(&[]).unwrap(); // of this test's thread
    let message = refusal(options("a", 7946, "v0")).to_string();
    assert_eq!(message, "cannot open a raw socket: CAP_NET_RAW is missing");
}

#[test]
fn the_capability_alone_is_enough() {
    let _lab = Lab::new();
    keep_capabilities(&["CAP_NET_RAW"]).unwrap();
    Speaker::start(options("a", 7946, "v0")).unwrap().stop();
}

#[test]
fn a_pattern_that_is_none_is_named() {
    let exclude = vec!["^eth".to_owned(), "v(0".to_owned()];
    let message = refusal(Options { exclude, ..options("a", 7946, "v0") }).to_string();
    assert_eq!(message, "\"v(0\" is no regular expression for interfaces to exclude: unclosed group");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let good = || options("a", 7946, "v0");
    let refused = |options| matches!(refusal(options), Error::Invalid(_));
    assert!(refused(Options { node: String::new(), ..good() }));
    assert!(refused(Options { beacon_interval: std::time::Duration::ZERO, ..good() }));
    assert!(refused(Options { beacon_misses: 0, ..good() }));
    assert!(refused(Options { port: 0, ..good() }));
}
