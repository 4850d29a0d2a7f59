//! Which message may carry an offer or an answer: RFC 3261 section 13.2.1, RFC 3264 section 4,
//! RFC 6337 section 2.
//!
//! [`OfferAnswer`] knows whose turn it is, never what a body says. With it a user agent cannot
//! answer twice, answer when nothing was offered, or offer while an offer is out; the same
//! mistakes of a peer become typed errors with the status that they deserve.
//!
//! | state | may happen | then |
//! |---|---|---|
//! | `Idle` | either side offers | `LocalOffer`, `RemoteOffer` |
//! | `LocalOffer` | the peer answers, or its request fails | `Idle` |
//! | `RemoteOffer` | we answer, or refuse the request | `Idle` |

/// Whose answer is outstanding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OfferAnswerState {
    /// No offer is out.
    #[default]
    Idle,
    /// We offered; the peer owes an answer.
    LocalOffer,
    /// The peer offered; we owe an answer.
    RemoteOffer,
}

/// An offer or answer that does not belong here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OfferError {
    /// Our own offer is out: wait for its answer. A peer that offers now gets 491 (14.2).
    #[error("an offer of ours is still unanswered")]
    LocalOfferOut,
    /// The peer's offer waits for our answer: answer or refuse it first. A peer that offers again
    /// gets 500 with Retry-After (14.2).
    #[error("the peer's offer is still unanswered")]
    RemoteOfferOut,
    /// There is no offer that this could answer.
    #[error("there is no offer to answer")]
    NothingToAnswer,
    /// The answer differs from the preview that was sent in a provisional response; RFC 3261
    /// section 13.2.1 wants them the same.
    #[error("the answer differs from the one already sent in a provisional response")]
    AnswerDiffers,
    /// An answer is due in this message, and there is no body.
    #[error("the peer offered: a body with the answer is needed")]
    AnswerMissing,
    /// The INVITE had no offer, so this message must carry ours.
    #[error("the INVITE had no offer: a body with ours is needed")]
    OfferMissing,
}

impl OfferError {
    /// The status with which a peer's message that causes this is refused.
    pub fn status(self) -> u16 {
        match self {
            Self::LocalOfferOut => 491,
            Self::RemoteOfferOut => 500,
            _ => 400,
        }
    }
}

/// The timing of offers and answers in one dialog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferAnswer {
    state: OfferAnswerState,
    completed: u32,
}

impl OfferAnswer {
    /// Nothing offered yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whose turn it is.
    pub fn state(&self) -> OfferAnswerState {
        self.state
    }

    /// How many exchanges were completed; zero means that no session exists yet.
    pub fn completed(&self) -> u32 {
        self.completed
    }

    /// Whether an offer may be made now, by either side.
    pub fn may_offer(&self) -> Result<(), OfferError> {
        match self.state {
            OfferAnswerState::Idle => Ok(()),
            OfferAnswerState::LocalOffer => Err(OfferError::LocalOfferOut),
            OfferAnswerState::RemoteOffer => Err(OfferError::RemoteOfferOut),
        }
    }

    /// We send an offer.
    pub fn local_offer(&mut self) -> Result<(), OfferError> {
        self.may_offer()?;
        self.state = OfferAnswerState::LocalOffer;
        Ok(())
    }

    /// The peer's offer arrived.
    pub fn remote_offer(&mut self) -> Result<(), OfferError> {
        self.may_offer()?;
        self.state = OfferAnswerState::RemoteOffer;
        Ok(())
    }

    /// We send the answer.
    pub fn local_answer(&mut self) -> Result<(), OfferError> {
        self.complete(OfferAnswerState::RemoteOffer)
    }

    /// The peer's answer arrived.
    pub fn remote_answer(&mut self) -> Result<(), OfferError> {
        self.complete(OfferAnswerState::LocalOffer)
    }

    /// The request that carried the offer, or should have brought one, failed: the session stays
    /// as it was (14.1).
    pub fn abandon(&mut self) {
        self.state = OfferAnswerState::Idle;
    }

    fn complete(&mut self, wanted: OfferAnswerState) -> Result<(), OfferError> {
        if self.state != wanted {
            return Err(OfferError::NothingToAnswer);
        }
        self.state = OfferAnswerState::Idle;
        self.completed = self.completed.saturating_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_state_and_act() {
        use OfferAnswerState::*;
        use OfferError::*;
        let at = |state| OfferAnswer {
            state,
            completed: 0,
        };
        type Act = fn(&mut OfferAnswer) -> Result<(), OfferError>;
        let acts: [(&str, Act); 4] = [
            ("local offer", OfferAnswer::local_offer),
            ("remote offer", OfferAnswer::remote_offer),
            ("local answer", OfferAnswer::local_answer),
            ("remote answer", OfferAnswer::remote_answer),
        ];
        let rows = [
            (
                Idle,
                [
                    Ok(LocalOffer),
                    Ok(RemoteOffer),
                    Err(NothingToAnswer),
                    Err(NothingToAnswer),
                ],
            ),
            (
                LocalOffer,
                [
                    Err(LocalOfferOut),
                    Err(LocalOfferOut),
                    Err(NothingToAnswer),
                    Ok(Idle),
                ],
            ),
            (
                RemoteOffer,
                [
                    Err(RemoteOfferOut),
                    Err(RemoteOfferOut),
                    Ok(Idle),
                    Err(NothingToAnswer),
                ],
            ),
        ];
        for (before, wanted) in rows {
            for ((name, act), want) in acts.iter().zip(wanted) {
                let mut machine = at(before);
                let got = act(&mut machine).map(|()| machine.state());
                assert_eq!(got, want, "{name} in {before:?}");
                if want.is_err() {
                    assert_eq!(machine.state(), before, "a refused act changes nothing");
                }
            }
        }
        assert_eq!(LocalOfferOut.status(), 491);
        assert_eq!(RemoteOfferOut.status(), 500);
    }
}
