//! The bytes and meanings in `tests/vectors`, which every implementation of the formats has to agree with.

use metalev_wire::beacon::{self, Claim, Key, Standing, verify};
use metalev_wire::{Error, MacAddr, arp, ethernet, ndp};
use serde_json::Value;

fn beacons() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/beacon.json")).expect("JSON")
}

fn arps() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/arp.json")).expect("JSON")
}

fn ndps() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/ndp.json")).expect("JSON")
}

fn rows(of: &Value) -> &Vec<Value> {
    let rows = of.as_array().expect("a list");
    assert!(!rows.is_empty());
    rows
}

fn text(of: &Value) -> &str {
    of.as_str().expect("a text")
}

fn number<T: TryFrom<u64, Error: core::fmt::Debug>>(of: &Value) -> T {
    of.as_u64().expect("a number").try_into().expect("a number in range")
}

fn bytes(of: &Value) -> Vec<u8> {
    let pairs = text(of).as_bytes().chunks(2);
    let pair = |pair| u8::from_str_radix(core::str::from_utf8(pair).expect("ASCII"), 16);
    pairs.map(|digits| pair(digits).expect("hexadecimal digits")).collect()
}

fn mac(of: &Value) -> MacAddr {
    text(of).parse().expect("a MAC address")
}

fn keys() -> Vec<Key> {
    let key = |row: &Value| Key { id: number(&row["id"]), secret: bytes(&row["secret"]) };
    rows(&beacons()["keys"]).iter().map(key).collect()
}

fn read_beacon(bytes: &[u8]) -> Result<beacon::Repr, Error> {
    beacon::Repr::parse(&verify(bytes, &keys())?)
}

fn beacon_meaning(of: &Value) -> beacon::Repr {
    beacon::Repr {
        sender: text(&of["sender"]).to_owned(),
        recipient: text(&of["recipient"]).to_owned(),
        nonce: number(&of["nonce"]),
        echo: number(&of["echo"]),
        sequence: number(&of["sequence"]),
        hears_you: of["hears_you"] == true,
        goodbye: of["goodbye"] == true,
        quiet: of["quiet"] == true,
        interval_ms: number(&of["interval_ms"]),
        mac: mac(&of["mac"]),
        since: number(&of["since"]),
        through: number(&of["through"]),
        latest: number(&of["latest"]),
        acknowledged: number(&of["acknowledged"]),
        claims: of["claims"].as_array().expect("a list").iter().map(claim).collect(),
    }
}

fn claim(of: &Value) -> Claim {
    let reason = if of["reason"].is_null() { 0 } else { number(&of["reason"]) };
    let standing = match text(&of["standing"]) {
        "holds" => Standing::Holds(reason),
        "able" => Standing::Able(reason),
        "unable" => Standing::Unable(reason),
        "gone" => Standing::Gone,
        "offers" => Standing::Offers { off_link: reason, reason: number(&of["why"]) },
        other => panic!("no such standing: {other}"),
    };
    let address = text(&of["address"]).parse().expect("an address");
    Claim { address, term: number(&of["term"]), standing }
}

#[test]
fn beacons_mean_what_the_vectors_say() {
    for row in rows(&beacons()["accepted"]) {
        let meaning = beacon_meaning(&row["meaning"]);
        assert_eq!(read_beacon(&bytes(&row["bytes"])), Ok(meaning), "{}", row["name"]);
    }
}

#[test]
fn beacons_are_written_as_the_vectors_say() {
    let keys = keys();
    for row in rows(&beacons()["accepted"]) {
        let key = keys.iter().find(|key| key.id == number::<u16>(&row["key"])).expect("a key");
        let mut expected = bytes(&row["bytes"]);
        expected.truncate(expected.len() - number::<usize>(&row["padding"]));
        let written = beacon_meaning(&row["meaning"]).emit_signed(key);
        assert_eq!(written, Ok(expected), "{}", row["name"]);
    }
}

#[test]
fn beacons_are_refused_for_the_reason_in_the_vectors() {
    for row in rows(&beacons()["refused"]) {
        let error = read_beacon(&bytes(&row["bytes"])).expect_err(text(&row["name"]));
        assert_eq!(format!("{error:?}"), text(&row["error"]), "{}", row["name"]);
    }
}

fn read_arp(bytes: &[u8]) -> Result<(ethernet::Repr, arp::Repr), Error> {
    let frame = ethernet::Frame::new_checked(bytes)?;
    let packet = arp::Packet::new_checked(frame.payload())?;
    Ok((ethernet::Repr::parse(&frame)?, arp::Repr::parse(&packet)?))
}

fn arp_meaning(of: &Value) -> (ethernet::Repr, arp::Repr) {
    let header = ethernet::Repr {
        dst: mac(&of["destination"]),
        src: mac(&of["source"]),
        ethertype: ethernet::EtherType(number(&of["ethertype"])),
    };
    let packet = arp::Repr {
        operation: number::<u16>(&of["operation"]).into(),
        sender_mac: mac(&of["sender_mac"]),
        sender_ip: text(&of["sender_ip"]).parse().expect("an IPv4 address"),
        target_mac: mac(&of["target_mac"]),
        target_ip: text(&of["target_ip"]).parse().expect("an IPv4 address"),
    };
    (header, packet)
}

#[test]
fn arp_frames_mean_what_the_vectors_say() {
    for row in rows(&arps()["accepted"]) {
        let meaning = arp_meaning(&row["meaning"]);
        assert_eq!(read_arp(&bytes(&row["frame"])), Ok(meaning), "{}", row["name"]);
    }
}

#[test]
fn arp_frames_are_written_as_the_vectors_say() {
    for row in rows(&arps()["accepted"]) {
        let (header, packet) = arp_meaning(&row["meaning"]);
        let mut expected = bytes(&row["frame"]);
        expected.truncate(expected.len() - number::<usize>(&row["padding"]));
        assert_eq!(packet.frame(header.dst, header.src)[..], expected, "{}", row["name"]);
    }
}

#[test]
fn arp_frames_are_refused_for_the_reason_in_the_vectors() {
    for row in rows(&arps()["refused"]) {
        let error = read_arp(&bytes(&row["frame"])).expect_err(text(&row["name"]));
        assert_eq!(format!("{error:?}"), text(&row["error"]), "{}", row["name"]);
    }
}

fn read_ndp(bytes: &[u8]) -> Result<(ethernet::Repr, ndp::Repr), Error> {
    let frame = ethernet::Frame::new_checked(bytes)?;
    let packet = ndp::Packet::new_checked(frame.payload())?;
    Ok((ethernet::Repr::parse(&frame)?, ndp::Repr::parse(&packet)?))
}

fn ndp_meaning(of: &Value) -> (ethernet::Repr, ndp::Repr) {
    let header =
        ethernet::Repr { dst: mac(&of["destination"]), src: mac(&of["source"]), ethertype: ethernet::EtherType::IPV6 };
    let [src_ip, dst_ip, target] =
        ["src_ip", "dst_ip", "target"].map(|key| text(&of[key]).parse().expect("an IPv6 address"));
    let link_layer = (!of["link_layer"].is_null()).then(|| mac(&of["link_layer"]));
    let message = match text(&of["message"]) {
        "solicitation" => ndp::Message::Solicitation { source_mac: link_layer },
        "advertisement" => {
            let [router, solicited, overrides] = ["router", "solicited", "override"].map(|key| of[key] == true);
            let flags = ndp::Flags { router, solicited, overrides };
            ndp::Message::Advertisement { flags, target_mac: link_layer }
        }
        other => panic!("no such message: {other}"),
    };
    (header, ndp::Repr { src_ip, dst_ip, target, message })
}

#[test]
fn ndp_frames_mean_what_the_vectors_say() {
    for row in rows(&ndps()["accepted"]) {
        let meaning = ndp_meaning(&row["meaning"]);
        assert_eq!(read_ndp(&bytes(&row["frame"])), Ok(meaning), "{}", row["name"]);
    }
}

#[test]
fn ndp_frames_are_written_as_the_vectors_say() {
    for row in rows(&ndps()["accepted"]) {
        let (header, packet) = ndp_meaning(&row["meaning"]);
        let mut expected = bytes(&row["frame"]);
        expected.truncate(expected.len() - number::<usize>(&row["padding"]));
        assert_eq!(packet.frame(header.dst, header.src), expected, "{}", row["name"]);
    }
}

#[test]
fn ndp_frames_are_refused_for_the_reason_in_the_vectors() {
    for row in rows(&ndps()["refused"]) {
        let error = read_ndp(&bytes(&row["frame"])).expect_err(text(&row["name"]));
        assert_eq!(format!("{error:?}"), text(&row["error"]), "{}", row["name"]);
    }
}
