//! Whom to call, and in which order.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Invite;

/// Most phones of one plan: a ring group is people, not a dialler.
const PHONES: usize = 64;

/// Rounds of phones: those of one round ring together, and the next round begins when all of the
/// last have failed or rung long enough ([`Invite::ring_timeout`]). At most 64 phones in all; more
/// are left out.
///
/// The coupling sets each [`Invite`]'s Max-Forwards, the headers that cross, and its body: the caller's offer, unless the
/// Invite has one of its own, as where media goes through a relay. Everything else is as given.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(super) rounds: VecDeque<Vec<Invite>>,
    phones: usize,
}

impl Plan {
    /// One phone.
    pub fn to(invite: Invite) -> Self {
        Self::default().then([invite])
    }

    /// All at once; the first that answers has the call.
    pub fn parallel(invites: impl IntoIterator<Item = Invite>) -> Self {
        Self::default().then(invites)
    }

    /// One after the other, each for as long as `ring_for`.
    pub fn serial(invites: impl IntoIterator<Item = Invite>, ring_for: Duration) -> Self {
        invites.into_iter().fold(Self::default(), |plan, invite| {
            plan.then([invite.ring_timeout(ring_for)])
        })
    }

    /// One more round after those before.
    pub fn then(mut self, invites: impl IntoIterator<Item = Invite>) -> Self {
        let left = PHONES - self.phones;
        let round: Vec<_> = invites.into_iter().take(left).collect();
        self.phones += round.len();
        if !round.is_empty() {
            self.rounds.push_back(round);
        }
        self
    }

    /// These before all others, one after the other.
    pub(super) fn first(&mut self, invites: impl IntoIterator<Item = Invite>) {
        let left = PHONES - self.phones;
        let rounds: Vec<_> = invites.into_iter().take(left).collect();
        self.phones += rounds.len();
        for invite in rounds.into_iter().rev() {
            self.rounds.push_front(vec![invite]);
        }
    }

    /// Counts a phone that rings beside the rounds, if there is room for it.
    pub(super) fn count_one(&mut self) -> bool {
        let room = self.phones < PHONES;
        self.phones += usize::from(room);
        room
    }

    /// How many phones it names.
    pub fn phones(&self) -> usize {
        self.phones
    }
}
