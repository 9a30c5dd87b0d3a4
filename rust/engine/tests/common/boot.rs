//! How a simulated node starts, and what it is told then.

use core::time::Duration;
use std::net::IpAddr;

use metalev_engine::{Config, Engine, Event, Group, HOLD_DOWN, Interface, Peer, REFRESH, Table};
use metalev_wire::MacAddr;

use super::{MS, Node, ORDER, World, group, key, link, vip};

impl World {
    /// Three nodes that have settled, with `192.168.1.200` on the first candidate.
    pub fn settled() -> Self {
        Self::settled_with(group(200, &ORDER))
    }

    /// The same with a group of this address.
    pub fn settled_with(group: Group) -> Self {
        let mut world = Self::new(3);
        world.set_groups(vec![group]);
        world.run(500 * MS);
        assert_eq!(world.who_has(vip(200)), ["node1"]);
        world
    }

    /// Start (or start again) a node under a new nonce.
    pub fn boot(&mut self, i: usize, nonce: u64) {
        self.boot_with(i, nonce, vec![link(u8::try_from(i).unwrap())]);
    }

    /// The same with other interfaces.
    pub fn boot_with(&mut self, i: usize, nonce: u64, interfaces: Vec<Interface>) {
        self.start(&name(i), &name(i), i, nonce, interfaces);
    }

    /// Start a speaker on machine `i` that calls itself `node`; tests call it `key`.
    pub fn boot_as(&mut self, key: &str, node: &str, i: usize, nonce: u64) {
        self.start(key, node, i, nonce, vec![link(u8::try_from(i).unwrap())]);
    }

    fn start(&mut self, key: &str, node: &str, i: usize, nonce: u64, interfaces: Vec<Interface>) {
        let [high, low] = u16::try_from(i).unwrap().to_be_bytes();
        let mac = MacAddr::new([2, 0, 0, 0, high, low]);
        let address: IpAddr = [192, 168, 1 + high, low.wrapping_add(9)].into();
        let config = Config {
            node: node.to_owned(),
            nonce,
            beacon_interval: 50 * MS,
            misses: 3,
            refresh: REFRESH,
            hold_down: HOLD_DOWN,
        };
        let state = Node::new(Engine::new(config), mac, address);
        self.by_mac.insert(mac, key.to_owned());
        self.by_address.insert(address, key.to_owned());
        if let Some(timer) = self.nodes.insert(key.to_owned(), state).and_then(|before| before.timer) {
            self.timers.remove(&(timer, key.to_owned()));
        }
        self.event(key, Event::Interfaces(interfaces));
    }

    /// Give every node the same groups.
    pub fn set_groups(&mut self, groups: Vec<Group>) {
        self.groups = groups;
        for node in self.nodes.keys().cloned().collect::<Vec<_>>() {
            self.set_table(&node);
        }
    }

    /// Give one node the table.
    pub fn set_table(&mut self, node: &str) {
        let table = self.table(node);
        self.event(node, Event::Table(table));
    }

    pub fn table(&self, node: &str) -> Table {
        let others = self.nodes.iter().filter(|(name, _)| *name != node);
        let peers = others.map(|(name, node)| Peer { node: name.clone(), addresses: vec![node.address] }).collect();
        Table {
            peers,
            keys: vec![key()],
            groups: self.groups.clone(),
            probing: self.probing.clone(),
            ..Table::default()
        }
    }
}

impl Node {
    fn new(engine: Engine, mac: MacAddr, address: IpAddr) -> Self {
        Self {
            engine,
            mac,
            address,
            facts: Vec::new(),
            arp_sent: Vec::new(),
            ndp_sent: Vec::new(),
            arp_asked: Vec::new(),
            ndp_asked: Vec::new(),
            joined: Vec::new(),
            sent: 0,
            sent_quiet: 0,
            woken: 0,
            queue: Vec::new(),
            asleep: false,
            dead: false,
            suspended: None,
            lost: false,
            behind: Duration::ZERO,
            timer: None,
        }
    }
}

fn name(n: usize) -> String {
    format!("node{n}")
}
