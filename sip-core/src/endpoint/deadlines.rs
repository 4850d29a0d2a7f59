//! When what is due: one ordered set over everything that waits.

use std::collections::BTreeSet;
use std::time::Instant;

use super::flow::ConnectionId;
use super::table::Key;

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waiter {
    Client(Key),
    Server(Key),
    Call(Key),
    Question(Key),
    Registrar,
    Registration(Key),
    Ping(Key),
    Drain,
    /// The rest of a message on this connection.
    Reading(ConnectionId),
}

/// Each waiter stands here at most once, at the deadline that it last armed.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    order: BTreeSet<(Instant, Waiter)>,
}

impl Deadlines {
    /// Moves `waiter` from the deadline in `armed` to `wanted`.
    pub(crate) fn arm(
        &mut self,
        waiter: Waiter,
        armed: &mut Option<Instant>,
        wanted: Option<Instant>,
    ) {
        if *armed == wanted {
            return;
        }
        if let Some(old) = armed.take() {
            self.order.remove(&(old, waiter));
        }
        if let Some(new) = wanted {
            self.order.insert((new, waiter));
        }
        *armed = wanted;
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The first that is due at `now`; it stays armed until its owner moves it.
    pub(crate) fn due(&self, now: Instant) -> Option<Waiter> {
        self.order
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, waiter)| *waiter)
    }

    /// Takes out a waiter whose owner is gone.
    pub(crate) fn drop_first(&mut self) {
        self.order.pop_first();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}
