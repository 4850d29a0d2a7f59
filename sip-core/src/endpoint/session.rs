//! Session timers (RFC 4028): a call whose peer is gone ends by itself.
//!
//! | role | what happens |
//! |---|---|
//! | refresher | UPDATE at half of the interval if the peer allows it, else a re-INVITE with the last body |
//! | the other | BYE when no refresh came by the end, less the smaller of 32 s and a third (section 10) |

use std::time::{Duration, Instant};

use super::call::{Call, CallState, Reinvite};
use super::clients::Purpose;
use super::refer::Referrals;
use super::reliable::Reliable;
use super::{EndCause, EndKind, EndedBy, Endpoint, wire};
use crate::header::{MinSe, Refresher, SessionExpires};
use crate::transaction::after;
use crate::{HeaderName, Message, Method, ResponseBuilder};

/// What we ask for and accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionTimers {
    /// The interval that our INVITE proposes; default 30 min, which RFC 4028 section 4 recommends.
    pub expires: Duration,
    /// The shortest that we accept; default 90 s, the RFC's floor. Shorter proposals get 422.
    pub min: Duration,
}

impl Default for SessionTimers {
    fn default() -> Self {
        Self {
            expires: Duration::from_secs(1800),
            min: Duration::from_secs(90),
        }
    }
}

/// The timer that runs in a call.
#[derive(Debug)]
pub(crate) struct Session {
    seconds: u32,
    /// Whether we are the refresher.
    pub(crate) ours: bool,
    refresh: Option<Instant>,
    expires: Instant,
}

impl Session {
    fn start(now: Instant, seconds: u32, ours: bool) -> Self {
        let interval = Duration::from_secs(seconds.into());
        let margin = (interval / 3).min(Duration::from_secs(32));
        Self {
            seconds,
            ours,
            refresh: ours.then(|| after(now, interval / 2)),
            expires: after(now, interval - margin),
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.refresh
            .map_or(self.expires, |refresh| refresh.min(self.expires))
    }
}

/// What a 2xx of ours grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    seconds: u32,
    /// From the transaction's point of view.
    refresher: Refresher,
    /// Whether the client understands the timer, so that the response may require it (section 9).
    require: bool,
}

/// What an earlier 422 made necessary.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    pub(crate) seconds: u32,
}

impl Endpoint {
    /// What a request that may refresh says about the session.
    pub(crate) fn session_values(
        &self,
        session: Option<&Session>,
        demand: Demand,
    ) -> Vec<(HeaderName<'static>, String)> {
        let Some(timers) = self.config.session_timers else {
            return Vec::new();
        };
        let floor = timers.min.as_secs().max(demand.seconds.into());
        let mut headers = Vec::new();
        if floor > 90 {
            headers.push((HeaderName::MIN_SE, floor.to_string()));
        }
        let value = match session {
            // Section 7.4: who refreshes now goes on refreshing.
            Some(session) => {
                let role = if session.ours { "uac" } else { "uas" };
                format!("{};refresher={role}", session.seconds.max(demand.seconds))
            }
            None => timers.expires.as_secs().max(floor).to_string(),
        };
        headers.push((HeaderName::SESSION_EXPIRES, value));
        headers
    }

    /// Extensions that we understand, as Supported lists them.
    pub(crate) fn supported(&self) -> String {
        let timer = self.config.session_timers.is_some().then_some("timer");
        let reliable = (self.config.reliable != Reliable::Never).then_some("100rel");
        let replaces = self.config.replaces.then_some("replaces");
        let refer = (self.config.referrals != Referrals::Never).then_some("norefersub");
        [timer, reliable, replaces, refer]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The Min-SE of a 422, if it makes another try sensible.
    pub(crate) fn demanded(&self, response: &Message, before: Demand) -> Option<Demand> {
        let seconds = response.typed::<MinSe<'_>>().ok()?.seconds();
        // A day is more than anyone needs, and what does not grow would go on for ever.
        (seconds > before.seconds && seconds <= 86_400).then_some(Demand { seconds })
    }

    /// A 2xx to our INVITE or UPDATE came (section 7.2).
    pub(crate) fn session_answered(&self, now: Instant, call: &mut Call, response: &Message) {
        call.session = match response.typed::<SessionExpires<'_>>() {
            Ok(value) if self.config.session_timers.is_some() => {
                let ours = value.refresher() != Some(Refresher::Uas);
                // Whoever grants less than the RFC allows would make us refresh without end.
                Some(Box::new(Session::start(now, value.seconds().max(60), ours)))
            }
            _ => None,
        };
    }

    /// What the peer's INVITE or UPDATE asks for, or the Min-SE of the 422 that it gets (section 9).
    pub(crate) fn session_asked(&self, request: &Message) -> Result<Option<Grant>, u64> {
        let Some(timers) = self.config.session_timers else {
            return Ok(None);
        };
        let supported = wire::lists(request, HeaderName::SUPPORTED, "timer")
            || wire::lists(request, HeaderName::REQUIRE, "timer");
        let asked = request.typed::<SessionExpires<'_>>().ok();
        let min = timers.min.as_secs();
        match asked {
            Some(asked) if supported && u64::from(asked.seconds()) < min => Err(min),
            Some(asked) => {
                let floor = request.typed::<MinSe<'_>>().map_or(90, |min| min.seconds());
                let refresher = match asked.refresher() {
                    _ if !supported => Refresher::Uas,
                    Some(refresher) => refresher,
                    None => Refresher::Uac,
                };
                let seconds = asked.seconds().max(floor).max(60);
                Ok(Some(Grant {
                    seconds,
                    refresher,
                    require: supported,
                }))
            }
            None if supported => {
                let seconds = u32::try_from(timers.expires.as_secs()).unwrap_or(1800);
                Ok(Some(Grant {
                    seconds,
                    refresher: Refresher::Uac,
                    require: true,
                }))
            }
            None => Ok(None),
        }
    }

    /// Adds what a 2xx of ours grants.
    pub(crate) fn session_response(
        builder: ResponseBuilder,
        grant: Option<Grant>,
    ) -> ResponseBuilder {
        let Some(grant) = grant else { return builder };
        let role = match grant.refresher {
            Refresher::Uac => "uac",
            Refresher::Uas => "uas",
        };
        let builder = builder.header(
            HeaderName::SESSION_EXPIRES,
            format!("{};refresher={role}", grant.seconds),
        );
        if grant.require && grant.refresher == Refresher::Uac {
            builder.header(HeaderName::REQUIRE, "timer")
        } else {
            builder
        }
    }

    /// Our 2xx to the peer's INVITE or UPDATE went out.
    pub(crate) fn session_granted(&self, now: Instant, call: &mut Call, grant: Option<Grant>) {
        call.session = grant.map(|grant| {
            let ours = grant.refresher == Refresher::Uas;
            Box::new(Session::start(now, grant.seconds, ours))
        });
    }

    /// Refreshes when it is time, hangs up when it is too late.
    pub(crate) fn session_due(&mut self, now: Instant, call: &mut Call) {
        let Some(session) = call.session.as_deref_mut() else {
            return;
        };
        if call.state != CallState::Established {
            // Answered but not acknowledged has a timer of its own; leaving has BYE's.
            if session.deadline() <= now {
                call.session = None;
            }
            return;
        }
        if session.expires <= now {
            call.session = None;
            let cause = EndCause::new(EndedBy::Timer, EndKind::SessionExpired);
            self.send_bye(now, call, cause);
        } else if session.refresh.is_some_and(|at| at <= now) {
            // Should this one fail or be impossible now, there is another try before the end.
            let rest = session.expires.saturating_duration_since(now);
            session.refresh = Some(after(now, (rest / 3).max(Duration::from_secs(5))));
            self.refresh(now, call);
        }
    }

    fn refresh(&mut self, now: Instant, call: &mut Call) {
        if call.reinvite.is_some() || call.arrival.is_some() || call.success.is_some() {
            return;
        }
        let (method, purpose) = match call.peer_updates {
            true => (Method::Update, Purpose::Update),
            false => (Method::Invite, Purpose::Reinvite),
        };
        let body = if method == Method::Invite {
            match &call.sent_body {
                Some(body) if call.offers.local_offer().is_ok() => Some(body.clone()),
                _ => return,
            }
        } else {
            None
        };
        let offer = body.is_some();
        match self.send_offer(now, call, 0, method, purpose, body.as_ref()) {
            Ok((client, seq)) => {
                call.reinvite = Some(Box::new(Reinvite::Out {
                    client,
                    seq,
                    offer,
                    refresh: true,
                    early: None,
                }));
            }
            Err(_) if offer => call.offers.abandon(),
            Err(_) => {}
        }
    }
}
