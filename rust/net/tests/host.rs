//! What the kernel has configured on interfaces that carry no VIPs.

mod lab;

use lab::{Lab, VIP, await_fact, ip, options, table};
use metalev_engine::{Cause, FactKind};
use metalev_net::Speaker;

#[test]
fn an_address_on_an_interface_that_carries_nothing_is_told_and_its_end() {
    let _lab = Lab::new();
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    await_fact(&speaker, FactKind::InterfaceUp);
    for name in ["lo", "v1"] {
        ip(&format!("addr add 198.51.100.1/32 dev {name}"));
        let told = await_fact(&speaker, FactKind::HostAddresses);
        assert_eq!((told.interface.as_str(), told.addresses), ("", vec!["198.51.100.1".parse().unwrap()]));
        ip(&format!("addr del 198.51.100.1/32 dev {name}"));
        assert!(await_fact(&speaker, FactKind::HostAddresses).addresses.is_empty());
    }
}

#[test]
fn an_address_that_the_host_has_on_its_loopback_is_not_announced() {
    let _lab = Lab::new();
    ip(&format!("addr add {VIP}/32 dev lo"));
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    speaker.set(table(&[], &["a"]));
    assert_eq!(await_fact(&speaker, FactKind::Unable).cause, Cause::OwnAddress);
}

#[test]
fn an_address_that_comes_to_the_loopback_is_given_up() {
    let _lab = Lab::new();
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    speaker.set(table(&[], &["a"]));
    await_fact(&speaker, FactKind::Took);
    ip(&format!("addr add {VIP}/32 dev lo"));
    assert_eq!(await_fact(&speaker, FactKind::Yielded).cause, Cause::OwnAddress);
    ip(&format!("addr del {VIP}/32 dev lo"));
    await_fact(&speaker, FactKind::Took);
}

#[test]
fn a_vip_that_kube_proxy_configures_stays_announced() {
    let _lab = Lab::new();
    ip("link add kube-ipvs0 type veth peer name e1");
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    speaker.set(table(&[], &["a"]));
    await_fact(&speaker, FactKind::Took);
    ip(&format!("addr add {VIP}/32 dev kube-ipvs0"));
    ip("addr add 198.51.100.1/32 dev lo");
    // One listing has seen both.
    let told = await_fact(&speaker, FactKind::HostAddresses);
    assert_eq!(told.addresses, ["198.51.100.1".parse::<std::net::IpAddr>().unwrap()]);
    speaker.stop();
    assert_eq!(await_fact(&speaker, FactKind::Yielded).cause, Cause::Stopping);
}

#[test]
fn a_default_gateway_by_another_interface_is_told() {
    let _lab = Lab::new();
    ip("addr add 198.51.100.1/24 dev v1");
    ip("route add default via 198.51.100.254");
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    let told = await_fact(&speaker, FactKind::HostGateways);
    assert_eq!(told.addresses, ["198.51.100.254".parse::<std::net::IpAddr>().unwrap()]);
}
