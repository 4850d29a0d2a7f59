//! One call as the phone knows it, and its live line.

use std::time::{Duration, Instant};

use examples::live::Live;
use serde_json::{Value, json};
use signaling::CallId;
use signaling::call::CallState;
use signaling::net::{CallInfo, SessionId};

use crate::sound::Sound;

/// A call under its number.
pub(crate) struct Line {
    pub(crate) number: u32,
    pub(crate) call: CallId,
    /// Where it is heard; none until it is answered.
    pub(crate) session: Option<SessionId>,
    /// Whom it is with.
    pub(crate) with: String,
    pub(crate) incoming: bool,
    pub(crate) answered: bool,
    pub(crate) since: Instant,
    pub(crate) sound: Option<Sound>,
    /// Whom the other side is being sent to.
    pub(crate) transferring: Option<String>,
}

impl Line {
    /// A word for where it stands.
    fn state(info: &CallInfo) -> &'static str {
        match (info.state, info.held_by_us || info.held_by_peer) {
            (CallState::Calling, _) => "calling",
            (CallState::Ringing, _) => "ringing",
            (CallState::EarlyMedia, _) => "early",
            (CallState::Up, true) => "held",
            (CallState::Up, false) => "up",
            _ => "ending",
        }
    }

    /// The line that shows it.
    pub(crate) fn live(&self, info: &CallInfo, now: Instant) -> String {
        let waited = now.saturating_duration_since(self.since);
        let state = Self::state(info);
        let mut live = match info.duration > Duration::ZERO {
            true => Live::new(state, info.duration.as_secs_f64()),
            false => Live::new(state, waited.as_secs_f64()),
        };
        if info.state == CallState::Up {
            live.codec = Some(info.codec.clone());
            live.from_phone_dbov = info.media.as_ref().map(|media| media.received.dbov());
            live.to_phone_dbov = info.media.as_ref().map(|media| media.sent.dbov());
            live.loss_percent = Some(100.0 * info.loss() as f32);
            live.mos = info.mos().map(|mos| mos as f32);
        }
        // The user and host are enough to know it by.
        let with = self.with.split(';').next().unwrap_or_default();
        let with = with.trim_start_matches("sip:");
        format!("#{} {with}{live}", self.number)
    }

    /// The same for programs.
    pub(crate) fn object(&self, info: &CallInfo) -> Value {
        let path = info.media.as_ref().and_then(|media| media.path.as_ref());
        json!({
            "call": self.number,
            "with": self.with,
            "incoming": self.incoming,
            "state": Self::state(info),
            "seconds": (info.duration.as_secs_f64() * 1000.0).round() / 1000.0,
            "codec": info.codec,
            "encrypted": info.suite.map(|suite| suite.name()),
            "held_by_us": info.held_by_us,
            "held_by_peer": info.held_by_peer,
            "received": path.map_or(0, |path| path.packets_received),
            "sent": path.map_or(0, |path| path.packets_sent),
            "mos": info.mos(),
        })
    }
}
