//! What the network, the media threads and time have to say.

use super::calls::{Entry, info};
use super::trace::CallSpan;
use super::{CapturedPacket, Event, Gateway};
use crate::call::{Call, CallEvent};
use crate::capture::Carrier;
use crate::dial::DialRequest;
use crate::engine::RoomEvent;
use crate::engine::thread::{Command, EngineEvent};
use crate::session::LeaveReason;
use sip_core::net::Direction;
use sip_core::{CallId, StatusCode, Transport};
use std::time::{Duration, Instant, UNIX_EPOCH};

impl Gateway {
    /// Takes what the media threads and the tap have to say.
    pub(super) fn pump(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            self.handle_media(event);
        }
        while let Some(tap) = self.driver.poll_tap() {
            let carrier = if tap.flow.transport == Transport::Udp {
                Carrier::Udp
            } else {
                Carrier::Tcp
            };
            let (source, destination) = match tap.direction {
                Direction::Sent => (tap.flow.local, tap.flow.remote),
                Direction::Received => (tap.flow.remote, tap.flow.local),
            };
            let at = self.unix_time(tap.at);
            let bytes = tap.bytes;
            let packet = CapturedPacket {
                at,
                carrier,
                source,
                destination,
                is_sip: true,
                bytes,
            };
            self.events.push_back(Event::Captured(packet));
        }
        while let Some(packet) = self.engine.poll_captured() {
            self.events.push_back(Event::Captured(CapturedPacket {
                at: self.unix_time(packet.at),
                carrier: Carrier::Udp,
                source: packet.source,
                destination: packet.destination,
                is_sip: false,
                bytes: bytes::Bytes::copy_from_slice(packet.bytes()),
            }));
        }
    }

    pub(super) fn handle_sip(&mut self, event: sip_core::Event) {
        let now = Instant::now();
        if let sip_core::Event::Incoming {
            call,
            user,
            offer,
            replaces,
            request,
            ..
        } = event
        {
            self.incoming(now, call, (user, replaces), offer.as_ref(), request);
        } else {
            match self.call_behind(&event) {
                Behind::Application => self.events.push_back(Event::Sip(Box::new(event))),
                Behind::Call(id) => {
                    if let Some(entry) = self.calls.get_mut(&id) {
                        let (call, endpoint) = (&mut entry.call, self.driver.endpoint());
                        entry.span.enter(|| call.handle_event(now, endpoint, event));
                        self.follow(id);
                    }
                }
                Behind::Nobody => {}
            }
        }
        self.driver.flush();
    }

    fn incoming(
        &mut self,
        now: Instant,
        id: CallId,
        (user, replaces): (Option<String>, Option<CallId>),
        offer: Option<&sip_core::Body>,
        request: sip_core::Message,
    ) {
        let shared = self.share_incoming(offer);
        let leased = match shared.map_or_else(|| self.lease(now, self.ice), Ok) {
            Ok(leased) => leased,
            Err(_) => {
                // No port, no sound: the caller may try again later.
                if let Ok(handle) = self.driver.endpoint().call(id) {
                    let _ = handle.reject(now, StatusCode::SERVICE_UNAVAILABLE, None);
                }
                return;
            }
        };
        let can = self.can(now, &self.terms(), &leased);
        let random = self.random.clone();
        let Some(call) = Call::incoming(now, self.driver.endpoint(), id, offer, can, random) else {
            self.give_back(now, leased.port, leased.relays);
            return;
        };
        let span = CallSpan::incoming(id, self.driver.endpoint());
        let entry = Entry {
            call,
            registry: self.registry.clone(),
            media_timeout: DialRequest::MEDIA_TIMEOUT,
            port: Some((leased.port, leased.relays)),
            place: None,
            stream: None,
            report: None,
            wake: None,
            span,
        };
        self.calls.insert(id, entry);
        self.counts.incoming += 1;
        self.follow(id);
        self.events.push_back(Event::Incoming {
            call: id,
            user,
            replaces,
            request,
        });
    }

    pub(super) fn handle_timeouts(&mut self) {
        let now = Instant::now();
        self.prepare(now);
        // Those of now, once each: a call that wants to be woken at once again waits for the next round.
        let due: Vec<_> = self
            .wakes
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, id)| *id)
            .collect();
        for id in due {
            if let Some(entry) = self.calls.get_mut(&id) {
                let (call, endpoint) = (&mut entry.call, self.driver.endpoint());
                entry.span.enter(|| call.handle_timeout(now, endpoint));
                self.follow(id);
            }
        }
        self.driver.flush();
    }

    fn handle_media(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Room(RoomEvent::Key { call, key }) => {
                self.events.push_back(Event::Key {
                    call,
                    digit: key.digit.to_char(),
                    duration: key.duration,
                });
            }
            EngineEvent::Room(RoomEvent::Inactive { call }) => {
                // Over already, if this fails.
                let _ = self.with_call(call, |call, now, driver| {
                    call.media_lost(now, driver.endpoint())
                });
            }
            EngineEvent::Room(RoomEvent::Unsecured { call, error }) => {
                let _ = self.with_call(call, |call, now, driver| {
                    call.unsecured(now, driver.endpoint(), error)
                });
            }
            EngineEvent::Room(RoomEvent::Unreachable { call }) => {
                let _ = self.with_call(call, |call, now, driver| {
                    call.unreachable(now, driver.endpoint())
                });
            }
            EngineEvent::Room(_) => {}
            EngineEvent::Report { call, report } => {
                if let Some(entry) = self.calls.get_mut(&call) {
                    entry.report = Some(report);
                }
            }
            EngineEvent::Level {
                room,
                participant,
                level,
            } => {
                let session = self.rooms.get(&room);
                if let Some(open) = session.and_then(|session| self.sessions.get_mut(session)) {
                    open.levels.insert(participant, level);
                }
            }
            EngineEvent::Refused {
                call: Some(call),
                error,
            } => {
                if self.calls.contains_key(&call) {
                    self.events.push_back(Event::MediaFailed { call, error });
                }
            }
            EngineEvent::Refused { .. } => {}
            EngineEvent::Released(sockets) => self.ports.release(Instant::now(), sockets),
            EngineEvent::Punctuality { thread, lateness } => {
                self.lateness.insert(thread, lateness);
            }
        }
    }

    /// Carries what a call says to the engine, its session and the application.
    pub(super) fn follow(&mut self, id: CallId) {
        self.tell_of(id);
        let wake = self
            .calls
            .get(&id)
            .and_then(|entry| entry.call.poll_timeout());
        self.set_wake(id, wake);
    }

    fn set_wake(&mut self, id: CallId, wake: Option<Instant>) {
        let Some(entry) = self.calls.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut entry.wake, wake);
        if before != wake {
            if let Some(at) = before {
                self.wakes.remove(&(at, id));
            }
            if let Some(at) = wake {
                self.wakes.insert((at, id));
            }
        }
    }

    fn tell_of(&mut self, id: CallId) {
        while let Some(entry) = self.calls.get_mut(&id)
            && let Some(event) = entry.call.poll_event()
        {
            let place = entry.place;
            entry.span.tell(&event);
            match event {
                CallEvent::Progress { status, reason } => {
                    self.events.push_back(Event::Progress {
                        call: id,
                        status,
                        reason,
                    });
                }
                CallEvent::Media(stream) => {
                    entry.stream.clone_from(&stream);
                    if let Ok(room) = self.room_of(id) {
                        // A full queue means that the engine is far behind; the call is of no use then.
                        let sent = self.engine.send(room, Command::UpdateCall { id, stream });
                        if sent.is_err() {
                            let _ = self.hang_up(id);
                        }
                    }
                }
                CallEvent::Answered => {
                    let setup = entry.call.answered_at().map(|at| at - entry.call.since());
                    self.counts.answered += 1;
                    self.counts.setup += setup.unwrap_or_default();
                    if let Some((session, who)) = place
                        && let Some(open) = self.sessions.get_mut(&session)
                    {
                        // A role that may only listen is not published; the call goes on all the same.
                        let _ = open.session.publish(who);
                    }
                    self.events.push_back(Event::Answered {
                        call: id,
                        setup: setup.unwrap_or_default(),
                    });
                }
                CallEvent::Held(by) => self.events.push_back(Event::Held { call: id, by }),
                CallEvent::Resumed(by) => self.events.push_back(Event::Resumed { call: id, by }),
                CallEvent::FellBack { status, profile } => {
                    self.events.push_back(Event::FellBack {
                        call: id,
                        status,
                        profile,
                    });
                }
                CallEvent::ChangeRefused { status, reason } => {
                    self.events.push_back(Event::ChangeRefused {
                        call: id,
                        status,
                        reason,
                    });
                }
                CallEvent::Info(info) => self.events.push_back(match info.key() {
                    Some(key) => Event::Key {
                        call: id,
                        digit: key.digit.to_char(),
                        duration: key.duration.unwrap_or_default(),
                    },
                    None => Event::Info { call: id, info },
                }),
                CallEvent::InfoAnswered { status } => {
                    self.events
                        .push_back(Event::InfoAnswered { call: id, status });
                }
                CallEvent::KeysRefused { status } => {
                    self.events
                        .push_back(Event::KeysRefused { call: id, status });
                }
                CallEvent::Transfer(step) => {
                    self.events.push_back(Event::Transfer { call: id, step });
                }
                CallEvent::TransferAsked(transfer) => {
                    self.events
                        .push_back(Event::TransferAsked { call: id, transfer });
                }
                CallEvent::Ended(end) => {
                    let info = Box::new(info(entry, Instant::now()));
                    self.counts.end(&end, &info);
                    self.displace(id);
                    self.set_wake(id, None);
                    let leased = self.calls.remove(&id).and_then(|entry| entry.port);
                    if let Some((port, relays)) = leased {
                        self.give_back(Instant::now(), port, relays);
                    }
                    if let Some((session, who)) = place
                        && let Some(open) = self.sessions.get_mut(&session)
                    {
                        // Gone already when the session sent it away.
                        let _ = open.session.leave(who, LeaveReason::Left);
                    }
                    self.events.push_back(Event::Ended {
                        call: id,
                        end,
                        info,
                    });
                }
            }
            if let Some((session, _)) = place {
                self.tell(session);
            }
        }
    }

    /// Who takes an event of the endpoint.
    fn call_behind(&mut self, event: &sip_core::Event) -> Behind {
        use sip_core::Event as E;
        let (subscription, call) = match event {
            E::ReferRequested {
                subscription, call, ..
            } => {
                let call = call.filter(|id| self.calls.contains_key(id));
                if call.is_some() {
                    self.transfers.insert(*subscription);
                }
                return call.map_or(Behind::Application, Behind::Call);
            }
            E::Subscribed {
                subscription, call, ..
            }
            | E::Notified {
                subscription, call, ..
            }
            | E::SubscriptionEnded {
                subscription, call, ..
            } => (subscription, call),
            _ => return call_named(event).map_or(Behind::Application, Behind::Call),
        };
        let is_transfer = match event {
            E::SubscriptionEnded { .. } => self.transfers.remove(subscription),
            _ => self.transfers.contains(subscription),
        };
        match (is_transfer, call) {
            (false, _) => Behind::Application,
            (true, Some(call)) => Behind::Call(*call),
            (true, None) => Behind::Nobody,
        }
    }

    fn unix_time(&self, at: Instant) -> Duration {
        let (instant, wall) = self.started;
        let since_epoch = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        since_epoch + at.saturating_duration_since(instant)
    }
}

/// Who takes an event of the endpoint.
enum Behind {
    Application,
    Call(CallId),
    /// A transfer whose call is over.
    Nobody,
}

/// The call that an event of the endpoint is about, where calls take it.
fn call_named(event: &sip_core::Event) -> Option<CallId> {
    use sip_core::Event as E;
    match event {
        E::Incoming { call, .. }
        | E::Progress { call, .. }
        | E::OfferedAgain { call, .. }
        | E::Answered { call, .. }
        | E::Confirmed { call, .. }
        | E::Offered { call, .. }
        | E::ReinviteAnswered { call, .. }
        | E::ReinviteFailed { call, .. }
        | E::Info { call, .. }
        | E::RequestAnswered { call, .. }
        | E::Ended { call, .. } => Some(*call),
        _ => None,
    }
}
