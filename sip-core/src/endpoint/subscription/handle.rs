//! Commands to one subscription.

use std::time::{Duration, Instant};

use super::{Sub, SubscriptionEnd, SubscriptionId, SubscriptionState, Terminated};
use crate::StatusCode;
use crate::endpoint::body::Body;
use crate::endpoint::call::Call;
use crate::endpoint::command::CommandError;
use crate::endpoint::table::Key;
use crate::endpoint::{CallId, Endpoint, Gone};

/// One subscription of an endpoint, for as long as it is borrowed; see
/// [`Endpoint::subscription`](crate::Endpoint::subscription).
///
/// Commands of the notifier: [`accept`](Self::accept), [`reject`](Self::reject),
/// [`notify`](Self::notify), [`terminate`](Self::terminate). Of the subscriber:
/// [`refresh`](Self::refresh), [`unsubscribe`](Self::unsubscribe).
#[derive(Debug)]
pub struct SubscriptionHandle<'e> {
    endpoint: &'e mut Endpoint,
    id: SubscriptionId,
}

impl<'e> SubscriptionHandle<'e> {
    pub(crate) fn new(endpoint: &'e mut Endpoint, id: SubscriptionId) -> Self {
        Self { endpoint, id }
    }

    fn call_of(&self) -> Option<&Call> {
        let owner = *self.endpoint.subscriptions.get(self.id.0)?;
        self.endpoint.calls.get(owner)
    }

    fn get(&self) -> Option<&Sub> {
        let call = self.call_of()?;
        call.subs.iter().find(|sub| sub.key == self.id.0)
    }

    /// The id.
    pub fn id(&self) -> SubscriptionId {
        self.id
    }

    /// Where it stands.
    pub fn state(&self) -> SubscriptionState {
        self.get()
            .map_or(SubscriptionState::Ending, |sub| sub.state)
    }

    /// The event package; `refer` for a transfer.
    pub fn package(&self) -> &str {
        self.get().map_or("", |sub| &sub.package)
    }

    /// Whether we notify, and the peer subscribed.
    pub fn is_notifier(&self) -> bool {
        self.get().is_some_and(|sub| sub.notifier)
    }

    /// The call in whose dialog it stands, as long as that call is not over.
    pub fn call(&self) -> Option<CallId> {
        self.call_of()?.beside()
    }

    /// When it ends without a refresh.
    pub fn expires(&self) -> Option<Instant> {
        self.get()?.expires
    }

    fn command(
        self,
        now: Instant,
        notifier: bool,
        f: impl FnOnce(&mut Endpoint, Instant, &mut Call, Key) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let now = self.endpoint.advance(now);
        if !self.endpoint.out.has_room() {
            return Err(CommandError::Full("outbox"));
        }
        let key = self.id.0;
        let Some(owner) = self.endpoint.subscriptions.get(key).copied() else {
            return Err(Gone.into());
        };
        self.endpoint
            .with_call(owner, |endpoint, call| {
                match call.sub(key).map(|sub| sub.notifier) {
                    Some(role) if role == notifier => f(endpoint, now, call, key),
                    Some(true) => Err(CommandError::State("a subscription of ours")),
                    Some(false) => Err(CommandError::State("a subscription of the peer's")),
                    None => Err(Gone.into()),
                }
            })
            .unwrap_or(Err(Gone.into()))
    }

    /// Accepts what the peer asks for: 200, or 202 to a REFER, and a NOTIFY with `body` at once.
    /// A REFER that the endpoint shall carry out goes to
    /// [`Endpoint::follow`](crate::Endpoint::follow) instead.
    pub fn accept(self, now: Instant, body: Option<Body>) -> Result<(), CommandError> {
        self.command(now, true, |endpoint, now, call, key| {
            endpoint.accept_sub(now, call, key, false, body)
        })
    }

    /// Accepts without having decided: `pending`, until [`notify`](Self::notify) or
    /// [`terminate`](Self::terminate).
    pub fn accept_pending(self, now: Instant) -> Result<(), CommandError> {
        self.command(now, true, |endpoint, now, call, key| {
            endpoint.accept_sub(now, call, key, true, None)
        })
    }

    /// Refuses with a status of 300 to 699.
    pub fn reject(self, now: Instant, status: StatusCode) -> Result<(), CommandError> {
        if status.code() < 300 {
            return Err(CommandError::Status(status.code()));
        }
        self.command(now, true, |endpoint, now, call, key| {
            endpoint.refuse_sub(now, call, key, status)
        })
    }

    /// Tells the subscriber the state; makes a pending subscription active.
    pub fn notify(self, now: Instant, body: Option<Body>) -> Result<(), CommandError> {
        self.command(now, true, |endpoint, now, call, key| {
            if let Some(sub) = call.sub(key) {
                match sub.state {
                    SubscriptionState::Pending | SubscriptionState::Active => {}
                    _ => return Err(CommandError::State("an accepted subscription")),
                }
                sub.state = SubscriptionState::Active;
                sub.body = body;
            }
            endpoint.send_notify(now, call, key)
        })
    }

    /// Ends it, with a last state; [`Event::SubscriptionEnded`](crate::Event::SubscriptionEnded)
    /// follows when the subscriber has confirmed that.
    pub fn terminate(
        self,
        now: Instant,
        reason: Terminated,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        self.command(now, true, |endpoint, now, call, key| {
            if let Some(sub) = call.sub(key) {
                match sub.state {
                    SubscriptionState::Pending | SubscriptionState::Active => {}
                    _ => return Err(CommandError::State("an accepted subscription")),
                }
                if body.is_some() {
                    sub.body = body;
                }
            }
            let end = SubscriptionEnd::Told(reason.clone());
            endpoint.finish_sub(now, call, key, reason, end);
            Ok(())
        })
    }

    /// Subscribes for longer now; the endpoint does so by itself in time.
    pub fn refresh(self, now: Instant, expires: Duration) -> Result<(), CommandError> {
        let seconds = u32::try_from(expires.as_secs()).unwrap_or(u32::MAX);
        self.again(now, seconds.max(1))
    }

    /// Wants no more; [`Event::SubscriptionEnded`](crate::Event::SubscriptionEnded) follows.
    pub fn unsubscribe(self, now: Instant) -> Result<(), CommandError> {
        self.again(now, 0)
    }

    fn again(self, now: Instant, seconds: u32) -> Result<(), CommandError> {
        self.command(now, false, |endpoint, now, call, key| {
            match call.sub(key).map(|sub| sub.state) {
                Some(SubscriptionState::Pending | SubscriptionState::Active) => {
                    endpoint.resubscribe(now, call, key, seconds)
                }
                _ => Err(CommandError::State("a subscription that was notified")),
            }
        })
    }
}
