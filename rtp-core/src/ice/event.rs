//! What an agent says: datagrams, how far it is, what it noticed.

use super::names::QuestionId;
use crate::sdp::Candidate;
use std::net::SocketAddr;

/// One way between the two: what is sent from `local` to `remote`, and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The address of ours that it is sent from: a host candidate's, or a relay's.
    pub local: SocketAddr,
    /// The peer's address, as seen from there.
    pub remote: SocketAddr,
}

/// A datagram to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Transmit {
    /// From which address of ours: that of a host candidate, or a relay's.
    pub local: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The peer's credentials are not known yet.
    New,
    /// Pairs are being tried.
    Checking,
    /// There is a pair to send on.
    Connected,
    /// The peer's consent is gone; another pair is looked for until [`Config::connect_timeout`](super::Config::connect_timeout) has passed.
    Disconnected,
    /// The time is over. Only a restart helps.
    Failed,
}

/// What an agent noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A candidate of ours; with trickle, tell the peer (RFC 8840). It is in [`Agent::description`](super::Agent::description), too.
    Candidate(Candidate),
    /// There will be no more candidates of ours: tell the peer `end-of-candidates`.
    Gathered,
    /// See [`State`].
    State(State),
    /// Media goes this way from now on.
    Selected(Pair),
    /// The peer has not agreed for [`Config::consent_timeout`](super::Config::consent_timeout) to get anything this way. Nothing is sent there until both
    /// sides have new credentials (RFC 7675 §5.1), or another pair is selected.
    ConsentLost(Pair),
    /// Which address has this name? Answer with [`Agent::answer`](super::Agent::answer). With [`Names::Ask`](super::Names::Ask).
    Ask {
        /// To answer with.
        id: QuestionId,
        /// The name, usually one of multicast DNS (`.local`).
        name: String,
    },
}
