//! Commands to one call.

use std::time::Instant;

use super::body::Body;
use super::call::{Call, CallState};
use super::cause::{EndCause, EndKind, EndedBy};
use super::command::CommandError;
use super::event::CallId;
use super::refer::escape;
use super::subscription::{Refer, SubscriptionId};
use super::{Endpoint, wire};
use crate::dialog::OfferAnswerState;
use crate::header::NameAddr;
use crate::{BuildError, HeaderName, Method, StatusCode, Uri};

/// One call of an endpoint, for as long as it is borrowed; see [`Endpoint::call`].
///
/// Every command takes `now`, puts what it sends into the outbox (drain it afterwards), and
/// changes nothing when it fails.
#[derive(Debug)]
pub struct CallHandle<'e> {
    endpoint: &'e mut Endpoint,
    id: CallId,
}

impl<'e> CallHandle<'e> {
    pub(crate) fn new(endpoint: &'e mut Endpoint, id: CallId) -> Self {
        Self { endpoint, id }
    }

    fn get(&self) -> Option<&Call> {
        self.endpoint.calls.get(self.id.0)
    }

    /// The id.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// Where the call stands.
    pub fn state(&self) -> CallState {
        self.get().map_or(CallState::Ended, |call| call.state)
    }

    /// The Call-ID header's value, by which a capture and the peer's log name this call.
    pub fn call_id(&self) -> &str {
        self.get().map_or("", |call| &call.call_id)
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        self.get().map_or("", |call| &call.local_tag)
    }

    /// The peer's tag, once a dialog exists.
    pub fn remote_tag(&self) -> Option<&str> {
        self.get()?
            .dialogs
            .first()
            .map(|dialog| dialog.remote_tag())
    }

    /// Whether we made the call.
    pub fn is_caller(&self) -> bool {
        self.get().is_some_and(|call| call.caller)
    }

    /// Whose turn it is to offer or answer.
    pub fn offer_state(&self) -> OfferAnswerState {
        self.get()
            .map_or(OfferAnswerState::Idle, |call| call.offers.state())
    }

    fn command<R>(
        self,
        now: Instant,
        f: impl FnOnce(&mut Endpoint, Instant, &mut Call) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        let now = self.endpoint.advance(now);
        if !self.endpoint.out.has_room() {
            return Err(CommandError::Full("outbox"));
        }
        self.endpoint
            .with_call(self.id.0, |endpoint, call| f(endpoint, now, call))
            .unwrap_or(Err(CommandError::Gone(super::Gone)))
    }

    /// Sends a provisional response to an incoming call: 180, or 183 with early media in `body`.
    ///
    /// The body is a preview of the answer: [`answer`](Self::answer) must send the same bytes, and
    /// does so by itself when given none.
    pub fn ring(
        self,
        now: Instant,
        status: StatusCode,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        if !status.is_provisional() || status.code() == 100 {
            return Err(CommandError::Status(status.code()));
        }
        self.command(now, |endpoint, now, call| {
            endpoint.ring(now, call, status, body)
        })
    }

    /// Answers an incoming call with 200. `body` is the answer to the caller's offer, or our offer
    /// when it had none; `None` repeats the body that [`ring`](Self::ring) sent.
    pub fn answer(self, now: Instant, body: Option<Body>) -> Result<(), CommandError> {
        self.command(now, |endpoint, now, call| match call.state {
            CallState::Incoming => endpoint.accept_invite(now, call, body),
            _ => Err(CommandError::State(
                "an incoming call that is not answered yet",
            )),
        })
    }

    /// Refuses an incoming call with a status of 300 to 699 and, if given, a reason phrase of
    /// one's own. The call ends.
    pub fn reject(
        self,
        now: Instant,
        status: StatusCode,
        phrase: Option<&str>,
    ) -> Result<(), CommandError> {
        if status.code() < 300 {
            return Err(CommandError::Status(status.code()));
        }
        self.command(now, |endpoint, now, call| {
            if call.state != CallState::Incoming {
                return Err(CommandError::State(
                    "an incoming call that is not answered yet",
                ));
            }
            endpoint.refuse_invite(now, call, status, phrase)?;
            let cause = EndCause::new(EndedBy::Local, EndKind::Rejected)
                .with_status(status, phrase.unwrap_or(status.reason()));
            endpoint.end(call, cause, None);
            Ok(())
        })
    }

    /// Sends an incoming call elsewhere: 302 with these addresses, best first (RFC 3261 section
    /// 21.3.3). The call ends; whether the caller tries them is its own business.
    pub fn redirect(self, now: Instant, to: &[NameAddr]) -> Result<(), CommandError> {
        if to.is_empty() {
            return Err(CommandError::State("an address to go to"));
        }
        let to: Vec<String> = to.iter().map(|to| to.without_tag().to_string()).collect();
        self.command(now, |endpoint, now, call| {
            if call.state != CallState::Incoming {
                return Err(CommandError::State(
                    "an incoming call that is not answered yet",
                ));
            }
            let status = StatusCode::MOVED_TEMPORARILY;
            let to = Some(to.join(", "));
            endpoint.refuse_invite_with(now, call, status, None, to.as_deref())?;
            let cause = EndCause::new(EndedBy::Local, EndKind::Rejected)
                .with_status(status, status.reason());
            endpoint.end(call, cause, None);
            Ok(())
        })
    }

    /// Offers a change of the session: hold, resume, another codec or address (section 14).
    pub fn reinvite(self, now: Instant, offer: Body) -> Result<(), CommandError> {
        self.command(now, |endpoint, now, call| {
            endpoint.start_reinvite(now, call, offer)
        })
    }

    /// Offers a change by UPDATE (RFC 3311), which asks nobody's user and needs no ACK; answered
    /// like a re-INVITE. Refused when the peer's Allow does not name UPDATE.
    ///
    /// Before the call is answered it may go out once a reliable response and its PRACK have agreed
    /// on a session (section 5.1); a 200 that we owe waits for it then. Of several early dialogs
    /// [`update_branch`](Self::update_branch) names one.
    pub fn update(self, now: Instant, offer: Body) -> Result<(), CommandError> {
        self.command(now, |endpoint, now, call| {
            endpoint.start_update(now, call, None, offer)
        })
    }

    /// The same in the early dialog that [`Event::Progress`](crate::Event::Progress) names.
    pub fn update_branch(
        self,
        now: Instant,
        branch: &str,
        offer: Body,
    ) -> Result<(), CommandError> {
        self.command(now, |endpoint, now, call| {
            endpoint.start_update(now, call, Some(branch), offer)
        })
    }

    /// Acknowledges the reliable response of a branch (RFC 3262), for an INVITE with
    /// [`early_offers`](crate::Invite::early_offers). `body` is the answer to the offer that the
    /// response brought to an INVITE without one; otherwise, if any, a new offer, answered by
    /// [`Event::ReinviteAnswered`](crate::Event::ReinviteAnswered).
    ///
    /// After half of timer H the endpoint sends PRACK without a body, or ends the call when an
    /// answer was due.
    pub fn prack(self, now: Instant, branch: &str, body: Option<Body>) -> Result<(), CommandError> {
        self.command(now, |endpoint, now, call| {
            endpoint.prack(now, call, branch, body)
        })
    }

    /// Answers what [`Event::Offered`](crate::Event::Offered) brought, or the offer in the 200 of
    /// an INVITE that had none.
    pub fn accept(self, now: Instant, body: Body) -> Result<(), CommandError> {
        self.command(now, |endpoint, now, call| {
            if call.ack_due.is_some() {
                return endpoint.send_due_ack(now, call, Some(body));
            }
            if call.update.is_some() {
                return endpoint.accept_update(now, call, body);
            }
            match call.state {
                CallState::Established | CallState::Accepted if call.arrival.is_some() => {
                    endpoint.accept_invite(now, call, Some(body))
                }
                _ => Err(CommandError::State("an offer of the peer's")),
            }
        })
    }

    /// Refuses what [`Event::Offered`](crate::Event::Offered) brought, 488 for instance; the
    /// session stays as it was.
    pub fn refuse(self, now: Instant, status: StatusCode) -> Result<(), CommandError> {
        if status.code() < 300 {
            return Err(CommandError::Status(status.code()));
        }
        self.command(now, |endpoint, now, call| match call.state {
            _ if call.update.is_some() => endpoint.refuse_update(now, call, status),
            CallState::Established | CallState::Accepted if call.arrival.is_some() => {
                endpoint.refuse_invite(now, call, status, None)
            }
            _ => Err(CommandError::State("an offer of the peer's")),
        })
    }

    /// Sends an INFO with a body, for DTMF relays for instance; answered by
    /// [`Event::RequestAnswered`](crate::Event::RequestAnswered).
    pub fn info(self, now: Instant, body: Body) -> Result<(), CommandError> {
        self.command(now, |endpoint, now, call| {
            endpoint.send_info(now, call, None, Some(body))
        })
    }

    /// Whether the peer takes INFO of this package: whether its last Recv-Info names it (RFC 6086).
    pub fn takes_info_package(&self, package: &str) -> bool {
        self.get().is_some_and(|call| {
            let mut taken = call.peer_packages.iter();
            taken.any(|taken| taken.eq_ignore_ascii_case(package))
        })
    }

    /// Sends an INFO of a package that the peer's Recv-Info names (RFC 6086).
    pub fn info_package(
        self,
        now: Instant,
        package: &str,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        self.command(now, |endpoint, now, call| {
            endpoint.send_info(now, call, Some(package), body)
        })
    }

    /// Asks the peer to call somebody else (RFC 3515). What becomes of it comes as
    /// [`Event::Notified`](crate::Event::Notified); this call goes on until somebody hangs up.
    pub fn refer(self, now: Instant, refer: Refer) -> Result<SubscriptionId, CommandError> {
        self.command(now, |endpoint, now, call| {
            endpoint.send_refer(now, call, &refer)
        })
    }

    /// Asks this call's peer to take our place in `other` (RFC 5589 section 7.3): a REFER to the
    /// other peer's Contact with a Replaces of that call's dialog.
    pub fn transfer_to(self, now: Instant, other: CallId) -> Result<SubscriptionId, CommandError> {
        let refer = self.endpoint.call(other)?.as_replaced()?;
        self.refer(now, refer)
    }

    /// The transfer that makes somebody take our place in this call.
    pub fn as_replaced(&self) -> Result<Refer, CommandError> {
        const NO: CommandError = CommandError::State("an answered call");
        let call = self
            .get()
            .filter(|call| matches!(call.state, CallState::Established | CallState::Accepted))
            .ok_or(NO)?;
        let dialog = call.dialogs.first().ok_or(NO)?;
        // The tags are named from where the INVITE will arrive (RFC 3891 section 4).
        let replaces = format!(
            "{};to-tag={};from-tag={}",
            dialog.call_id(),
            dialog.remote_tag(),
            dialog.local_tag()
        );
        let target = dialog.target().as_str();
        let target = target.split_once('?').map_or(target, |(plain, _)| plain);
        let uri = format!("{target}?Replaces={}", escape(&replaces));
        Ok(Refer::new(Uri::parse(uri).map_err(BuildError::Uri)?))
    }

    /// Sends a request of a method that the endpoint does not use by itself (MESSAGE, an
    /// extension, NOTIFY without a subscription) in the call's dialog; answered by
    /// [`Event::RequestAnswered`](crate::Event::RequestAnswered).
    pub fn request(
        self,
        now: Instant,
        method: Method,
        headers: &[(String, String)],
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        use Method::{Ack, Bye, Cancel, Invite, Prack, Refer, Subscribe, Update};
        if matches!(
            method,
            Ack | Bye | Cancel | Invite | Prack | Refer | Subscribe | Update
        ) {
            return Err(CommandError::State(
                "a method that the endpoint does not use by itself",
            ));
        }
        super::outgoing::check_headers(headers)?;
        self.command(now, |endpoint, now, call| {
            if !matches!(call.state, CallState::Established | CallState::Accepted) {
                return Err(CommandError::State("an answered call"));
            }
            // RFC 3428 section 4 and RFC 6086 section 4.2.1: these two move no target.
            let contact = (!matches!(method, Method::Message | Method::Info))
                .then(|| endpoint.local_contact(call));
            endpoint.send_inside(now, call, method, |mut builder| {
                if let Some(contact) = contact {
                    builder = builder.header(HeaderName::CONTACT, contact);
                }
                for (name, value) in headers {
                    builder = builder.header(name, value);
                }
                match &body {
                    Some(body) => wire::with_body(builder, body),
                    None => builder,
                }
            })
        })
    }

    /// Ends the call with what fits its state: CANCEL before the answer, BYE after it, 603 to a
    /// call that comes in. [`Event::Ended`](crate::Event::Ended) follows when the peer has answered
    /// that, or has not in time; stop the media now.
    pub fn hang_up(self, now: Instant) -> Result<(), CommandError> {
        self.command(now, |endpoint, now, call| {
            let cause = EndCause::new(EndedBy::Local, EndKind::HungUp);
            endpoint.leave(now, call, cause, None)
        })
    }

    /// Like [`hang_up`](Self::hang_up), with a Reason header (RFC 3326) such as
    /// `Q.850;cause=16;text="Normal call clearing"`.
    pub fn hang_up_because(self, now: Instant, reason: &str) -> Result<(), CommandError> {
        if reason.contains(['\r', '\n', '\0']) {
            return Err(BuildError::Injection(HeaderName::REASON.to_string()).into());
        }
        self.command(now, |endpoint, now, call| {
            let cause = EndCause::new(EndedBy::Local, EndKind::HungUp).with_reason(Some(reason));
            endpoint.leave(now, call, cause, Some(reason.to_owned()))
        })
    }
}
