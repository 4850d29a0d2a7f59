//! A call's numbers, as they are shown and judged.

use std::time::Duration;

use examples::args::Keys;
use examples::live::Live;
use media_mix::Level;
use rtp_core::ice::Pair;
use rtp_core::srtp::Suite;
use signaling::call::CallState;
use signaling::engine::LegReport;
use signaling::net::CallInfo;

use crate::setup::Setup;

/// What a call's own report says at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    state: &'static str,
    seconds: f64,
    /// Whether sound may flow by now.
    has_sound: bool,
    /// The codec's SDP name, once there is one.
    pub(crate) codec: Option<String>,
    suite: Option<Suite>,
    dtls: bool,
    /// The way that ICE has found.
    pair: Option<Pair>,
    from_phone_dbov: Option<f32>,
    to_phone_dbov: Option<f32>,
    /// Packets that came and that were sent.
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Packets that did not come, percent.
    pub(crate) loss_percent: f64,
    /// Interarrival jitter (RFC 3550 section 6.4.1), ms.
    pub(crate) jitter_ms: f64,
    /// The E-model's estimate.
    pub(crate) mos: Option<f64>,
}

impl From<&CallInfo> for Figures {
    fn from(info: &CallInfo) -> Self {
        let path = info.media.as_ref().and_then(|media| media.path.as_ref());
        let level =
            |level: fn(&LegReport) -> Level| info.media.as_ref().map(|media| level(media).dbov());
        Self {
            state: match (info.state, info.held_by_us || info.held_by_peer) {
                (CallState::Calling, _) => "dialling",
                (CallState::Ringing, _) => "ringing",
                (CallState::EarlyMedia, _) => "early",
                (CallState::Up, true) => "held",
                (CallState::Up, false) => "up",
                _ => "ending",
            },
            seconds: info.duration.as_secs_f64(),
            has_sound: matches!(info.state, CallState::Up | CallState::EarlyMedia),
            codec: (!info.codec.is_empty()).then(|| info.codec.clone()),
            suite: info.suite,
            dtls: info.dtls,
            pair: info.pair,
            from_phone_dbov: level(|media| media.received),
            to_phone_dbov: level(|media| media.sent),
            received: path.map_or(0, |path| path.packets_received),
            sent: path.map_or(0, |path| path.packets_sent),
            loss_percent: 100.0 * info.loss(),
            jitter_ms: info.jitter_ms(),
            mos: info.mos(),
        }
    }
}

impl Figures {
    /// The call as the live line shows it, `since_dial` after its INVITE.
    pub(crate) fn live(&self, since_dial: Duration) -> Live {
        if !self.has_sound {
            return Live::new(self.state, since_dial.as_secs_f64());
        }
        Live {
            codec: self.codec.clone(),
            from_phone_dbov: self.from_phone_dbov,
            to_phone_dbov: self.to_phone_dbov,
            loss_percent: Some(self.loss_percent as f32),
            mos: self.mos.map(|mos| mos as f32),
            ..Live::new(self.state, self.seconds)
        }
    }

    /// The same, with codec and encryption of `before` where these are gone.
    pub(crate) fn or(mut self, before: Option<Self>) -> Self {
        if let (None, Some(before)) = (&self.codec, before) {
            (self.codec, self.suite, self.dtls) = (before.codec, before.suite, before.dtls);
            self.pair = before.pair;
        }
        self
    }

    /// How the sound is encrypted.
    pub(crate) fn keys(&self) -> String {
        self.suite.map_or_else(
            || "none, sound in the clear".into(),
            |suite| {
                let how = if self.dtls { "DTLS" } else { "SDES" };
                format!("{how}, {}", suite.name())
            },
        )
    }

    /// The way of the sound, as ICE has found it.
    pub(crate) fn way(&self) -> String {
        self.pair.map_or_else(
            || "as SDP says".into(),
            |pair| format!("ICE, {} to {}", pair.local, pair.remote),
        )
    }

    /// Whether ICE has found the way where it was to.
    pub(crate) fn goes_as(&self, setup: &Setup) -> bool {
        self.pair.is_some() == setup.ice
    }

    /// Whether it is as asked for.
    pub(crate) fn is_secure_as(&self, setup: &Setup) -> bool {
        let asked = setup.suite.is_none() || self.suite == setup.suite;
        let keys = self.suite.map(|_| match self.dtls {
            true => Keys::Dtls,
            false => Keys::Sdes,
        });
        let agreed = setup.keys == Some(Keys::Allow) || keys == setup.keys;
        agreed && asked
    }
}
