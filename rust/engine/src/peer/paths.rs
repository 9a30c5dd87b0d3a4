//! How a peer is heard, path by path.

use super::{Hearing, Path};

/// The few paths of one peer in their order: a list, because a fleet of hundreds has as many of them for every node.
#[derive(Debug, Default)]
pub(crate) struct Paths(Vec<(Path, Hearing)>);

impl Paths {
    pub(crate) fn get(&self, path: Path) -> Option<&Hearing> {
        self.0.iter().find(|(other, _)| *other == path).map(|(_, hearing)| hearing)
    }

    pub(super) fn get_mut(&mut self, path: Path) -> Option<&mut Hearing> {
        self.0.iter_mut().find(|(other, _)| *other == path).map(|(_, hearing)| hearing)
    }

    pub(super) fn insert(&mut self, path: Path, hearing: Hearing) {
        match self.0.binary_search_by_key(&path, |(other, _)| *other) {
            Ok(index) => self.0[index].1 = hearing,
            Err(index) => {
                self.0.reserve_exact(1);
                self.0.insert(index, (path, hearing));
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Path, &Hearing)> {
        self.0.iter().map(|(path, hearing)| (*path, hearing))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Path, &mut Hearing)> {
        self.0.iter_mut().map(|(path, hearing)| (*path, hearing))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Hearing> {
        self.0.iter().map(|(_, hearing)| hearing)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Hearing> {
        self.0.iter_mut().map(|(_, hearing)| hearing)
    }
}
