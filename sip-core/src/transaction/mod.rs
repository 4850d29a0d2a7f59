//! The four transaction state machines of RFC 3261 section 17, with RFC 6026.
//!
//! Each machine is a small value that knows states and timers and nothing else: no message, no
//! key, no transport. It is told what happened (`started`, a response's status, a request again, a
//! timeout) and answers with one [`Step`]: what its owner must now do with the bytes it keeps.
//! The [`Endpoint`](crate::Endpoint) owns the bytes, matches messages to machines
//! (17.1.3, 17.2.3) and keeps the timers' order.
//!
//! | machine | RFC 3261 | with RFC 6026 |
//! |---|---|---|
//! | [`InviteClient`] | 17.1.1, figure 5 | `Accepted` with timer M (8.4) |
//! | [`NonInviteClient`] | 17.1.2, figure 6 | |
//! | [`InviteServer`] | 17.2.1, figure 7 | `Accepted` with timer L (8.7) |
//! | [`NonInviteServer`] | 17.2.2, figure 8 | |
//!
//! Left out: the matching rules for proxies that fork statelessly, and timer C, which is a
//! proxy's (16.6); a user agent's limit on ringing is [`Invite::ring_timeout`](crate::Invite).

mod invite_client;
mod invite_server;
mod non_invite_client;
mod non_invite_server;
#[cfg(test)]
mod tables;
mod timers;

pub use invite_client::{InviteClient, InviteClientState};
pub use invite_server::{InviteServer, InviteServerState};
pub use non_invite_client::{NonInviteClient, NonInviteClientState};
pub use non_invite_server::{NonInviteServer, NonInviteServerState};
pub(crate) use timers::after;
pub use timers::{Timer, Timers};

/// What the owner of a transaction must do now.
///
/// "The message" is the one that the owner keeps for this transaction: the request at a client,
/// the last response at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Nothing: what came was absorbed.
    Nothing,
    /// Send the message, again if it was sent before.
    Send,
    /// Hand what came to the transaction user.
    Pass,
    /// Hand the response to the transaction user and send the ACK that belongs to it (17.1.1.3).
    PassAndAck,
    /// Send that ACK again; the response is a retransmission and goes no further.
    Ack,
    /// The transaction ended because this timer fired: tell the transaction user.
    TimedOut(Timer),
    /// The transaction ended because the transport could not send: tell the transaction user.
    Failed,
    /// The transaction ended in the ordinary way; forget it.
    Terminated,
}

impl Step {
    /// Whether the transaction is over and its owner should forget it.
    pub fn is_end(self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Failed | Self::Terminated)
    }
}
