//! INFO in a call (RFC 6086): what comes, and what goes: one at a time, in order, pressed keys among them.

use super::{Call, CallError, CallEvent, CallState};
use rtp_core::dtmf::{Digit, DtmfError, InfoKey, dtmf_relay_body, parse_info};
use sip_core::{Body, Endpoint, StatusCode};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Requests, keys and pauses that may wait, as many as wait for RFC 4733.
const MOST: usize = 256;

/// How long a key is said to be held.
const HELD: Duration = Duration::from_millis(100);

/// From one key to the next: whoever plays them as tones needs the time, and the gap after it.
const KEY: Duration = Duration::from_millis(200);

/// What `p` and `w` wait.
const PAUSE: Duration = Duration::from_millis(500);

/// What an INFO carries.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Its Info package, one that the receiver's Recv-Info names; none for an INFO of the old kind (RFC 2976).
    pub package: Option<String>,
    /// Its body.
    pub body: Option<Body>,
}

impl Info {
    /// An INFO of the old kind.
    pub fn new(body: Body) -> Self {
        Self {
            package: None,
            body: Some(body),
        }
    }

    /// An INFO of a package.
    pub fn of_package(package: impl Into<String>, body: Option<Body>) -> Self {
        Self {
            package: Some(package.into()),
            body,
        }
    }

    /// The key that it presses, if that is what it does: `application/dtmf-relay` or `application/dtmf`.
    pub fn key(&self) -> Option<InfoKey> {
        let is_old = match &self.package {
            None => true,
            Some(package) => package.eq_ignore_ascii_case("dtmf"),
        };
        let body = self.body.as_ref().filter(|_| is_old)?;
        parse_info(&body.content_type, &body.bytes)
    }
}

#[derive(Debug)]
enum Item {
    Key(Digit),
    Pause,
    Info(Info),
}

/// What waits, and what is out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Item>,
    /// Whether a request is out, and whether it is a key.
    out: Option<bool>,
    /// When the next may go.
    free_at: Option<Instant>,
}

impl Outbox {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match (self.out, self.waiting.is_empty()) {
            (None, false) => self.free_at,
            _ => None,
        }
    }
}

impl Call {
    /// Sends an INFO once those before it are answered. [`CallEvent::InfoAnswered`] follows.
    ///
    /// # Errors
    /// When the call is not up, the phone has not said that it takes this package, or too many wait.
    pub fn send_info(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        info: Info,
    ) -> Result<(), CallError> {
        let handle = self.on_line(endpoint)?;
        if let Some(package) = &info.package
            && !handle.takes_info_package(package)
        {
            return Err(CallError::Package(package.clone()));
        }
        self.queue(now, endpoint, vec![Item::Info(info)])
    }

    /// Presses keys by INFO, `application/dtmf-relay`, for phones that take none in RTP: `0`–`9`, `*`, `#`, `A`–`D`, and
    /// `p` or `w` for half a second's pause. Five keys a second at most, each once the one before is answered. When one is
    /// refused, those after it are dropped, and [`CallEvent::KeysRefused`] says so.
    ///
    /// # Errors
    /// When the call is not up, a character is no key, or too many wait.
    pub fn press_by_info(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        keys: &str,
    ) -> Result<(), CallError> {
        self.on_line(endpoint)?;
        let items = keys.chars().map(|key| match key {
            'p' | 'P' | 'w' | 'W' => Ok(Item::Pause),
            key => Digit::from_char(key)
                .map(Item::Key)
                .ok_or(DtmfError::Unknown(key)),
        });
        let items = items.collect::<Result<Vec<_>, _>>()?;
        self.queue(now, endpoint, items)
    }

    fn queue(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        items: Vec<Item>,
    ) -> Result<(), CallError> {
        if self.infos.waiting.len() + items.len() > MOST {
            return Err(DtmfError::Full.into());
        }
        self.infos.waiting.extend(items);
        self.infos.free_at.get_or_insert(now);
        self.send_infos(now, endpoint);
        Ok(())
    }

    /// Sends what may go by now.
    pub(super) fn send_infos(&mut self, now: Instant, endpoint: &mut Endpoint) {
        while self.state == CallState::Up
            && self.infos.poll_timeout().is_some_and(|at| at <= now)
            && let Some(item) = self.infos.waiting.pop_front()
        {
            let Ok(handle) = endpoint.call(self.id) else {
                return;
            };
            let (sent, wait) = match &item {
                Item::Pause => {
                    self.infos.free_at = Some(now + PAUSE);
                    continue;
                }
                Item::Key(key) => {
                    let body = Body::new("application/dtmf-relay", dtmf_relay_body(*key, HELD));
                    (handle.info(now, body), KEY)
                }
                Item::Info(info) => {
                    let sent = match (&info.package, &info.body) {
                        (Some(package), body) => handle.info_package(now, package, body.clone()),
                        (None, Some(body)) => handle.info(now, body.clone()),
                        // Nothing to say: nothing is said.
                        (None, None) => continue,
                    };
                    (sent, Duration::ZERO)
                }
            };
            let is_key = matches!(item, Item::Key(_));
            self.infos.free_at = Some(now + wait);
            match sent {
                Ok(()) => self.infos.out = Some(is_key),
                // What cannot be built, a type with a line break for instance, is as good as refused.
                Err(_) => self.info_answered(is_key, StatusCode::BAD_REQUEST),
            }
        }
    }

    /// An INFO of ours was answered.
    pub(super) fn answer_came(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        status: StatusCode,
    ) {
        if let Some(is_key) = self.infos.out.take() {
            self.info_answered(is_key, status);
            self.send_infos(now, endpoint);
        }
    }

    fn info_answered(&mut self, is_key: bool, status: StatusCode) {
        if !is_key {
            self.events.push_back(CallEvent::InfoAnswered { status });
        } else if status.code() >= 300 {
            let infos = &mut self.infos.waiting;
            infos.retain(|item| matches!(item, Item::Info(_)));
            self.events.push_back(CallEvent::KeysRefused { status });
        }
    }
}
