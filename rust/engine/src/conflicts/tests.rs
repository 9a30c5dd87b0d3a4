use super::*;

const ETH: u32 = 2;
const OTHER: MacAddr = MacAddr::new([2, 0, 0, 0, 9, 9]);

fn at(seconds: u64) -> Time {
    Time::from_nanos(seconds * 1_000_000_000)
}

fn ip(last: u8) -> IpAddr {
    [192, 168, 1, last].into()
}

fn see(conflicts: &mut Conflicts, last: u8, form: Form) -> Vec<News> {
    conflicts.see(at(0), ETH, Sighting { address: ip(last), mac: OTHER, form })
}

#[test]
fn a_conflict_is_told_once_and_again_if_it_is_with_another() {
    let mut conflicts = Conflicts::default();
    assert!(matches!(&see(&mut conflicts, 1, Form::Answer)[..], [News::Found(found)] if found.mac == OTHER));
    assert_eq!(see(&mut conflicts, 1, Form::Answer), []);
    let another = MacAddr::new([2, 0, 0, 0, 9, 8]);
    let news = conflicts.see(at(1), ETH, Sighting { address: ip(1), mac: another, form: Form::Use });
    assert!(matches!(&news[..], [News::Found(found)] if found.mac == another));
}

#[test]
fn whoever_answers_for_three_addresses_is_a_proxy_and_none_of_them_is_in_conflict() {
    let mut conflicts = Conflicts::default();
    see(&mut conflicts, 1, Form::Answer);
    see(&mut conflicts, 2, Form::Answer);
    assert!(conflicts.has(ip(1)) && conflicts.has(ip(2)));
    let news = see(&mut conflicts, 3, Form::Answer);
    let addresses = vec![ip(1), ip(2), ip(3)];
    assert_eq!(news[0], News::Proxy { mac: OTHER, interface: ETH, addresses });
    assert_eq!(news.len(), 3, "and two conflicts are over: {news:?}");
    assert!([1, 2, 3].iter().all(|last| !conflicts.has(ip(*last))));
    assert_eq!(see(&mut conflicts, 4, Form::Answer), [], "it is told once");
}

#[test]
fn what_a_proxy_uses_itself_is_a_conflict_all_the_same() {
    let mut conflicts = Conflicts::default();
    see(&mut conflicts, 1, Form::Use);
    for last in 2..=4 {
        see(&mut conflicts, last, Form::Answer);
    }
    assert!(conflicts.has(ip(1)) && !conflicts.has(ip(2)));
}

#[test]
fn a_gateway_that_answers_for_one_address_is_a_proxy_whenever_it_is_found_to_be_the_gateway() {
    for known_before in [true, false] {
        let mut conflicts = Conflicts::default();
        if known_before {
            assert_eq!(conflicts.see_gateway(at(0), ETH, ip(254), OTHER), []);
        }
        let mut news = see(&mut conflicts, 1, Form::Answer);
        if !known_before {
            news = conflicts.see_gateway(at(0), ETH, ip(254), OTHER);
        }
        assert!(matches!(news[0], News::Proxy { mac: OTHER, .. }), "{news:?}");
        assert!(!conflicts.has(ip(1)));
    }
}

#[test]
fn the_same_answer_many_times_makes_no_proxy() {
    let mut conflicts = Conflicts::default();
    for _ in 0..10 {
        see(&mut conflicts, 1, Form::Answer);
    }
    assert!(conflicts.has(ip(1)));
}

#[test]
fn a_conflict_of_which_nothing_is_heard_ends() {
    let mut conflicts = Conflicts::default();
    see(&mut conflicts, 1, Form::Use);
    assert_eq!(conflicts.deadline(), Some(at(600)));
    assert_eq!(conflicts.expire(at(599)), []);
    assert_eq!(conflicts.expire(at(600)).len(), 1);
    assert_eq!(conflicts.deadline(), None);
}

#[test]
fn who_varies_its_mac_fills_no_memory() {
    let mut conflicts = Conflicts::default();
    for n in 0..10_000_u32 {
        let [a, b, c, d] = n.to_be_bytes();
        let mac = MacAddr::new([2, 0, a, b, c, d]);
        conflicts.see(at(0), ETH, Sighting { address: ip(1), mac, form: Form::Answer });
    }
    assert_eq!(conflicts.open.len(), 1);
}
