//! A node whose interface goes hands over at once, by the other network: the kernel's word is enough, nobody waits for
//! missed beacons.

mod lab;

use std::time::Duration;

use lab::{Lab, await_fact, eventually, ip, options, table};
use metalev_engine::{Cause, Fact, FactKind, Table};
use metalev_net::{Options, Speaker};

/// Two nodes, "a" with `va` and `v0`, "b" with `vb` and `v1`: a switch joins the former, where the VIP lives, a cable the
/// latter. A peer is given up after seconds, so that only the kernel's word can be faster, however loaded this machine is.
fn pair() -> (Speaker, Speaker) {
    ip("link add br0 type bridge");
    ip("link set br0 up");
    for name in ["a", "b"] {
        ip(&format!("link add v{name} type veth peer name p{name}"));
        ip(&format!("link set p{name} master br0 up"));
        ip(&format!("link set v{name} up"));
    }
    let start = |name: &str, port, other: &str| {
        let interfaces = vec![format!("v{name}"), other.to_owned()];
        let beacon_interval = Duration::from_millis(300);
        let options = Options { beacon_interval, beacon_misses: 10, interfaces, ..options(name, port, "") };
        Speaker::start(options).expect("it starts")
    };
    let (a, b) = (start("a", 7946, "v0"), start("b", 7947, "v1"));
    for (speaker, peer) in [(&a, "b"), (&b, "a")] {
        let mut table: Table = table(&[peer], &["a", "b"]);
        table.groups[0].interfaces = vec!["va".to_owned(), "vb".to_owned()];
        speaker.set(table);
    }
    let took = await_fact(&a, FactKind::Took);
    assert_eq!(took.cause, Cause::FirstCandidate);
    await_fact(&b, FactKind::PeerHeard);
    (a, b)
}

/// What "b" says up to its takeover.
fn until_it_took(b: &Speaker) -> Vec<Fact> {
    let mut facts = Vec::new();
    eventually("the takeover", || {
        facts.extend(b.facts(Duration::from_secs(1)).expect("it runs"));
        facts.iter().any(|fact| fact.kind == FactKind::Took).then_some(())
    });
    facts
}

/// That "b" took over because it was told, before it missed anybody.
fn assert_told(b: &Speaker) {
    let facts = until_it_took(b);
    let took = facts.iter().position(|fact| fact.kind == FactKind::Took).expect("it took over");
    assert_eq!(facts[took].cause, Cause::Released, "{}", facts[took].message);
    assert!(!facts[..took].iter().any(|fact| fact.kind == FactKind::PeerLost), "{facts:?}");
}

#[test]
fn a_carrier_that_is_lost_hands_over_before_any_beacon_is_missed() {
    let _lab = Lab::new();
    let (_a, b) = pair();
    ip("link set pa down");
    assert_told(&b);
}

#[test]
fn an_interface_that_vanishes_hands_over_before_any_beacon_is_missed() {
    let _lab = Lab::new();
    let (_a, b) = pair();
    ip("link del va");
    assert_told(&b);
}
