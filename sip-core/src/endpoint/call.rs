//! What an endpoint remembers of one call.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::body::Body;
use super::cause::EndCause;
use super::command::Invite;
use super::flow::{Flow, Target};
use super::table::Key;
use crate::Message;
use crate::auth::ClientAuth;
use crate::dialog::{Dialog, OfferAnswer, Repeat};

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallState {
    /// We call: looking for an address.
    Resolving,
    /// We call: the INVITE is out.
    Calling,
    /// We called and gave up before an answer; waiting for the INVITE's end.
    Cancelling,
    /// We are called and have not answered.
    Incoming,
    /// We answered; the ACK has not come.
    Accepted,
    /// Answered and acknowledged.
    Established,
    /// We hung up; BYE is out, or waits for the ACK of our answer.
    Leaving,
    /// Over.
    Ended,
}

/// Our INVITE until it is answered.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) invite: Invite,
    /// Addresses not tried yet.
    pub(crate) targets: VecDeque<Target>,
    pub(crate) client: Option<Key>,
    pub(crate) question: Option<Key>,
    pub(crate) seq: u32,
    pub(crate) rings_until: Option<Instant>,
    /// A provisional response came, so that CANCEL may go out (9.1).
    pub(crate) provisional: bool,
    pub(crate) cancelled: bool,
    pub(crate) reason: Option<String>,
}

/// An INVITE of the peer's until it is answered.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) server: Key,
    pub(crate) request: Message,
    /// What went out in a provisional response; the answer must be the same.
    pub(crate) preview: Option<Body>,
    /// When the application has waited too long.
    pub(crate) until: Instant,
    /// When the last provisional response is repeated.
    pub(crate) again: Option<Instant>,
}

/// Our 2xx until its ACK.
#[derive(Debug)]
pub(crate) struct Success {
    pub(crate) seq: u32,
    pub(crate) bytes: Bytes,
    pub(crate) to: Target,
    pub(crate) repeat: Repeat,
}

/// Our re-INVITE.
#[derive(Debug)]
pub(crate) enum Reinvite {
    Out {
        client: Key,
        seq: u32,
    },
    /// After 491: nothing is out until then (14.1).
    Wait {
        until: Instant,
        reason: String,
    },
}

/// The ACK with our answer that the application still owes after an INVITE without an offer.
#[derive(Debug)]
pub(crate) struct AckDue {
    pub(crate) client: Key,
    pub(crate) seq: u32,
    pub(crate) until: Instant,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) key: Option<Key>,
    pub(crate) state: CallState,
    /// Whether we sent the INVITE that made the call; the owner of the Call-ID waits longer
    /// after glare (14.1).
    pub(crate) caller: bool,
    pub(crate) call_id: Arc<str>,
    pub(crate) local_tag: Arc<str>,
    /// The path of the peer's last message.
    pub(crate) flow: Option<Flow>,
    /// Where our INVITE went.
    pub(crate) target: Option<Target>,
    pub(crate) host: String,
    pub(crate) contact_user: String,
    pub(crate) auth: Option<Box<ClientAuth>>,
    pub(crate) outgoing: Option<Box<Outgoing>>,
    pub(crate) arrival: Option<Box<Arrival>>,
    pub(crate) success: Option<Box<Success>>,
    pub(crate) ack_due: Option<Box<AckDue>>,
    pub(crate) reinvite: Option<Box<Reinvite>>,
    /// Early dialogs, one a branch; exactly one once answered.
    pub(crate) dialogs: Vec<Dialog>,
    pub(crate) offers: OfferAnswer,
    /// Why we are leaving.
    pub(crate) ending: Option<Box<EndCause>>,
    pub(crate) bye_reason: Option<String>,
    pub(crate) armed: Option<Instant>,
}

impl Call {
    pub(crate) fn new(caller: bool, call_id: Arc<str>, local_tag: Arc<str>) -> Self {
        Self {
            key: None,
            state: if caller {
                CallState::Calling
            } else {
                CallState::Incoming
            },
            caller,
            call_id,
            local_tag,
            flow: None,
            target: None,
            host: String::new(),
            contact_user: String::new(),
            auth: None,
            outgoing: None,
            arrival: None,
            success: None,
            ack_due: None,
            reinvite: None,
            dialogs: Vec::new(),
            offers: OfferAnswer::new(),
            ending: None,
            bye_reason: None,
            armed: None,
        }
    }

    /// The earliest of everything that the call waits for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let rings = self
            .outgoing
            .as_ref()
            .and_then(|outgoing| outgoing.rings_until);
        let repeat = self
            .success
            .as_ref()
            .map(|success| success.repeat.deadline());
        let ack = self.ack_due.as_ref().map(|due| due.until);
        let glare = match self.reinvite.as_deref() {
            Some(Reinvite::Wait { until, .. }) => Some(*until),
            _ => None,
        };
        let arrival = self.arrival.as_ref().map(|arrival| match arrival.again {
            Some(again) => again.min(arrival.until),
            None => arrival.until,
        });
        [rings, repeat, ack, glare, arrival]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn dialog(&mut self) -> Option<&mut Dialog> {
        self.dialogs.first_mut()
    }
}
