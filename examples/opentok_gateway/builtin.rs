//! A talker and a phone of our own, so that the first call needs nothing else.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use examples::chance::chance;
use examples::spectrum::{Spectrum, loudness};
use media_mix::{Rate, Tone};
use signaling::CallId;
use signaling::engine::{PcmReader, Voice};
use signaling::net::{Event, Gateway, GatewayConfig, SessionId};
use signaling::session::{Join, SessionOptions};
use sip_core::{StatusCode, Uninvited};
use token::Role;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, interval, sleep_until};

/// What the talker says, Hz.
pub(crate) const TALKER_HZ: usize = 440;

/// What the phone says, Hz: at 1000 Hz the error of µ-law falls on the harmonics.
const PHONE_HZ: usize = 1020;

/// The level of both, dBov.
const DBOV: f64 = -15.0;

/// How long the phone rings.
const RINGS: Duration = Duration::from_millis(700);

/// The voice of the talker.
pub(crate) fn talker_voice() -> Voice {
    Voice::tone(Tone::new(Rate::Khz48, TALKER_HZ as f64, DBOV))
}

/// A phone that answers `sip:phone@`, is always busy as `sip:busy@`, and rings for ever as `sip:nobody@`.
pub(crate) struct Phone {
    gateway: Gateway,
    home: SessionId,
    ear: PcmReader,
    /// Calls that ring, and when they are answered.
    ringing: HashMap<CallId, Instant>,
    says: UnboundedSender<String>,
    heard: Option<usize>,
}

impl Phone {
    /// Binds a port of this machine's own address.
    ///
    /// # Errors
    /// A line that says what failed.
    pub(crate) async fn start(says: UnboundedSender<String>) -> Result<Self, String> {
        let mut config =
            GatewayConfig::new(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0), chance());
        config.uninvited = Uninvited::Accept;
        let failed = |error: &dyn std::fmt::Display| format!("the built-in phone: {error}");
        let mut gateway = Gateway::bind(config)
            .await
            .map_err(|error| failed(&error))?;
        let home = gateway
            .open_session("phone", SessionOptions::default())
            .map_err(|error| failed(&error))?;
        let voice = Voice::tone(Tone::new(Rate::Khz48, PHONE_HZ as f64, DBOV));
        let person = gateway
            .join(home, Join::new(Role::Publisher), voice)
            .map_err(|error| failed(&error))?;
        let ear = gateway
            .listen(home, person, Rate::Khz48)
            .map_err(|error| failed(&error))?;
        Ok(Self {
            gateway,
            home,
            ear,
            ringing: HashMap::new(),
            says,
            heard: None,
        })
    }

    /// Where it is called.
    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.sip_addr()
    }

    /// Answers calls for ever.
    pub(crate) async fn run(mut self) {
        let mut seconds = interval(Duration::from_secs(1));
        loop {
            let due = self.ringing.values().min().copied();
            tokio::select! {
                event = self.gateway.next_event() => self.handle(event),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.answer(),
                _ = seconds.tick() => self.listen(),
            }
        }
    }

    fn say(&self, text: impl Into<String>) {
        let _ = self.says.send(format!("built-in phone: {}", text.into()));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Incoming { call, request, .. } => {
                let uri = request.uri();
                let called = uri
                    .ok()
                    .and_then(|uri| uri.user().map(|user| user.to_string()));
                match called.as_deref() {
                    Some("busy") => {
                        let _ = self.gateway.reject(call, StatusCode::BUSY_HERE, None);
                        self.say("busy");
                    }
                    called => {
                        let _ = self.gateway.ring(call);
                        self.say("rings");
                        if called != Some("nobody") {
                            self.ringing.insert(call, Instant::now() + RINGS);
                        }
                    }
                }
            }
            Event::Answered { .. } => self.say("answers and says 1020 Hz"),
            Event::Key { digit, .. } => self.say(format!("key {digit}")),
            Event::Ended { call, end, .. } => {
                self.ringing.remove(&call);
                self.heard = None;
                self.say(format!("{end}"));
            }
            _ => {}
        }
    }

    fn answer(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self
            .ringing
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(call, _)| *call)
            .collect();
        for call in due {
            self.ringing.remove(&call);
            let join = Join::new(Role::Publisher);
            if let Err(error) = self.gateway.answer(call, self.home, join) {
                self.say(format!("cannot answer: {error}"));
            }
        }
    }

    /// Says what it hears when that has changed.
    fn listen(&mut self) {
        let mut pcm = Vec::new();
        self.ear.drain_into(&mut pcm);
        let up = self.gateway.calls().any(|call| {
            self.gateway
                .call(call)
                .is_some_and(|info| info.setup.is_some())
        });
        let rate = Rate::Khz48.hz() as usize;
        if !up || pcm.len() < rate {
            return;
        }
        let second = &pcm[pcm.len() - rate..];
        let heard = Spectrum::of(second, rate).map(|spectrum| spectrum.loudest_other(&[]).hz);
        let heard = heard
            .filter(|_| loudness(second) > -60.0)
            .unwrap_or_default();
        if self.heard != Some(heard) {
            self.heard = Some(heard);
            self.say(match heard {
                0 => "hears nothing".to_owned(),
                hz => format!("hears {hz} Hz"),
            });
        }
    }
}
