//! What an endpoint tells its application.

use std::time::{Duration, Instant};

use super::body::Body;
use super::cause::EndCause;
use super::flow::{Flow, Target, Transport};
use super::subscription::{SubscriptionEnd, SubscriptionId, SubscriptionState};
use super::table::Key;
use crate::auth::Ha1;
use crate::header::NameAddr;
use crate::header::digest::HashAlgorithm;
use crate::registrar::{Aor, BindingEvent, Bindings};
use crate::registration::{RegistrationId, RegistrationState};
use crate::resolve::{DnsAnswer, DnsQuery};
use crate::{Message, Method, StatusCode};

/// One call of an endpoint: an INVITE, the dialogs it makes, and everything inside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub(crate) Key);

/// One request that the application sent outside any call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) Key);

/// One question of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(pub(crate) Key);

/// What happened. Messages inside are cheap to clone and keep every header as it came.
///
/// Retransmissions that a transaction absorbs make no event; who wants to see every message
/// (a ladder, a capture) looks at [`Input`](crate::Input) and [`Transmit`](crate::Transmit),
/// which pass through the caller's hands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Someone calls. QuestionAnswer with [`CallHandle::ring`](crate::CallHandle::ring),
    /// [`answer`](crate::CallHandle::answer) or [`reject`](crate::CallHandle::reject).
    Incoming {
        /// The new call.
        call: CallId,
        /// Where it came from.
        flow: Flow,
        /// The user that digest authentication proved, if the endpoint asks for it.
        user: Option<String>,
        /// The offer; `None` when the caller wants ours in the answer.
        offer: Option<Body>,
        /// The call whose place this one takes when it is answered (RFC 3891); that one then ends
        /// with [`EndKind::Replaced`](crate::EndKind::Replaced).
        replaces: Option<CallId>,
        /// The INVITE.
        request: Message,
    },
    /// A provisional response to our INVITE, 101 to 199.
    Progress {
        /// The call.
        call: CallId,
        /// 180, 183, …
        status: StatusCode,
        /// The peer's reason phrase.
        reason: String,
        /// The branch that sent it (its To tag), when the INVITE was forked; empty when the
        /// response makes no dialog.
        branch: String,
        /// A preview of the answer, for early media. It binds nobody until the 200, unless
        /// `reliable`. When our INVITE had no offer: the peer's, which
        /// [`CallHandle::prack`](crate::CallHandle::prack) answers, if `reliable`.
        preview: Option<Body>,
        /// Whether the response came reliably (RFC 3262): then the first preview of the branch is
        /// the answer, and there is no further one.
        reliable: bool,
        /// The response.
        response: Message,
    },
    /// The peer refused what we offered, and the next of [`Invite::alternatives`](crate::Invite::alternatives) is offered
    /// instead, in the same call. What progress told before is void.
    OfferedAgain {
        /// The call.
        call: CallId,
        /// The status: 406, 415, 488 or 606.
        status: StatusCode,
        /// The peer's reason phrase.
        reason: String,
        /// The response; its Warning may say more.
        response: Message,
    },
    /// Our INVITE was answered with 2xx.
    Answered {
        /// The call.
        call: CallId,
        /// The peer's answer; or its offer if our INVITE had none, and then
        /// [`CallHandle::accept`](crate::CallHandle::accept) sends our answer in the ACK. None when
        /// PRACK or UPDATE agreed on another session before.
        body: Option<Body>,
        /// The response.
        response: Message,
    },
    /// The ACK to our 200 came: the call, or a re-INVITE of the peer's, is confirmed.
    Confirmed {
        /// The call.
        call: CallId,
        /// The peer's answer, if our 200 carried the offer.
        answer: Option<Body>,
        /// The ACK.
        request: Message,
    },
    /// The peer offers a change of the session. QuestionAnswer with
    /// [`CallHandle::accept`](crate::CallHandle::accept) or
    /// [`refuse`](crate::CallHandle::refuse).
    Offered {
        /// The call.
        call: CallId,
        /// The offer; `None` when the peer asks for ours, which `accept` then carries.
        offer: Option<Body>,
        /// The re-INVITE, UPDATE or PRACK.
        request: Message,
    },
    /// The PRACK of the reliable response that bore our offer brought the answer (RFC 3262 section
    /// 5): the session is agreed on before the call is answered.
    EarlyAnswer {
        /// The call.
        call: CallId,
        /// The peer's answer.
        answer: Body,
        /// The PRACK.
        request: Message,
    },
    /// What [`Event::Offered`] brought needs no answer any more: the peer took it back with CANCEL,
    /// or the application took longer than [`Config::answer_within`](crate::Config::answer_within).
    OfferWithdrawn {
        /// The call.
        call: CallId,
    },
    /// Our re-INVITE or UPDATE was answered, or the offer in our PRACK.
    ReinviteAnswered {
        /// The call.
        call: CallId,
        /// The peer's answer.
        answer: Option<Body>,
        /// The response.
        response: Message,
    },
    /// Our re-INVITE, UPDATE or offer in a PRACK failed; the session stays as it was (14.1). After 491 this comes when the
    /// wait of section 14.1 is over, so that the application can offer again at once.
    ReinviteFailed {
        /// The call.
        call: CallId,
        /// The status; 408 when nothing answered.
        status: StatusCode,
        /// The peer's reason phrase.
        reason: String,
    },
    /// An INFO came and was answered with 200 (RFC 6086; DTMF relays).
    Info {
        /// The call.
        call: CallId,
        /// Its Info package, one of [`Config::info_packages`](crate::Config::info_packages); none
        /// in an INFO of the old kind.
        package: Option<String>,
        /// What it carried.
        body: Option<Body>,
        /// The request.
        request: Message,
    },
    /// Someone asks to hear of an event. Answer with
    /// [`SubscriptionHandle::accept`](crate::SubscriptionHandle::accept) or
    /// [`reject`](crate::SubscriptionHandle::reject) within half of timer F; then the endpoint
    /// answers 503.
    SubscribeRequested {
        /// The new subscription.
        subscription: SubscriptionId,
        /// The call in whose dialog it stands, if any.
        call: Option<CallId>,
        /// The user that digest authentication proved, outside a call.
        user: Option<String>,
        /// The event package, one of [`Subscriptions::packages`](crate::Subscriptions::packages).
        package: String,
        /// How long; zero for the state once.
        expires: Duration,
        /// The SUBSCRIBE.
        request: Message,
    },
    /// Someone asks us to call somebody else. Carry it out with
    /// [`Endpoint::follow`](crate::Endpoint::follow) and
    /// [`Invite::referred`](crate::Invite::referred), or answer like a subscription.
    ReferRequested {
        /// The subscription by which the transferor hears what becomes of it.
        subscription: SubscriptionId,
        /// The call that is to be transferred, if any.
        call: Option<CallId>,
        /// The user that digest authentication proved, outside a call.
        user: Option<String>,
        /// Whom to call (Refer-To).
        to: NameAddr,
        /// On whose behalf (Referred-By, RFC 3892), as claimed.
        referred_by: Option<String>,
        /// The REFER.
        request: Message,
    },
    /// Our SUBSCRIBE or REFER was accepted; the state follows as [`Event::Notified`].
    Subscribed {
        /// The subscription.
        subscription: SubscriptionId,
        /// The call in whose dialog it stands, if any.
        call: Option<CallId>,
        /// How long it was granted.
        expires: Duration,
        /// The response.
        response: Message,
    },
    /// Another branch of a forked SUBSCRIBE notifies too: one more subscription (RFC 6665 section
    /// 4.1.2.4).
    SubscriptionForked {
        /// The new subscription.
        subscription: SubscriptionId,
        /// The one that was asked for.
        of: SubscriptionId,
    },
    /// A NOTIFY came and was answered with 200. That of a transfer bears a
    /// [`Body::sipfrag_status`].
    Notified {
        /// The subscription.
        subscription: SubscriptionId,
        /// The call in whose dialog it stands, if any.
        call: Option<CallId>,
        /// Pending, active, or ending.
        state: SubscriptionState,
        /// The state of what was subscribed to.
        body: Option<Body>,
        /// The request.
        request: Message,
    },
    /// The subscription is over; its id finds nothing from now on.
    SubscriptionEnded {
        /// The subscription.
        subscription: SubscriptionId,
        /// The call in whose dialog it stands, if any.
        call: Option<CallId>,
        /// By whom and why.
        end: SubscriptionEnd,
    },
    /// A request of ours inside the call (INFO) was answered; failures of the call itself come as
    /// [`Event::Ended`].
    RequestAnswered {
        /// The call.
        call: CallId,
        /// Its method.
        method: Method,
        /// The final status; 408 when nothing answered.
        status: StatusCode,
        /// The response, unless nothing answered.
        response: Option<Message>,
    },
    /// The call is over; its id finds nothing from now on.
    Ended {
        /// The call.
        call: CallId,
        /// By whom and why.
        cause: EndCause,
        /// The message that ended it, if one did.
        message: Option<Message>,
    },
    /// A request outside any call ([`Endpoint::options`](crate::Endpoint::options)) was answered
    /// or failed.
    Replied {
        /// The request.
        request: RequestId,
        /// The final response, or why there is none.
        result: Result<Message, EndCause>,
    },
    /// A question; see [`Endpoint::answer_question`](crate::Endpoint::answer_question).
    Ask {
        /// Which one.
        id: QuestionId,
        /// What is asked.
        question: Question,
        /// When the default answer is taken.
        deadline: Instant,
    },
    /// The last call is over after [`Endpoint::drain`](crate::Endpoint::drain): the program can stop.
    Drained,
    /// What became of a registration of ours, or of one of its flows.
    Registration {
        /// The registration.
        registration: RegistrationId,
        /// Which of its flows, from 0; `reg-id` is one more.
        flow: usize,
        /// What became of it.
        state: RegistrationState,
    },
    /// A binding of the registrar's changed ([`Config::registrar`](crate::Config::registrar)). Those that the
    /// application keeps expire when it says so, and are told of with the next REGISTER.
    Binding {
        /// The address-of-record.
        aor: Aor,
        /// The binding and what became of it.
        event: Box<BindingEvent>,
    },
    /// Close this connection: what came over it cannot be framed, or the table is full.
    Close {
        /// The connection.
        flow: Flow,
    },
}

/// What an endpoint cannot know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Question {
    /// A step on the way to the addresses of a host (RFC 3263 section 4); see
    /// [`resolve`](crate::resolve). Answer with the records of `query`
    /// ([`QuestionAnswer::Dns`]), and the endpoint walks on; or with
    /// [`QuestionAnswer::Targets`], best first, which ends the walk: the simple answer of whoever
    /// knows better. Default: nothing more is asked, and without an address the call ends with
    /// [`EndKind::Unresolved`](crate::EndKind::Unresolved).
    Resolve {
        /// A host name; address literals are not asked for.
        host: String,
        /// The port that the URI names.
        port: Option<u16>,
        /// The transport that the URI names; TLS where `sips:` makes that of TCP.
        transport: Option<Transport>,
        /// Whether TLS is required (`sips:`).
        secure: bool,
        /// What to ask the DNS.
        query: DnsQuery,
    },
    /// What to answer to a request of one of [`Config::methods`](crate::Config::methods). Answer
    /// with [`QuestionAnswer::Respond`]. Default: 500.
    Request {
        /// The call that it belongs to, if any.
        call: Option<CallId>,
        /// The request.
        request: Message,
    },
    /// The HA1 of a user who wants to call us (RFC 3261 section 22). QuestionAnswer with
    /// [`QuestionAnswer::Ha1`]. Default: unknown user, answered like a wrong password.
    Credential {
        /// The user name as claimed.
        user: String,
        /// The realm; the endpoint's own.
        realm: String,
        /// The hash that the HA1 must be made with.
        hash: HashAlgorithm,
    },
    /// What an address-of-record is bound to. Answer with [`QuestionAnswer::Bindings`]. Default: the REGISTER gets
    /// 503 with Retry-After.
    Load {
        /// The address-of-record.
        aor: Aor,
    },
    /// Keep these bindings instead of those of the expected version. Answer with [`QuestionAnswer::Stored`]; or, when
    /// the version is another by now, with [`QuestionAnswer::Bindings`]: the REGISTER is applied to those then.
    /// Default: the REGISTER gets 503 with Retry-After.
    Store {
        /// The address-of-record.
        aor: Aor,
        /// All of its bindings; none are left when this is empty.
        bindings: Bindings,
        /// The version that [`QuestionAnswer::Bindings`] told.
        expected_version: u64,
    },
}

/// The answer to a [`Question`].
#[derive(Debug)]
#[non_exhaustive]
pub enum QuestionAnswer {
    /// To [`Question::Resolve`]: what the DNS said.
    Dns(DnsAnswer),
    /// To [`Question::Resolve`]: where to go, best first, whatever the DNS says.
    Targets(Vec<Target>),
    /// To [`Question::Credential`]; `None` for an unknown user.
    Ha1(Option<Ha1>),
    /// To [`Question::Load`], and to [`Question::Store`] when something else was stored meanwhile.
    Bindings {
        /// The bindings.
        bindings: Bindings,
        /// Their version, a number that changes whenever they do; 0 where nothing was ever stored.
        version: u64,
    },
    /// To [`Question::Store`]: done.
    Stored,
    /// To [`Question::Request`].
    Respond {
        /// A final status.
        status: StatusCode,
        /// Further headers.
        headers: Vec<(String, String)>,
        /// A body.
        body: Option<Body>,
    },
}
