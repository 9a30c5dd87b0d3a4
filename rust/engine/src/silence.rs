//! A silence that an operator ordered, to see what the others do when this node dies.
//!
//! For as long as it lasts the engine is as a frozen one: it sends nothing and hears nothing, and nobody is told. When
//! it is over the engine finds that its promise has run out, as after a sleep, and listens before it takes anything.

use core::time::Duration;

use crate::Time;
use crate::table::Silence;

/// No silence lasts longer, whatever was ordered and whoever forgot about it.
const LONGEST: Duration = Duration::from_secs(30);

/// The order that was last heard, and until when it holds.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    last: String,
    until: Option<Time>,
}

impl Ordered {
    /// Take in what the table orders: an order begins once, however often it is repeated, and ends when it is withdrawn.
    pub(crate) fn order(&mut self, now: Time, order: Option<&Silence>) {
        match order {
            Some(order) if order.id != self.last => {
                self.last.clone_from(&order.id);
                self.until = Some(now + order.length.min(LONGEST));
            }
            Some(_) => {}
            None => self.until = None,
        }
    }

    /// Until when nothing may be said, if that is still ahead.
    pub(crate) fn until(&self, now: Time) -> Option<Time> {
        self.until.filter(|until| now < *until)
    }
}
