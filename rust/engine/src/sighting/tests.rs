//! What frames say, by the rows that Python reads as well, and what our own say of addresses.

use serde_json::Value;

use super::*;

fn rows() -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("../../../../tests/vectors/sightings.json")).expect("JSON");
    let rows = vectors["accepted"].as_array().expect("a list").clone();
    assert!(!rows.is_empty());
    rows
}

fn text(of: &Value) -> &str {
    of.as_str().expect("a text")
}

fn bytes(of: &Value) -> Vec<u8> {
    let pairs = text(of).as_bytes().chunks(2).map(|pair| core::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
}

fn says(of: &Value) -> Option<Sighting> {
    let form = match of["form"].as_str()? {
        "use" => Form::Use,
        "answer" => Form::Answer,
        "objection" => Form::Objection,
        "probe" => Form::Probe,
        other => panic!("no form: {other}"),
    };
    let address = text(&of["address"]).parse().expect("an address");
    Some(Sighting { address, mac: text(&of["mac"]).parse().expect("a MAC address"), form })
}

#[test]
fn every_frame_of_the_vectors_says_what_it_is_to_say() {
    for row in rows() {
        assert_eq!(of_frame(&bytes(&row["frame"])), says(&row["says"]), "{}", row["name"]);
    }
}

#[test]
fn a_frame_of_the_vectors_that_is_cut_short_says_nothing() {
    for row in rows() {
        let bytes = bytes(&row["frame"]);
        for len in 0..bytes.len() {
            assert_eq!(of_frame(&bytes[..len]), None, "{} bytes of {}", len, row["name"]);
        }
    }
}
