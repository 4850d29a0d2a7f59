//! What an endpoint remembers of one call.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::body::Body;
use super::cause::EndCause;
use super::command::Invite;
use super::flow::{Flow, Target};
use super::reliable::{Early, Sent};
use super::session::{Demand, Grant, Session};
use super::subscription::Sub;
use super::table::Key;
use super::wire;
use crate::auth::ClientAuth;
use crate::dialog::{Dialog, OfferAnswer, Repeat};
use crate::resolve::Resolution;
use crate::{HeaderName, Message};

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
    /// The way to addresses not tried yet.
    pub(crate) way: Option<Box<Resolution>>,
    /// What the last address said, while the next is looked for.
    pub(crate) last: Option<Box<(EndCause, Option<Message>)>>,
    pub(crate) client: Option<Key>,
    pub(crate) question: Option<Key>,
    pub(crate) seq: u32,
    pub(crate) rings_until: Option<Instant>,
    /// A provisional response came, so that CANCEL may go out (9.1).
    pub(crate) provisional: bool,
    pub(crate) cancelled: bool,
    /// Early dialogs with reliable responses.
    pub(crate) early: Vec<Early>,
    /// The preview of each branch: the first or the last, as the policy says.
    pub(crate) previews: Vec<(Box<str>, Body)>,
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
    /// The session timer that our 2xx will grant.
    pub(crate) grant: Option<Grant>,
    pub(crate) sent: Sent,
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
        /// Whether it carries an offer; an UPDATE that only refreshes does not.
        offer: bool,
        /// Whether a session timer sent it, not the application.
        refresh: bool,
        /// The early dialog that it is about, by the peer's tag; none once the call is answered.
        early: Option<Box<str>>,
    },
    /// After 491: nothing is out until then (14.1).
    Wait { until: Instant, reason: String },
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
    /// Whether our Contact must be a SIPS URI.
    pub(crate) sips: bool,
    /// Our whole Contact, where a registration made it.
    pub(crate) contact: Option<Box<str>>,
    pub(crate) auth: Option<Box<ClientAuth>>,
    pub(crate) outgoing: Option<Box<Outgoing>>,
    pub(crate) arrival: Option<Box<Arrival>>,
    pub(crate) success: Option<Box<Success>>,
    pub(crate) ack_due: Option<Box<AckDue>>,
    pub(crate) reinvite: Option<Box<Reinvite>>,
    /// The peer's UPDATE with an offer, until it is answered.
    pub(crate) update: Option<Box<Arrival>>,
    pub(crate) session: Option<Box<Session>>,
    pub(crate) demand: Demand,
    /// Whether the peer's Allow names UPDATE.
    pub(crate) peer_updates: bool,
    /// The last offer or answer that we sent, for a re-INVITE that only refreshes.
    pub(crate) sent_body: Option<Body>,
    /// The last one that the peer sent.
    got_body: Option<Bytes>,
    /// Early dialogs, one a branch; exactly one once answered.
    pub(crate) dialogs: Vec<Dialog>,
    pub(crate) offers: OfferAnswer,
    /// Subscriptions in the call's dialogs; with them a dialog outlives its call (RFC 5057).
    pub(crate) subs: Vec<Sub>,
    /// Whether the peer has sent a REFER before.
    pub(crate) referred: bool,
    /// The REFER for which we make this call.
    pub(crate) refer: Option<Key>,
    /// The call whose place this one takes when it is answered.
    pub(crate) replaces: Option<Key>,
    /// The call that a coupling has joined with this one.
    pub(crate) partner: Option<Key>,
    /// Info packages that the peer takes (RFC 6086).
    pub(crate) peer_packages: Vec<Box<str>>,
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
            sips: false,
            contact: None,
            auth: None,
            outgoing: None,
            arrival: None,
            success: None,
            ack_due: None,
            reinvite: None,
            update: None,
            session: None,
            demand: Demand::default(),
            peer_updates: false,
            sent_body: None,
            got_body: None,
            dialogs: Vec::new(),
            offers: OfferAnswer::new(),
            subs: Vec::new(),
            referred: false,
            refer: None,
            replaces: None,
            partner: None,
            peer_packages: Vec::new(),
            ending: None,
            bye_reason: None,
            armed: None,
        }
    }

    /// The earliest of everything that the call waits for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let subs = self.subs.iter().filter_map(Sub::deadline).min();
        if self.state == CallState::Ended {
            return subs;
        }
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
        let prack = self
            .arrival
            .as_ref()
            .and_then(|arrival| arrival.sent.deadline());
        let update = self.update.as_ref().map(|update| update.until);
        let session = self.session.as_ref().map(|session| session.deadline());
        let owed = self.outgoing.as_ref().and_then(|outgoing| {
            let waits = outgoing.early.iter().filter_map(Early::deadline);
            waits.min()
        });
        [
            rings, repeat, ack, glare, arrival, prack, update, session, owed, subs,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Notes what a message says about its sender.
    pub(crate) fn note_peer(&mut self, message: &Message) {
        if message.header(HeaderName::ALLOW).is_some() {
            self.peer_updates = wire::lists(message, HeaderName::ALLOW, "UPDATE");
        }
        if message.header(HeaderName::RECV_INFO).is_some() {
            // As many as anyone may sensibly take.
            self.peer_packages = message
                .values(HeaderName::RECV_INFO)
                .take(32)
                .map(|value| {
                    let value = String::from_utf8_lossy(value);
                    value.split(';').next().unwrap_or_default().trim().into()
                })
                .collect();
        }
    }

    /// Notes an offer or answer of the peer's.
    pub(crate) fn got(&mut self, body: Option<&Body>) {
        if let Some(body) = body {
            self.got_body = Some(body.bytes.clone());
        }
    }

    pub(crate) fn has_got(&self, body: &Body) -> bool {
        self.got_body.as_ref() == Some(&body.bytes)
    }

    /// Whether nobody answered the INVITE that makes the call.
    pub(crate) fn is_early(&self) -> bool {
        matches!(self.state, CallState::Calling | CallState::Incoming)
    }

    /// Whether the session may still be changed, now or a little later.
    pub(crate) fn is_going_on(&self) -> bool {
        self.is_early() || matches!(self.state, CallState::Accepted | CallState::Established)
    }

    /// Whether this transaction is the change of the session that is out.
    pub(crate) fn is_changing(&self, client: Key) -> bool {
        matches!(self.reinvite.as_deref(), Some(Reinvite::Out { client: out, .. }) if *out == client)
    }

    /// Which of the dialogs has this tag of the peer's.
    pub(crate) fn dialog_at(&self, tag: &str) -> Option<usize> {
        self.dialogs
            .iter()
            .position(|dialog| dialog.remote_tag() == tag)
    }

    /// The early dialog with this tag of the peer's, if it began with a reliable response.
    pub(crate) fn early(&mut self, tag: &str) -> Option<&mut Early> {
        let early = &mut self.outgoing.as_deref_mut()?.early;
        early.iter_mut().find(|early| early.is(tag))
    }

    /// Whose turn it is in the dialog with this tag of the peer's: each early one has its own.
    pub(crate) fn offers_in(&mut self, tag: &str) -> &mut OfferAnswer {
        let early = self.outgoing.as_deref_mut();
        let early = early.and_then(|outgoing| outgoing.early.iter_mut().find(|e| e.is(tag)));
        match early {
            Some(early) => &mut early.offers,
            None => &mut self.offers,
        }
    }
}
