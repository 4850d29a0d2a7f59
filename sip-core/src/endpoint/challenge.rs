//! The digest policy towards callers (RFC 3261 section 22.2): challenge, look up, judge.

use std::time::Instant;

use super::Endpoint;
use super::callers::Users;
use super::credentials::with_digest_request;
use super::event::Question;
use super::flow::Flow;
use super::questions::{Caller, Purpose};
use super::table::Key;
use super::trace;
use crate::auth::{Ha1, Verdict};
use crate::header::digest::Credentials;
use crate::{HeaderName, Message, Method, StatusCode};

impl Endpoint {
    /// Challenges, or looks for whose HA1 is needed to judge.
    pub(crate) fn authenticate(
        &mut self,
        now: Instant,
        server: Key,
        flow: Flow,
        request: &Message,
    ) {
        let realm = self
            .config
            .digest
            .as_ref()
            .map_or("", |policy| &policy.realm);
        let credentials = request
            .headers_named(HeaderName::AUTHORIZATION)
            .filter_map(|field| Credentials::parse(field.value()).ok())
            .find(|credentials| credentials.realm == realm);
        let Some(credentials) = credentials else {
            self.challenge(now, server, request, false);
            return;
        };
        let wall = self.epoch.wall_at(now);
        let (Some(callers), Some(policy)) = (&self.callers, &self.config.digest) else {
            return;
        };
        let needed = with_digest_request(request, |digest| {
            callers.lookup(&credentials, digest, wall).map(|lookup| {
                (
                    lookup.username.to_owned(),
                    lookup.realm.to_owned(),
                    lookup.hash,
                )
            })
        });
        let (user, realm, hash) = match needed {
            Ok(needed) => needed,
            Err(verdict) => {
                self.refuse_caller(now, server, request, verdict);
                return;
            }
        };
        let caller = Caller {
            server,
            flow,
            request: request.clone(),
            credentials,
        };
        match &policy.users {
            Users::Known(users) => {
                let ha1 = users
                    .get(&user)
                    .and_then(|ha1s| ha1s.iter().find(|ha1| ha1.hash() == hash))
                    .cloned();
                self.judge(now, caller, ha1.as_ref());
            }
            Users::Ask => {
                let question = Question::Credential { user, realm, hash };
                if self
                    .ask(now, question, Purpose::Caller(Box::new(caller)))
                    .is_none()
                {
                    self.counters.overload += 1;
                    let status = StatusCode::SERVICE_UNAVAILABLE;
                    self.respond_status(now, server, request, status, |builder| {
                        builder.header(HeaderName::RETRY_AFTER, "10")
                    });
                }
            }
        }
    }

    /// Judges credentials with the HA1 that was found, or with none.
    pub(crate) fn judge(&mut self, now: Instant, caller: Caller, ha1: Option<&Ha1>) {
        if !self.is_unanswered(caller.server) {
            return;
        }
        let wall = self.epoch.wall_at(now);
        let Some(callers) = &mut self.callers else {
            return;
        };
        let verdict = with_digest_request(&caller.request, |digest| {
            callers.verify(&caller.credentials, ha1, digest, wall)
        });
        if verdict == Verdict::Ok {
            let user = caller.credentials.username;
            match caller.request.method() {
                Some(Method::Register) => {
                    let user = Some(user.as_str());
                    self.register_by(now, caller.server, caller.flow, &caller.request, user);
                }
                _ => {
                    let user = Some(user);
                    self.admitted_by(now, caller.server, caller.flow, &caller.request, user);
                }
            }
        } else {
            if !verdict.is_stale() {
                trace::refused(caller.flow, "authentication");
            }
            self.refuse_caller(now, caller.server, &caller.request, verdict);
        }
    }

    fn refuse_caller(&mut self, now: Instant, server: Key, request: &Message, verdict: Verdict) {
        match verdict {
            Verdict::Malformed(_) => {
                self.respond_status(now, server, request, StatusCode::BAD_REQUEST, |b| b);
            }
            Verdict::Ha1Mismatch => {
                self.respond_status(
                    now,
                    server,
                    request,
                    StatusCode::SERVER_INTERNAL_ERROR,
                    |b| b,
                );
            }
            verdict => self.challenge(now, server, request, verdict.is_stale()),
        }
    }

    fn challenge(&mut self, now: Instant, server: Key, request: &Message, stale: bool) {
        let wall = self.epoch.wall_at(now);
        let (Some(callers), Some(policy)) = (&self.callers, &self.config.digest) else {
            return;
        };
        let challenges = callers.challenge(
            &policy.realm,
            &policy.hashes,
            stale,
            wall,
            &mut *self.draw.chance,
        );
        if challenges.is_empty() {
            // Nobody could ever log in.
            self.respond_status(now, server, request, StatusCode::FORBIDDEN, |b| b);
            return;
        }
        self.respond_status(
            now,
            server,
            request,
            StatusCode::UNAUTHORIZED,
            |mut builder| {
                for challenge in &challenges {
                    builder = builder.header_display(HeaderName::WWW_AUTHENTICATE, challenge);
                }
                builder
            },
        );
    }
}
