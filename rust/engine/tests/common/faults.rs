//! What can happen to the simulated nodes and to the network between them.

use core::time::Duration;

use super::World;

impl World {
    pub fn kill(&mut self, node: &str) {
        self.nodes.get_mut(node).unwrap().dead = true;
        self.wind(node);
    }

    pub fn alive(&self, node: &str) -> bool {
        !self.nodes[node].dead
    }

    pub fn awake(&self, node: &str) -> bool {
        !self.nodes[node].asleep && !self.nodes[node].dead
    }

    /// Stop the process: what is sent to it waits in its sockets.
    pub fn freeze(&mut self, node: &str) {
        self.nodes.get_mut(node).unwrap().asleep = true;
        self.wind(node);
    }

    /// The process stops for so long, and goes on.
    pub fn freeze_for(&mut self, node: &str, duration: Duration) {
        self.freeze(node);
        self.run(duration);
        self.thaw(node);
    }

    pub fn thaw(&mut self, node: &str) {
        let now = self.now;
        let state = self.nodes.get_mut(node).unwrap();
        (state.asleep, state.lost) = (false, false);
        state.behind += state.suspended.take().map_or(Duration::ZERO, |since| now.since(since));
        self.wake(node);
    }

    /// The whole machine stands still, its clock with it, as a virtual one does that is paused; what is sent to it waits.
    /// [`World::thaw`] is the inverse.
    pub fn pause_machine(&mut self, node: &str) {
        let now = self.now;
        self.nodes.get_mut(node).unwrap().suspended.get_or_insert(now);
        self.freeze(node);
    }

    /// Stop the whole machine with its clock; what is sent to it is lost. [`World::thaw`] is the inverse.
    pub fn suspend(&mut self, node: &str) {
        self.pause_machine(node);
        self.nodes.get_mut(node).unwrap().lost = true;
    }

    pub fn suspended(&self, node: &str) -> bool {
        self.nodes[node].suspended.is_some()
    }

    /// Nothing gets from `from` to `to` any more.
    pub fn cut(&mut self, from: &str, to: &str) {
        self.network.cut(from, to);
    }

    pub fn partition(&mut self, left: &[&str], right: &[&str]) {
        for (a, b) in left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b))) {
            self.cut(a, b);
            self.cut(b, a);
        }
    }

    /// No frame gets from `from` to `to` any more on the segment; datagrams do.
    pub fn cut_segment(&mut self, from: &str, to: &str) {
        self.network.cut_segment(from, to);
    }

    /// Nothing gets through between `left` and `right` on the segment; datagrams do.
    pub fn part_segment(&mut self, left: &[&str], right: &[&str]) {
        for (a, b) in left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b))) {
            self.cut_segment(a, b);
            self.cut_segment(b, a);
        }
    }

    pub fn heal(&mut self) {
        self.network.heal();
    }
}
