//! What STUN servers say about our address (RFC 8445 §5.1.1.2).

use crate::Random;
use crate::stun::{BINDING, Builder, Class, Message, TransactionId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The first wait for an answer; each further one is twice as long (RFC 8489 §6.2.1).
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// How often a server is asked; the last answer is awaited until 7.5 s after the first question.
const ATTEMPTS: u8 = 4;

/// One server asked from one address of ours.
#[derive(Debug)]
struct Query {
    id: TransactionId,
    base: SocketAddr,
    server: SocketAddr,
    attempts: u8,
    /// When to ask again, or to give up.
    at: Instant,
}

/// The questions that are open.
#[derive(Debug, Default)]
pub(super) struct Gather {
    open: Vec<Query>,
}

impl Gather {
    pub(super) fn ask(
        &mut self,
        now: Instant,
        base: SocketAddr,
        server: SocketAddr,
        random: &mut Random,
    ) {
        let mut id = [0; 12];
        random(&mut id);
        self.open.push(Query {
            id: TransactionId(id),
            base,
            server,
            attempts: 0,
            at: now,
        });
    }

    pub(super) fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.open.iter().map(|query| query.at).min()
    }

    /// The next question that is due: from where, to whom.
    pub(super) fn poll(&mut self, now: Instant) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        self.open
            .retain(|query| query.at > now || query.attempts < ATTEMPTS);
        let query = self.open.iter_mut().find(|query| query.at <= now)?;
        query.at = now + FIRST_WAIT * 2u32.pow(u32::from(query.attempts));
        query.attempts += 1;
        let bytes = Builder::new(Class::Request, BINDING, query.id).finish(None);
        Some((query.base, query.server, bytes))
    }

    /// Takes an answer: our address as the server saw it, and the one that asked. `None`: it is not to us.
    pub(super) fn answer(
        &mut self,
        local: SocketAddr,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> Option<Option<(SocketAddr, SocketAddr)>> {
        let at = self.open.iter().position(|query| {
            query.id == message.transaction() && query.server == from && query.base == local
        })?;
        let query = self.open.swap_remove(at);
        let mapped = message
            .mapped_address()
            .filter(|_| message.class() == Class::Success);
        Some(mapped.map(|mapped| (mapped, query.base)))
    }
}
