//! A small fleet and what can happen to it: random schedules of faults, and who answers meanwhile.

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::IpAddr;

use metalev_engine::{Event, FactKind, Interface, Table, Time};
use metalev_wire::beacon::Key;
use proptest::prelude::*;

use super::network::Random;
use super::{MS, World, elsewhere, group_of, link, vip, vip6};

/// Something that goes wrong or comes right. Nodes are numbers, taken modulo the size of the fleet.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The node dies, or its speaker is killed: for the others it is the same.
    Kill(usize),
    /// A new life of its speaker.
    Restart(usize),
    /// The process stops (SIGSTOP), what is sent to it queues ...
    Pause(usize),
    /// ... until it goes on.
    Resume(usize),
    /// The whole machine stops with its clock, what is sent to it is lost; [`Fault::Resume`] ends it.
    Suspend(usize),
    /// The speaker is asked to end.
    Leave(usize),
    /// Its cable is out, and its kernel says so ...
    LinkDown(usize),
    /// ... and in again.
    LinkUp(usize),
    /// The node loses its addresses in the subnet ...
    MoveOut(usize),
    /// ... and gets them back.
    MoveIn(usize),
    /// It gets the next step of the rotation of the beacons' key, unless it is ahead of another.
    Rotate(usize),
    /// The candidates of all groups change; no node knows yet ...
    Edit,
    /// ... until it gets the new table.
    Learn(usize),
    /// Nothing passes between the nodes whose bit is set and the others.
    Partition(usize),
    /// The second does not hear the first.
    OneWay(usize, usize),
    /// Undoes both.
    Heal,
    /// 30 % of everything is lost ...
    Lossy,
    /// ... what arrives comes up to so many milliseconds late ...
    Jittery(u64),
    /// ... and both are over.
    Calm,
}

/// Faults of nodes, during which beacons get through.
pub fn crash() -> BoxedStrategy<Fault> {
    let node = 0..8_usize;
    prop_oneof![
        1 => node.clone().prop_map(Fault::Kill),
        3 => node.clone().prop_map(Fault::Restart),
        1 => node.clone().prop_map(Fault::Pause),
        2 => node.clone().prop_map(Fault::Resume),
        1 => node.prop_map(Fault::Leave),
    ]
    .boxed()
}

/// Cables that are pulled and put in again.
pub fn unplugging() -> BoxedStrategy<Fault> {
    prop_oneof![(0..8_usize).prop_map(Fault::LinkDown), (0..8_usize).prop_map(Fault::LinkUp)].boxed()
}

/// Nodes that lose and get back the subnet.
pub fn readdressing() -> BoxedStrategy<Fault> {
    prop_oneof![(0..8_usize).prop_map(Fault::MoveOut), (0..8_usize).prop_map(Fault::MoveIn)].boxed()
}

/// A key that is replaced, one node after the other.
pub fn rotation() -> BoxedStrategy<Fault> {
    (0..8_usize).prop_map(Fault::Rotate).boxed()
}

/// Machines that stop with their clocks.
pub fn suspension() -> BoxedStrategy<Fault> {
    prop_oneof![1 => (0..8_usize).prop_map(Fault::Suspend), 2 => (0..8_usize).prop_map(Fault::Resume)].boxed()
}

/// Tables that differ for a while.
pub fn edits() -> BoxedStrategy<Fault> {
    prop_oneof![1 => Just(Fault::Edit), 4 => (0..8_usize).prop_map(Fault::Learn)].boxed()
}

/// Partitions, and loss in one direction.
pub fn partitions() -> BoxedStrategy<Fault> {
    prop_oneof![
        1 => (1..31_usize).prop_map(Fault::Partition),
        1 => (0..8_usize, 0..8_usize).prop_map(|(from, to)| Fault::OneWay(from, to)),
        2 => Just(Fault::Heal),
    ]
    .boxed()
}

/// Loss and lateness.
pub fn weather() -> BoxedStrategy<Fault> {
    prop_oneof![1 => Just(Fault::Lossy), 1 => (1..120_u64).prop_map(Fault::Jittery), 2 => Just(Fault::Calm)].boxed()
}

/// Anything.
pub fn anything() -> BoxedStrategy<Fault> {
    prop_oneof![
        4 => crash(),
        1 => unplugging(),
        1 => readdressing(),
        1 => rotation(),
        1 => suspension(),
        1 => edits(),
        2 => partitions(),
        1 => weather(),
    ]
    .boxed()
}

/// Nodes `node1` to `node<n>`, and what has become of each.
pub struct Fleet {
    pub world: World,
    n: usize,
    lives: u64,
    /// Per node: how far it is with the rotation of the key, which table it has, and its interface.
    keys: Vec<usize>,
    tables: Vec<usize>,
    links: Vec<Interface>,
    /// The newest table.
    table: usize,
    /// When the last fault was.
    pub last_fault: Time,
    /// When beacons last did not get through, or were misleading.
    pub disturbed: Time,
}

impl Fleet {
    /// A fleet of `n` at rest.
    pub fn new(n: usize, seed: u64) -> Self {
        let mut world = World::new(n);
        world.network.random = Random(seed);
        let links = (1..=n).map(|i| link(u8::try_from(i).unwrap())).collect();
        let now = world.now;
        let (keys, tables) = (vec![0; n], vec![0; n]);
        let mut fleet = Self { world, n, lives: 1_000, keys, tables, links, table: 0, last_fault: now, disturbed: now };
        (0..n).for_each(|i| fleet.set_table(i));
        fleet.world.run(500 * MS);
        fleet
    }

    pub fn apply(&mut self, fault: Fault) {
        self.last_fault = self.world.now;
        let at = |i: usize| i % self.n;
        match fault {
            Fault::Kill(i) => self.world.kill(&name(at(i))),
            Fault::Restart(i) => self.restart(at(i)),
            Fault::Pause(i) => self.world.freeze(&name(at(i))),
            Fault::Resume(i) => self.resume(at(i)),
            Fault::Suspend(i) => self.world.suspend(&name(at(i))),
            Fault::Leave(i) => self.leave(at(i)),
            Fault::LinkDown(i) => self.replug(at(i), false),
            Fault::LinkUp(i) => self.replug(at(i), true),
            Fault::MoveOut(i) => self.readdress(at(i), elsewhere),
            Fault::MoveIn(i) => self.readdress(at(i), link),
            Fault::Rotate(i) => self.rotate(at(i)),
            Fault::Edit => self.table += 1,
            Fault::Learn(i) => self.learn(at(i)),
            Fault::Partition(mask) => self.partition(mask),
            Fault::OneWay(from, to) => self.world.cut(&name(at(from)), &name(at(to))),
            Fault::Heal => self.world.heal(),
            Fault::Lossy => self.world.network.loss = 30,
            Fault::Jittery(ms) => self.world.network.jitter = MS * u32::try_from(ms).unwrap(),
            Fault::Calm => (self.world.network.loss, self.world.network.jitter) = (0, Duration::ZERO),
        }
        self.watch();
    }

    /// Let time pass.
    pub fn run(&mut self, ms: u32) {
        self.watch();
        self.world.run(MS * ms);
        self.watch();
    }

    /// Take note while beacons do not get through, or nodes go by different tables.
    fn watch(&mut self) {
        if !self.world.network.is_whole() || self.differs() {
            self.disturbed = self.world.now;
        }
    }

    fn differs(&self) -> bool {
        let living = (0..self.n).filter(|i| self.world.alive(&name(*i)));
        living.map(|i| self.tables[i]).collect::<BTreeSet<_>>().len() > 1
    }

    fn restart(&mut self, i: usize) {
        self.lives += 1;
        let mut links = vec![self.links[i].clone()];
        links.retain(|_| self.world.network.plugged(&name(i)));
        self.world.boot_with(i + 1, self.lives, links);
        // Both come from the cluster, which does not wait for a node that is away.
        self.tables[i] = self.table;
        self.keys[i] = self.key_of_the_others(i).unwrap_or(self.keys[i]);
        self.set_table(i);
    }

    fn resume(&mut self, i: usize) {
        if self.world.suspended(&name(i)) {
            self.disturbed = self.world.now;
        }
        self.world.thaw(&name(i));
        self.show_link(i);
        self.set_table(i);
    }

    fn leave(&mut self, i: usize) {
        if self.world.awake(&name(i)) {
            self.world.event(&name(i), Event::Stop);
            self.world.kill(&name(i));
        }
    }

    fn replug(&mut self, i: usize, plugged: bool) {
        if plugged {
            self.world.network.replug(&name(i));
        } else {
            self.world.network.unplug(&name(i));
        }
        self.show_link(i);
    }

    fn readdress(&mut self, i: usize, link: fn(u8) -> Interface) {
        self.links[i] = link(u8::try_from(i + 1).unwrap());
        self.disturbed = self.world.now;
        self.show_link(i);
    }

    /// What the kernel says of the node's interface; a node that sleeps hears of it when it wakes.
    fn show_link(&mut self, i: usize) {
        if self.world.awake(&name(i)) {
            let plugged = self.world.network.plugged(&name(i));
            let links = if plugged { vec![self.links[i].clone()] } else { vec![] };
            self.world.event(&name(i), Event::Interfaces(links));
        }
    }

    /// First everybody accepts the new key, then everybody signs with it, then the old one goes.
    fn rotate(&mut self, i: usize) {
        if self.key_of_the_others(i).is_none_or(|others| self.keys[i] <= others) {
            self.keys[i] += 1;
            self.show_table(i);
        }
    }

    /// How far the slowest of the other living nodes is.
    fn key_of_the_others(&self, i: usize) -> Option<usize> {
        let others = (0..self.n).filter(|other| *other != i && self.world.alive(&name(*other)));
        others.map(|other| self.keys[other]).min()
    }

    fn learn(&mut self, i: usize) {
        self.tables[i] = self.table;
        self.show_table(i);
    }

    fn show_table(&mut self, i: usize) {
        if self.world.awake(&name(i)) {
            self.set_table(i);
        }
    }

    fn set_table(&mut self, i: usize) {
        let groups = groups(self.n, self.tables[i]);
        let table = Table { keys: keys(self.keys[i]), groups, ..self.world.table(&name(i)) };
        self.world.event(&name(i), Event::Table(table));
    }

    fn partition(&mut self, mask: usize) {
        let inside = |i: usize| mask & (1 << i) != 0;
        for (one, other) in (0..self.n).flat_map(|one| (0..self.n).map(move |other| (one, other))) {
            if inside(one) != inside(other) {
                self.world.cut(&name(one), &name(other));
            }
        }
    }

    /// Everything works again, except for nodes that are dead.
    pub fn recover(&mut self) {
        self.apply(Fault::Heal);
        self.apply(Fault::Calm);
        for i in 0..self.n {
            self.apply(Fault::Resume(i));
            self.apply(Fault::LinkUp(i));
            self.apply(Fault::MoveIn(i));
            self.apply(Fault::Learn(i));
        }
    }

    /// Have all who are awake look at everything once more, though nothing is new. Answers who took or yielded something.
    pub fn look_again(&mut self) -> Vec<String> {
        let count = |world: &World, node: &str| {
            world.facts(node, FactKind::Took).len() + world.facts(node, FactKind::Yielded).len()
        };
        let mut moved = Vec::new();
        for i in (0..self.n).filter(|i| self.world.awake(&name(*i))).collect::<Vec<_>>() {
            let before = count(&self.world, &name(i));
            self.set_table(i);
            if count(&self.world, &name(i)) != before {
                moved.push(name(i));
            }
        }
        moved
    }

    // ===== what is seen =====

    /// Who answers a client for an address now.
    pub fn answering(&mut self, address: IpAddr) -> Vec<String> {
        let mut answering = self.world.who_has(address);
        answering.retain(|node| self.world.network.plugged(node));
        answering
    }

    /// Whether an address has a candidate that lives and can, by a table that all who live have.
    pub fn may_be_answered(&self, address: IpAddr) -> bool {
        let living: Vec<usize> = (0..self.n).filter(|i| self.world.alive(&name(*i))).collect();
        let Some(table) = living.first().map(|i| self.tables[*i]).filter(|_| !self.differs()) else {
            return false;
        };
        let able = |i: &usize| self.world.awake(&name(*i)) && self.world.network.plugged(&name(*i));
        let able: BTreeSet<String> = living.into_iter().filter(able).map(name).collect();
        let groups = groups(self.n, table);
        let group = groups.iter().find(|group| group.addresses.contains(&address)).unwrap();
        group.candidates.iter().any(|candidate| able.contains(&candidate.node))
    }
}

/// The addresses that the fleet announces: a single one of each family, and a pair.
pub fn addresses() -> [IpAddr; 4] {
    [vip6(200), vip(201), vip6(201), vip(202)]
}

/// The groups by the table of a number: each one has the candidates in another order, some lack the first.
fn groups(n: usize, table: usize) -> Vec<metalev_engine::Group> {
    let order = |turn: usize| {
        let mut names: Vec<String> = (0..n).map(name).collect();
        names.rotate_left((turn + table) % n);
        names.truncate(if table % 3 == 2 { n - 1 } else { n });
        names
    };
    let group = |addresses: &[IpAddr], turn| {
        let names = order(turn);
        group_of(addresses, &names.iter().map(String::as_str).collect::<Vec<_>>())
    };
    vec![group(&[vip6(200)], 0), group(&[vip(201), vip6(201)], 1), group(&[vip(202)], 2)]
}

/// The keys at a step of the rotation, of which each key takes three.
fn keys(step: usize) -> Vec<Key> {
    let key = |id: usize| Key {
        id: u16::try_from(id).unwrap(),
        secret: format!("the beacons' secret, no. {id:8}").into_bytes(),
    };
    let (old, new) = (key(1 + step / 3), key(2 + step / 3));
    match step % 3 {
        0 => vec![old],
        1 => vec![old, new],
        _ => vec![new, old],
    }
}

fn name(i: usize) -> String {
    format!("node{}", i + 1)
}
