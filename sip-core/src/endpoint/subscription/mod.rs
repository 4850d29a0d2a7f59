//! Subscriptions in both roles (RFC 6665), REFER's among them (RFC 3515).
//!
//! A subscription is a usage of a dialog. It stands beside a call in the call's dialog, or alone
//! in one of its own, and outlives the call whose dialog it shares (RFC 5057).
//!
//! | role | begins with | kept alive by | ends with |
//! |---|---|---|---|
//! | subscriber | [`Endpoint::subscribe`], [`CallHandle::refer`](crate::CallHandle::refer) | SUBSCRIBE before the end | NOTIFY `terminated`, a refusal, silence |
//! | notifier | [`Event::SubscribeRequested`], [`Event::ReferRequested`] | the peer's SUBSCRIBE | [`SubscriptionHandle::terminate`], expiry, 481 to a NOTIFY |
//!
//! One NOTIFY of a subscription is out at a time, so that the network cannot turn their order
//! round; what changes meanwhile goes out when it is answered, the latest state only.
//!
//! Left out: throttling (RFC 6446), and conditional notification (RFC 5839).

mod begin;
mod command;
mod handle;
mod notifier;
mod subscriber;

use std::time::{Duration, Instant};

pub use command::{Refer, Subscribe};
pub use handle::SubscriptionHandle;

use super::body::Body;
use super::call::Call;
use super::cause::EndCause;
use super::event::{CallId, Event};
use super::table::Key;
use super::{Endpoint, Gone};
use crate::header::SubscriptionState as StateHeader;
use crate::{HeaderName, Message, StatusCode, header};

/// One subscription of an endpoint, in either role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(pub(crate) Key);

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubscriptionState {
    /// The peer asks; the application has not decided.
    Asked,
    /// We asked, and no NOTIFY has come.
    Subscribing,
    /// Accepted, but nobody has allowed it yet: NOTIFY bears no state (RFC 6665 section 4.1.2.2).
    Pending,
    /// NOTIFY bears state.
    Active,
    /// The end was asked for or told, and is not confirmed.
    Ending,
}

/// Why a notifier ended a subscription: RFC 6665 section 4.1.3.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Terminated {
    /// Subscribe again at once, perhaps elsewhere.
    Deactivated,
    /// Subscribe again later.
    Probation(Option<Duration>),
    /// Nobody may see this; never again.
    Rejected,
    /// It ran out; subscribe again at once.
    Timeout,
    /// Nobody allowed it in time; subscribe again later.
    GiveUp(Option<Duration>),
    /// What was watched is gone; never again.
    NoResource,
    /// What was watched will not change any more; never again.
    Invariant,
    /// Another reason, or none; subscribe again at once.
    Other(String),
}

/// Whether to subscribe again after a [`Terminated`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resubscribe {
    /// At once.
    Now,
    /// After this long, or when the application likes.
    Later(Option<Duration>),
    /// Not at all.
    Never,
}

impl Terminated {
    /// What RFC 6665 section 4.1.3 says of subscribing again.
    pub fn resubscribe(&self) -> Resubscribe {
        match self {
            Self::Deactivated | Self::Timeout | Self::Other(_) => Resubscribe::Now,
            Self::Probation(after) | Self::GiveUp(after) => Resubscribe::Later(*after),
            Self::Rejected | Self::NoResource | Self::Invariant => Resubscribe::Never,
        }
    }

    fn read(state: &StateHeader<'_>) -> Self {
        let after = state
            .retry_after()
            .map(|seconds| Duration::from_secs(seconds.into()));
        let reason = state.reason().unwrap_or_default().to_ascii_lowercase();
        match reason.as_str() {
            "deactivated" => Self::Deactivated,
            "probation" => Self::Probation(after),
            "rejected" => Self::Rejected,
            "timeout" => Self::Timeout,
            "giveup" => Self::GiveUp(after),
            "noresource" => Self::NoResource,
            "invariant" => Self::Invariant,
            _ => Self::Other(reason),
        }
    }

    /// The value of Subscription-State.
    fn write(&self) -> String {
        let (reason, after) = match self {
            Self::Deactivated => ("deactivated", None),
            Self::Probation(after) => ("probation", *after),
            Self::Rejected => ("rejected", None),
            Self::Timeout => ("timeout", None),
            Self::GiveUp(after) => ("giveup", *after),
            Self::NoResource => ("noresource", None),
            Self::Invariant => ("invariant", None),
            Self::Other(_) => return "terminated".to_owned(),
        };
        match after {
            Some(after) => format!("terminated;reason={reason};retry-after={}", after.as_secs()),
            None => format!("terminated;reason={reason}"),
        }
    }
}

/// Why a subscription is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionEnd {
    /// The notifier said so.
    Terminated(Terminated),
    /// We are the notifier and said so.
    Told(Terminated),
    /// The subscriber wanted no more.
    Unsubscribed,
    /// Nobody refreshed it in time.
    Expired,
    /// Our SUBSCRIBE or REFER was refused, or our NOTIFY, by a peer that does not know it any more;
    /// or we refused the peer's.
    Refused(StatusCode),
    /// The peer accepted a REFER and will not report on it (RFC 4488).
    Unreported,
    /// Accepted, but no NOTIFY came within timer N, 64 × T1.
    Silent,
    /// Nothing answered, or the network failed.
    Failed(EndCause),
}

/// What the endpoint decides by itself about subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscriptions {
    /// Event packages that the application notifies of; a SUBSCRIBE to another gets 489, and
    /// without any, 405. None by default.
    pub packages: Vec<String>,
    /// The shortest interval; less gets 423 (RFC 6665 section 4.2.1.1). Default 60 s.
    pub min: Duration,
    /// The interval of a SUBSCRIBE without Expires, and the longest granted. Default 1 h.
    pub max: Duration,
    /// How long a REFER's subscription lives without an end, in both roles. Default 5 min: longer
    /// than a phone rings.
    pub refer: Duration,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            packages: Vec::new(),
            min: Duration::from_secs(60),
            max: Duration::from_secs(3600),
            refer: Duration::from_secs(300),
        }
    }
}

/// A SUBSCRIBE or REFER of the peer's that waits for the application.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) server: Key,
    pub(crate) request: Message,
    /// Seconds asked for.
    pub(crate) seconds: u32,
}

/// What an endpoint remembers of one subscription.
#[derive(Debug)]
pub(crate) struct Sub {
    pub(crate) key: Key,
    pub(crate) notifier: bool,
    /// Whether a REFER began it.
    pub(crate) refer: bool,
    /// A REFER whose sender wants no NOTIFY (RFC 4488).
    pub(crate) quiet: bool,
    /// The peer's tag in its dialog; none until the first NOTIFY makes the dialog.
    pub(crate) branch: Option<Box<str>>,
    pub(crate) package: Box<str>,
    pub(crate) id: Option<Box<str>>,
    pub(crate) state: SubscriptionState,
    /// CSeq of the SUBSCRIBE or REFER that began it.
    pub(crate) seq: u32,
    /// When it ends without a refresh.
    pub(crate) expires: Option<Instant>,
    /// When our next SUBSCRIBE goes out.
    pub(crate) refresh: Option<Instant>,
    /// Timer N, or the application's time to decide.
    pub(crate) wait: Option<Instant>,
    /// Until when NOTIFYs of further branches are followed.
    pub(crate) forks_until: Option<Instant>,
    /// Seconds that we ask for.
    pub(crate) seconds: u32,
    /// Whether a request of this subscription is out.
    pub(crate) out: bool,
    /// Whether a NOTIFY waits for the one that is out.
    pub(crate) queued: bool,
    pub(crate) waiting: Option<Box<Waiting>>,
    /// The state that NOTIFY bears.
    pub(crate) body: Option<Body>,
    /// What begins it, until somebody answered.
    pub(crate) begin: Option<Box<begin::Begin>>,
    /// What the last NOTIFY says, and how the application is told.
    pub(crate) ending: Option<Box<(Terminated, SubscriptionEnd)>>,
}

impl Sub {
    pub(crate) fn new(key: Key, notifier: bool, package: &str, id: Option<&str>) -> Self {
        Self {
            key,
            notifier,
            refer: false,
            quiet: false,
            branch: None,
            package: package.into(),
            id: id.map(Box::from),
            state: if notifier {
                SubscriptionState::Asked
            } else {
                SubscriptionState::Subscribing
            },
            seq: 0,
            expires: None,
            refresh: None,
            wait: None,
            forks_until: None,
            seconds: 0,
            out: false,
            queued: false,
            waiting: None,
            body: None,
            begin: None,
            ending: None,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.expires, self.refresh, self.wait]
            .into_iter()
            .flatten()
            .min()
    }

    /// The value of Event.
    fn event(&self) -> String {
        match &self.id {
            Some(id) => format!("{};id={id}", self.package),
            None => self.package.to_string(),
        }
    }

    /// Whether a request with this Event is about this subscription.
    fn is_about(&self, event: &header::Event<'_>) -> bool {
        if !self.package.eq_ignore_ascii_case(event.package()) {
            return false;
        }
        match (event.id(), &self.id) {
            (Some(theirs), Some(ours)) => theirs == &**ours,
            (None, None) => true,
            // RFC 3515 section 2.4.6: a REFER is named by its CSeq, the first need not be.
            (Some(theirs), None) => self.refer && !self.notifier && theirs.parse() == Ok(self.seq),
            (None, Some(_)) => false,
        }
    }
}

impl Call {
    pub(crate) fn sub(&mut self, key: Key) -> Option<&mut Sub> {
        self.subs.iter_mut().find(|sub| sub.key == key)
    }

    fn sub_at(&self, key: Key) -> Option<usize> {
        self.subs.iter().position(|sub| sub.key == key)
    }

    /// Which of the dialogs a subscription uses.
    fn dialog_of(&self, key: Key) -> Option<usize> {
        let branch = self.subs.iter().find(|sub| sub.key == key)?;
        let branch = branch.branch.as_deref()?;
        self.dialogs
            .iter()
            .position(|dialog| dialog.remote_tag() == branch)
    }

    /// The call that a subscription stands beside, for events.
    pub(crate) fn beside(&self) -> Option<CallId> {
        match self.state {
            super::CallState::Ended => None,
            _ => self.key.map(CallId),
        }
    }
}

impl Endpoint {
    /// Commands and questions to one subscription.
    ///
    /// # Errors
    /// [`Gone`] when it is over.
    pub fn subscription(&mut self, id: SubscriptionId) -> Result<SubscriptionHandle<'_>, Gone> {
        match self.subscriptions.get(id.0) {
            Some(_) => Ok(SubscriptionHandle::new(self, id)),
            None => Err(Gone),
        }
    }

    /// Subscriptions that are not over, in no particular order.
    pub fn subscriptions(&self) -> impl Iterator<Item = SubscriptionId> + '_ {
        self.subscriptions.keys().map(SubscriptionId)
    }

    /// A place for one more subscription in this call's dialog.
    pub(crate) fn new_sub(&mut self, call: &Call) -> Option<Key> {
        if call.subs.len() >= self.config.bounds.usages {
            return None;
        }
        self.subscriptions.insert(call.key?).ok()
    }

    /// Forgets a subscription and says why.
    pub(crate) fn end_sub(&mut self, call: &mut Call, key: Key, end: SubscriptionEnd) {
        let Some(at) = call.sub_at(key) else { return };
        let sub = call.subs.remove(at);
        self.forget_begin(&sub);
        self.subscriptions.remove(key);
        self.out.tell(Event::SubscriptionEnded {
            subscription: SubscriptionId(key),
            call: call.beside(),
            end,
        });
    }

    /// What is due in a call's subscriptions.
    pub(crate) fn subs_due(&mut self, now: Instant, call: &mut Call) {
        let due: Vec<Key> = call
            .subs
            .iter()
            .filter(|sub| sub.deadline().is_some_and(|at| at <= now))
            .map(|sub| sub.key)
            .collect();
        for key in due {
            match call.sub(key).map(|sub| sub.notifier) {
                Some(true) => self.notifier_due(now, call, key),
                Some(false) => self.subscriber_due(now, call, key),
                None => {}
            }
        }
    }

    /// A final response to a SUBSCRIBE, REFER or NOTIFY of ours.
    pub(crate) fn usage_response(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        reply: &super::clients::Reply<'_>,
    ) {
        let Some(status) = reply.response.status().filter(|status| status.is_final()) else {
            return;
        };
        let Some(sub) = call.sub(key) else { return };
        sub.out = false;
        call.flow = Some(reply.flow);
        if matches!(status.code(), 401 | 407)
            && let Ok(attempt) = self.authorize(call, reply)
        {
            let purpose = super::clients::Purpose::Usage(key);
            if let Ok((_, seq)) = self.resend_authorized(now, call, reply, attempt, purpose)
                && let Some(sub) = call.sub(key)
            {
                sub.out = true;
                if sub.state == SubscriptionState::Subscribing {
                    sub.seq = seq;
                }
                return;
            }
        }
        match call.sub(key).map(|sub| sub.notifier) {
            Some(true) => self.notify_answered(now, call, key, status),
            Some(false) => self.subscribe_answered(now, call, key, status, reply),
            None => {}
        }
    }

    /// A SUBSCRIBE, REFER or NOTIFY of ours got no final response.
    pub(crate) fn usage_failed(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        failure: super::clients::Failure,
    ) {
        let host = call
            .target
            .as_ref()
            .map_or_else(|| call.host.clone(), ToString::to_string);
        let Some(sub) = call.sub(key) else { return };
        sub.out = false;
        let refreshing = !sub.notifier && sub.branch.is_some() && !sub.refer;
        match (refreshing, sub.state) {
            // RFC 6665 section 4.1.2.2: what was granted is still granted.
            (true, SubscriptionState::Pending | SubscriptionState::Active) => {
                self.refresh_again(now, call, key);
            }
            (true, SubscriptionState::Ending) => {
                self.end_sub(call, key, SubscriptionEnd::Unsubscribed);
            }
            _ => {
                let told = sub.ending.take().map(|ending| ending.1);
                let end = told.unwrap_or(SubscriptionEnd::Failed(failure.cause(host)));
                if !self.begin_elsewhere(now, call, key, end.clone()) {
                    self.end_sub(call, key, end);
                }
            }
        }
    }
}

/// What a request says about the event that it is about.
fn event_of(request: &Message) -> Option<header::Event<'_>> {
    request.header(HeaderName::EVENT)?;
    request.typed().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::TypedHeader;

    /// RFC 6665 section 4.1.3, both ways.
    #[test]
    fn terminated_reasons_say_whether_to_subscribe_again() {
        let wait = Some(Duration::from_secs(7));
        let rows = [
            ("deactivated", Terminated::Deactivated, Resubscribe::Now),
            (
                "probation;retry-after=7",
                Terminated::Probation(wait),
                Resubscribe::Later(wait),
            ),
            ("rejected", Terminated::Rejected, Resubscribe::Never),
            ("timeout", Terminated::Timeout, Resubscribe::Now),
            ("giveup", Terminated::GiveUp(None), Resubscribe::Later(None)),
            ("noresource", Terminated::NoResource, Resubscribe::Never),
            ("invariant", Terminated::Invariant, Resubscribe::Never),
        ];
        for (text, want, again) in rows {
            let value = format!("terminated;reason={text}");
            let header = StateHeader::decode(value.as_bytes()).unwrap();
            assert_eq!(Terminated::read(&header), want);
            assert_eq!(want.write(), value);
            assert_eq!(want.resubscribe(), again);
        }
        let header = StateHeader::decode(b"terminated;reason=Tired").unwrap();
        assert_eq!(Terminated::read(&header), Terminated::Other("tired".into()));
    }
}
