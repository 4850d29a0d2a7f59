//! Room that a burst of work left behind is given back.
//!
//! One rule: a table or queue that fills less than a quarter of its room keeps twice what it holds. It is looked at after
//! every timeout and closed connection, so that nothing waits for a clock of its own; what giving back costs has been
//! paid by as many entries that came and went.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use super::Endpoint;

/// Below this many places nothing is given back.
const FEW: usize = 64;

/// How many places are enough, where there are far too many.
pub(crate) fn spare(len: usize, room: usize) -> Option<usize> {
    (room > FEW && len < room / 4).then_some(len * 2)
}

pub(crate) fn map<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if let Some(enough) = spare(map.len(), map.capacity()) {
        map.shrink_to(enough);
    }
}

fn queue<T>(queue: &mut VecDeque<T>) {
    if let Some(enough) = spare(queue.len(), queue.capacity()) {
        queue.shrink_to(enough);
    }
}

impl Endpoint {
    pub(super) fn give_back(&mut self) {
        self.clients.give_back();
        self.servers.give_back();
        self.requests.give_back();
        self.calls.give_back();
        self.subscriptions.give_back();
        self.questions.give_back();
        self.registrations.give_back();
        self.pings.give_back();
        map(&mut self.client_keys);
        map(&mut self.server_keys);
        map(&mut self.merges);
        map(&mut self.dialogs);
        map(&mut self.connections);
        map(&mut self.ping_keys);
        queue(&mut self.unread);
        queue(&mut self.out.transmits);
        queue(&mut self.out.events);
    }
}
