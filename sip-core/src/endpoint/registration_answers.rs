//! What a registrar answers, and what comes of it (RFC 3261 section 10.2, RFC 5626 section 4.2.1).

use std::time::{Duration, Instant};

use super::clients::{Failure, Reply};
use super::flow::{Flow, Target};
use super::registrations::{flow_user, instance};
use super::table::Key;
use super::{EndCause, EndKind, EndedBy, Endpoint, wire};
use crate::StatusCode;
use crate::header::{MinExpires, RetryAfter};
use crate::registration::{
    Granted, KeepAlive, Registered, RegistrationState, Stage, refresh_after,
};
use crate::transaction::after;

/// How often in a row a registrar may say 423 or 439.
const MAX_ROUNDS: u8 = 3;

/// The longest Retry-After that is obeyed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(86_400);

impl Endpoint {
    /// A final response to a REGISTER of ours.
    pub(crate) fn register_response(&mut self, now: Instant, key: Key, at: u8, reply: &Reply<'_>) {
        let at = usize::from(at);
        self.with_registration(key, |endpoint, registered| {
            let current = registered.flows.get(at).is_some_and(
                |flow| matches!(flow.stage, Stage::Asking(client) if client == reply.client),
            );
            let Some(status) = reply.response.status().filter(|_| current) else {
                return;
            };
            registered.flows[at].stage = Stage::Waiting;
            if status.is_success() {
                endpoint.register_granted(now, key, registered, at, reply);
            } else {
                endpoint.register_refused(now, key, registered, at, reply, status);
            }
            endpoint.end_if_left(key, registered);
        });
    }

    fn register_granted(
        &mut self,
        now: Instant,
        key: Key,
        registered: &mut Registered,
        at: usize,
        reply: &Reply<'_>,
    ) {
        if registered.leaving {
            let removed = reply
                .request
                .typed::<crate::header::Contact<'_>>()
                .is_ok_and(|contact| contact.expires() == Some(0));
            if removed {
                registered.flows[at].until = None;
                self.leave_flow(key, registered, at);
            } else {
                let target = reply.target.clone();
                if self
                    .send_register(now, key, registered, at, target)
                    .is_err()
                {
                    self.leave_flow(key, registered, at);
                }
            }
            return;
        }
        let device = registered
            .plan
            .outbound
            .as_ref()
            .map(|o| instance(&o.instance));
        let flow = &mut registered.flows[at];
        let device = device.as_deref().map(|device| (device, at as u32 + 1));
        let Some(contact) = &flow.contact else {
            return;
        };
        let granted = Granted::read(reply.response, contact, device, registered.expires);
        let refreshed = flow.stands();
        let standing = Flow {
            remote: reply.target.remote(),
            ..reply.flow
        };
        if flow.flow != Some(standing) {
            self.leave_flow(key, registered, at);
            registered.flows[at].since = Some(now);
        }
        let flow = &mut registered.flows[at];
        flow.flow = Some(standing);
        self.flow_users.insert(flow_user(standing, key, at));
        flow.way = None;
        flow.last = None;
        flow.rounds = 0;
        if flow
            .since
            .is_some_and(|since| since + registered.plan.backoff.stable <= now)
        {
            flow.failures = 0;
        }
        flow.until = Some(after(now, granted.expires));
        let early = refresh_after(granted.expires, self.draw.below(0x1_0000) as u16);
        // Whoever grants nothing is not asked more than once a second.
        flow.due = Some(after(now, early.max(Duration::from_secs(1))));
        if *flow.service_route != *granted.service_route {
            flow.service_route = granted.service_route.into();
        }
        registered.public_gruu = granted.public_gruu;
        registered.temporary_gruu = granted.temporary_gruu;
        let answered = registered.outbound && granted.outbound;
        let wanted = match registered.plan.keep_alive {
            KeepAlive::Outbound => answered,
            KeepAlive::Always => true,
            KeepAlive::Off => false,
        };
        if wanted && !flow.pinged {
            flow.pinged = self.hold_ping(now, standing, answered, granted.flow_timer);
        }
        let state = RegistrationState::Registered {
            expires: granted.expires,
            refreshed,
        };
        self.tell_registration(key, at, state);
    }

    fn register_refused(
        &mut self,
        now: Instant,
        key: Key,
        registered: &mut Registered,
        at: usize,
        reply: &Reply<'_>,
        status: StatusCode,
    ) {
        let phrase = reply.response.reason().into_owned();
        let reason = wire::reason(reply.response);
        let mut cause = EndCause::new(EndedBy::Remote, EndKind::Rejected)
            .with_status(status, &phrase)
            .with_reason(reason.as_deref());
        if matches!(status.code(), 401 | 407) {
            let mut auth = registered.auth.take();
            let authorized = self.authorize_with(auth.as_deref_mut(), reply);
            registered.auth = auth;
            match authorized {
                Ok(attempt) => {
                    let target = reply.target.clone();
                    let sent =
                        self.build_register(registered, at, &target)
                            .and_then(|(request, _)| {
                                self.send_built(now, key, registered, at, target, request, attempt)
                            });
                    if sent.is_ok() {
                        return;
                    }
                }
                Err(kind) => cause.kind = kind,
            }
            self.flow_failed(now, key, registered, at, cause, None);
            return;
        }
        let rounds = &mut registered.flows[at].rounds;
        if *rounds < MAX_ROUNDS && !registered.leaving {
            let again = match status {
                StatusCode::INTERVAL_TOO_BRIEF => {
                    let min = reply.response.typed::<MinExpires>();
                    let min = min.map_or(Duration::ZERO, |MinExpires(seconds)| {
                        Duration::from_secs(seconds.into())
                    });
                    let longer = min > registered.expires;
                    registered.expires = registered.expires.max(min);
                    longer
                }
                // RFC 5626 section 4.2.1: without outbound, over one flow.
                StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT => {
                    std::mem::replace(&mut registered.outbound, false)
                }
                _ => false,
            };
            if again {
                *rounds += 1;
                let target = reply.target.clone();
                if self.send_register(now, key, registered, at, target).is_ok() {
                    return;
                }
            }
        }
        let retry_after = reply
            .response
            .typed_opt::<RetryAfter<'_>>()
            .unwrap_or_default()
            .map(|header| Duration::from_secs(header.seconds().into()).min(MAX_RETRY_AFTER));
        match status.code() {
            503 => self.next_target(now, key, registered, at, cause, retry_after),
            408 | 430 | 480 | 500 | 502 | 504 => {
                let retry = retry_after.unwrap_or(Duration::ZERO);
                self.flow_failed(now, key, registered, at, cause, Some(retry));
            }
            // Once more would not help, unless it says so itself (RFC 3261 section 20.33).
            _ => self.flow_failed(now, key, registered, at, cause, retry_after),
        }
    }

    /// A REGISTER of ours got no answer.
    pub(crate) fn register_failed(
        &mut self,
        now: Instant,
        key: Key,
        at: u8,
        client: Key,
        failure: Failure,
    ) {
        let at = usize::from(at);
        self.with_registration(key, |endpoint, registered| {
            let Some(flow) = registered.flows.get_mut(at) else {
                return;
            };
            if !matches!(flow.stage, Stage::Asking(current) if current == client) {
                return;
            }
            flow.stage = Stage::Waiting;
            let host = flow.target.as_ref().map(Target::to_string);
            let cause = failure.cause(host.unwrap_or_default());
            endpoint.next_target(now, key, registered, at, cause, None);
            endpoint.end_if_left(key, registered);
        });
    }
}
