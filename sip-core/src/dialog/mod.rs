//! Dialogs: RFC 3261 sections 12 to 15.
//!
//! * [`Dialog`] is the state of section 12: tags, sequence numbers, route set, remote target, and
//!   what a request inside it looks like.
//! * [`OfferAnswer`] is the *timing* of offers and answers: whose turn it is.
//! * [`Effect`] is how far a failure reaches where a dialog has several usages (RFC 5057).
//! * [`Repeat`] is the rhythm of the 200 that its sender repeats until the ACK comes (13.3.1.4).
//!
//! None of them sends anything; the [`Endpoint`](crate::Endpoint) does.

mod offer_answer;
mod repeat;
mod state;
mod usage;

pub use offer_answer::{OfferAnswer, OfferAnswerState, OfferError};
pub(crate) use repeat::Due;
pub use repeat::Repeat;
pub use state::{Dialog, DialogError};
pub use usage::Effect;
