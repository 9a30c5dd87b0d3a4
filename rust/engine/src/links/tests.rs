use metalev_wire::MacAddr;

use super::*;

fn link(index: u32, name: &str, address: [u8; 4]) -> Interface {
    Interface {
        index,
        name: name.into(),
        mac: MacAddr::new([2, 0, 0, 0, 0, 1]),
        addresses: vec![(address.into(), 24)],
        gateways: vec![],
    }
}

fn links() -> Links {
    let mut links = Links::default();
    links.set(Time::default(), vec![link(2, "eth0", [192, 168, 1, 10]), link(3, "mgmt", [10, 0, 0, 10])]);
    links
}

fn group(address: [u8; 4], interfaces: &[&str]) -> table::Group {
    let interfaces = interfaces.iter().map(ToString::to_string).collect();
    let key = address.into();
    table::Group {
        key,
        addresses: vec![key],
        candidates: [].into(),
        interfaces,
        gives_way: false,
        keeps: false,
        drilled: false,
        preempt: table::Preempt::Sticky,
    }
}

#[test]
fn a_group_is_judged_on_the_segment_where_its_address_lives() {
    let group = group([192, 168, 1, 200], &[]);
    let place = links().place(&group, Duration::ZERO);
    assert_eq!((place.interfaces, place.segment, place.unable), (vec![2, 3], vec![2], None));
}

#[test]
fn an_address_that_is_on_link_nowhere_is_judged_on_every_interface() {
    let group = group([172, 16, 0, 1], &[]);
    let place = links().place(&group, Duration::ZERO);
    assert_eq!(place.segment, [2, 3]);
}

#[test]
fn a_node_without_the_interface_says_that_it_cannot() {
    let group = group([192, 168, 1, 200], &["eth7"]);
    let place = links().place(&group, Duration::ZERO);
    assert_eq!(place.unable, Some(Cause::NoInterface));
}

#[test]
fn a_nodes_own_address_is_never_announced() {
    let group = group([192, 168, 1, 10], &[]);
    let place = links().place(&group, Duration::ZERO);
    assert_eq!(place.unable, Some(Cause::OwnAddress));
}

#[test]
fn a_gateway_is_never_announced() {
    let gateway: IpAddr = [192, 168, 1, 1].into();
    let mut links = Links::default();
    links.set(Time::default(), vec![Interface { gateways: vec![gateway], ..link(2, "eth0", [192, 168, 1, 10]) }]);
    let group = group([192, 168, 1, 1], &[]);
    let place = links.place(&group, Duration::ZERO);
    assert_eq!(place.unable, Some(Cause::Gateway));
}

#[test]
fn an_address_that_the_host_has_elsewhere_is_never_announced() {
    let there = || vec![[172, 17, 0, 1].into()];
    let own = Host { addresses: there(), ..Host::default() };
    let routed = Host { gateways: there(), ..Host::default() };
    for (host, cause) in [(own, Some(Cause::OwnAddress)), (routed, Some(Cause::Gateway)), (Host::default(), None)] {
        let mut links = links();
        links.set_host(host);
        let group = group([172, 17, 0, 1], &[]);
        let place = links.place(&group, Duration::ZERO);
        assert_eq!(place.unable, cause);
    }
}

#[test]
fn of_the_host_only_the_lists_that_are_others_are_told() {
    let mut links = links();
    let host =
        || Host { addresses: vec![[172, 17, 0, 1].into()], gateways: vec![[10, 0, 0, 1].into()], ..Host::default() };
    let told: Vec<_> = links.set_host(host()).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(told, [FactKind::HostAddresses, FactKind::HostGateways]);
    assert_eq!(links.set_host(host()), []);
    let unrouted = Host { gateways: vec![], ..host() };
    assert_eq!(links.set_host(unrouted), [(FactKind::HostGateways, vec![])]);
}

#[test]
fn addresses_without_a_subnet_on_the_wanted_interfaces_are_counted() {
    for (interfaces, address, off_link) in
        [(&[][..], [10, 0, 0, 7], 0), (&["eth0"][..], [10, 0, 0, 7], 1), (&[][..], [172, 16, 0, 1], 1)]
    {
        let mut group = group(address, interfaces);
        group.addresses.push([192, 168, 1, 200].into());
        let place = links().place(&group, Duration::ZERO);
        assert_eq!((place.off_link, place.unable), (off_link, None), "{address:?} on {interfaces:?}");
    }
}

#[test]
fn a_list_says_which_addresses_and_gateways_are_others() {
    let mut links = links();
    let eth0 = Interface { gateways: vec![[192, 168, 1, 1].into()], ..link(2, "eth0", [192, 168, 1, 11]) };
    let changes = links.set(Time::default(), vec![eth0.clone(), link(3, "mgmt", [10, 0, 0, 10])]);
    assert_eq!(
        (changes.readdressed, changes.gateways),
        (vec![eth0], vec![("eth0".to_owned(), vec![[192, 168, 1, 1].into()])])
    );
    let changes = links.set(Time::default(), vec![]);
    assert_eq!(changes.gateways, [("eth0".to_owned(), vec![])]);
}

#[test]
fn a_list_says_what_came_and_what_went() {
    let LinkChanges { came, went, .. } =
        links().set(Time::default(), vec![link(3, "mgmt", [10, 0, 0, 10]), link(4, "eth1", [10, 1, 0, 1])]);
    let names = |list: Vec<Interface>| list.into_iter().map(|link| link.name).collect::<Vec<_>>();
    assert_eq!((names(came), names(went)), (vec!["eth1".to_owned()], vec!["eth0".to_owned()]));
}

#[test]
fn a_prefix_of_any_length_is_understood() {
    let [a, b]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [11, 0, 0, 1].into()];
    assert!(same_prefix(a, b, 0));
    assert!(same_prefix(a, b, 7));
    assert!(!same_prefix(a, b, 8));
    assert!(same_prefix(a, a, 32));
}
