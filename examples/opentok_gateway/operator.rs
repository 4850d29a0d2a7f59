//! The operator's page, and the state that it shows.

use std::collections::VecDeque;
use std::sync::Arc;

use ::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, X_CONTENT_TYPE_OPTIONS};
use ::http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use signaling::call::CallState;
use signaling::http::{ApiError, Reply, Request, Route, reply};
use signaling::net::SessionId;
use signaling::session::{Origin, ParticipantId};
use token::ApiKeyText;

use crate::api::{Api, For, with};
use crate::desk::{Desk, unix_ms};

/// Samples of a call that are kept: two minutes.
const HISTORY: usize = 60;

/// A call's figures at one moment.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    mos: Option<f64>,
    loss: f64,
    jitter: f64,
}

/// The page and what belongs to it: no build step, nothing from elsewhere.
const FILES: [(&str, &str, &str); 3] = [
    (
        "/operator",
        "text/html; charset=utf-8",
        include_str!("page/index.html"),
    ),
    (
        "/operator/page.css",
        "text/css; charset=utf-8",
        include_str!("page/page.css"),
    ),
    (
        "/operator/page.js",
        "text/javascript; charset=utf-8",
        include_str!("page/page.js"),
    ),
];

/// The page's routes.
pub(crate) fn routes(api: &Arc<Api>) -> Vec<Route> {
    let mut routes: Vec<_> = FILES
        .iter()
        .map(|(path, content_type, text)| {
            Route::get(*path, "The operator's page", move |_| async move {
                Ok(guarded(reply::content(StatusCode::OK, content_type, *text)))
            })
            .answers(StatusCode::OK, "The page")
        })
        .collect();
    routes.push(
        Route::get(
            "/operator/state",
            "What the operator's page shows; needs the header X-Operator-Key",
            with(api, For::Everybody, state),
        )
        .answers(StatusCode::OK, "Sessions, calls, figures, the last ends")
        .answers(StatusCode::FORBIDDEN, "X-Operator-Key is missing or wrong")
        .answers(StatusCode::SERVICE_UNAVAILABLE, "Too many requests wait"),
    );
    routes
}

/// Nothing but our own script runs, and nobody puts the page into a frame.
fn guarded(mut reply: Reply) -> Reply {
    let headers: [(HeaderName, &'static str); 3] = [
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in headers {
        reply
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    reply
}

async fn state(api: Arc<Api>, request: Request) -> Result<Reply, ApiError> {
    let key = request.header("x-operator-key").unwrap_or_default();
    let right = key
        .parse::<ApiKeyText>()
        .is_ok_and(|key| api.operator.matches(&key));
    if !right {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "X-Operator-Key is missing or wrong: open the address that the gateway printed",
        ));
    }
    let state = api.desk.with(|desk| Ok(desk.state())).await?;
    Ok(guarded(reply::json(StatusCode::OK, state.to_string())))
}

impl Desk {
    /// Keeps the figures of each call that is up.
    pub(crate) fn sample(&mut self) {
        for dial in self.dials.running_mut() {
            let Some(info) = self.gateway.call(dial.call) else {
                continue;
            };
            if info.setup.is_none() {
                continue;
            }
            keep(
                &mut dial.history,
                Sample {
                    mos: info.mos(),
                    loss: info.loss(),
                    jitter: info.jitter_ms(),
                },
            );
        }
    }

    fn state(&mut self) -> Value {
        let lateness = self.gateway.lateness();
        let endpoint = self.gateway.driver().endpoint();
        let sip =
            json!({"calls": endpoint.calls().count(), "refused": endpoint.counters().uninvited});
        let mut running: Vec<_> = self.dials.running().collect();
        running.sort_by_key(|dial| {
            let view = dial.view.borrow();
            (view.created_at, view.id.clone())
        });
        let calls: Vec<_> = running
            .into_iter()
            .map(|dial| self.call_state(dial))
            .collect();
        let mut sessions: Vec<_> = self
            .open
            .iter()
            .map(|(session, name)| {
                let people = self.people.iter();
                let people = people.filter(|((of, _), _)| of == session);
                let people: Vec<_> = people
                    .map(|((session, id), one)| {
                        let participant = self.gateway.session(*session);
                        let participant =
                            participant.and_then(|open| Ok(open.participant(*id)?.clone()));
                        json!({
                            "connectionId": one.connection_id, "name": one.name, "data": one.data,
                            "kind": match one.origin {
                                Origin::Phone => "phone",
                                Origin::Recorder => "recorder",
                                _ => "application",
                            },
                            "published": one.published,
                            "muted": participant.is_ok_and(|one| one.is_muted()),
                            "level": self.level_of(*session, *id),
                        })
                    })
                    .collect();
                json!({"id": name, "people": people})
            })
            .collect();
        sessions.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
        json!({
            "now": unix_ms(), "started": self.started_ms, "draining": self.draining,
            "address": self.gateway.sip_addr().to_string(), "sip": sip, "known": self.rooms.len(),
            "sessions": sessions, "calls": calls, "ends": self.dials.reasons,
            "callbacks": {"registered": self.subscriptions.len(), "waiting": self.hooks.len()},
            "ticks": {
                "run": lateness.ticks, "late": lateness.late, "dropped": lateness.dropped,
                "worstMs": lateness.worst.as_secs_f64() * 1000.0,
            },
        })
    }

    /// The level of somebody's voice, dBov; that of a phone stands in its call.
    fn level_of(&self, session: SessionId, id: ParticipantId) -> f32 {
        let call = self.gateway.call_of(session, id);
        let info = call.and_then(|call| self.gateway.call(call));
        match info.and_then(|info| info.media) {
            Some(media) => media.received.dbov(),
            None => self.gateway.level(session, id).dbov(),
        }
    }

    fn call_state(&self, dial: &crate::dials::Dial) -> Value {
        let mut call = json!({"dial": &*dial.view.borrow(), "history": dial.history});
        if let Some(info) = self.gateway.call(dial.call) {
            let media = info.media.as_ref();
            call["seconds"] = info.setup.map(|_| info.duration.as_secs()).into();
            call["codec"] = info.codec.as_str().into();
            let exchange = if info.dtls { "DTLS" } else { "SDES" };
            call["keys"] = match info.suite {
                Some(suite) => format!("{exchange}, {}", suite.name()).into(),
                // A handshake that has brought no keys yet lets nothing through.
                None if info.dtls => exchange.into(),
                None => "none".into(),
            };
            call["held"] = match (info.held_by_us, info.held_by_peer) {
                (false, false) => Value::Null,
                (true, false) => "by us".into(),
                (false, true) => "by the phone".into(),
                (true, true) => "by both".into(),
            };
            call["ending"] = (info.state == CallState::Ending).into();
            let mos = info.mos();
            // Before the first packet nothing is known: not that nothing was lost.
            call["loss"] = mos.map(|_| info.loss()).into();
            call["jitter"] = mos.map(|_| info.jitter_ms()).into();
            call["mos"] = mos.into();
            call["received"] = media.map(|media| media.received.dbov()).into();
            call["sent"] = media.map(|media| media.sent.dbov()).into();
        }
        call
    }
}

fn keep(history: &mut VecDeque<Sample>, sample: Sample) {
    history.push_back(sample);
    while history.len() > HISTORY {
        history.pop_front();
    }
}
