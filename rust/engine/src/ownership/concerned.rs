//! Which groups a peer has to do with: what changes about one of hundreds is no reason to look at all of thousands.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use crate::group::Group;
use crate::peers::Peers;

/// Of the groups that concern this node, for it may announce them or did when the table came: which concern each peer.
#[derive(Debug, Default)]
pub(super) struct Concerned {
    all: Vec<IpAddr>,
    by_candidate: HashMap<String, Vec<IpAddr>>,
    /// Those of which a peer spoke that is no candidate: its table is another, or was.
    strays: BTreeSet<IpAddr>,
}

impl Concerned {
    pub(super) fn new<'a>(groups: impl Iterator<Item = &'a Group>, peers: &Peers) -> Self {
        let mut concerned = Self::default();
        for group in groups {
            let key = group.spec.key;
            concerned.all.push(key);
            for candidate in &*group.spec.candidates {
                if let Some(keys) = concerned.by_candidate.get_mut(&candidate.node) {
                    keys.push(key);
                } else {
                    concerned.by_candidate.insert(candidate.node.clone(), vec![key]);
                }
            }
            let mut speakers = group.spec.addresses.iter().flat_map(|address| peers.speakers(*address));
            if speakers.any(|name| !group.may(name)) {
                concerned.strays.insert(key);
            }
        }
        concerned
    }

    /// A peer has said something of an address of a group.
    pub(super) fn note(&mut self, peer: &str, group: &Group) {
        if !group.may(peer) {
            self.strays.insert(group.spec.key);
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = IpAddr> {
        self.all.iter().copied()
    }

    /// Those that a peer may announce.
    pub(super) fn candidacies(&self, peer: &str) -> impl Iterator<Item = IpAddr> {
        self.by_candidate.get(peer).into_iter().flatten().copied()
    }

    /// Those of which others than their candidates may speak.
    pub(super) fn strays(&self) -> impl Iterator<Item = IpAddr> {
        self.strays.iter().copied()
    }
}
