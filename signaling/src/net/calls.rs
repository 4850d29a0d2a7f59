//! Commands on calls.

use super::shared::Terms;
use super::trace::CallSpan;
use super::{CallInfo, Gateway, GatewayError, SessionId};
use crate::call::{Call, CallError, Side};
use crate::dial::DialRequest;
use crate::engine::relays::Relays;
use crate::engine::thread::{Command, Port, RoomKey};
use crate::engine::{LegConfig, LegReport, PcmReader, Who, tap};
use crate::session::{Action, Join, LeaveReason, Origin, ParticipantId};
use media_mix::Rate;
use media_mix::codec::Registry;
use rtp_core::negotiate::AudioStream;
use rtp_core::rtcp;
use sip_core::net::Driver;
use sip_core::{CallId, StatusCode};
use std::time::{Duration, Instant};
use token::Role;

/// A call and its place in a session.
pub(super) struct Entry {
    pub(super) call: Call,
    pub(super) registry: Registry,
    pub(super) media_timeout: Duration,
    /// Until the call joins a session.
    pub(super) port: Option<(Port, Relays)>,
    pub(super) place: Option<(SessionId, ParticipantId)>,
    pub(super) stream: Option<Box<AudioStream>>,
    pub(super) report: Option<LegReport>,
    /// When the call wants to be woken; stands in [`Gateway::wakes`] too.
    pub(super) wake: Option<Instant>,
    pub(super) span: CallSpan,
}

impl Gateway {
    /// Dials a phone into a session. The phone is a participant from now on; it is heard once it answers.
    ///
    /// # Errors
    /// When the session is full, no port is free, a codec is unknown, or the INVITE cannot be sent.
    pub fn dial(
        &mut self,
        session: SessionId,
        request: &DialRequest,
    ) -> Result<CallId, GatewayError> {
        let now = Instant::now();
        if !self.sessions.contains_key(&session) {
            return Err(GatewayError::NoSuchSession(session));
        }
        let mut registry = self.registry.clone();
        if let Some(codecs) = &request.codecs {
            let names: Vec<_> = codecs.iter().map(String::as_str).collect();
            if let Some(unknown) = registry.prefer(&names).first() {
                return Err(GatewayError::UnknownCodec((*unknown).to_owned()));
            }
        }
        let leased = match self.share_dial(session, request) {
            Some(shared) => shared,
            None => self.lease(now, request.ice)?,
        };
        let terms = Terms {
            registry: &registry,
            secure: request.secure,
            suites: &request.suites,
            ice: request.ice,
        };
        let can = self.can(now, &terms, &leased);
        let open = self
            .sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        let span = CallSpan::outgoing(open.session.id(), &request.uri);
        let (endpoint, random) = (self.driver.endpoint(), self.random.clone());
        let dialled = span.enter(|| Call::dial(now, endpoint, request, can, random));
        let call = match dialled {
            Ok(call) => call,
            Err(error) => {
                self.give_back(now, leased.port, leased.relays);
                return Err(error.into());
            }
        };
        let id = call.id();
        span.is(id, self.driver.endpoint());
        let join = Join::new(Role::Publisher)
            .data(&request.data)
            .origin(Origin::Phone)
            .drawn(&self.random);
        let joined = open.session.join(now, join);
        let entry = Entry {
            call,
            registry,
            media_timeout: request.media_timeout,
            port: Some((leased.port, leased.relays)),
            place: None,
            stream: None,
            report: None,
            wake: None,
            span,
        };
        self.calls.insert(id, entry);
        let placed = joined
            .map_err(GatewayError::from)
            .and_then(|who| self.place(id, session, who));
        if let Err(error) = placed {
            // The INVITE may be out by now: take it back. The call's end comes as an event.
            let _ = self.hang_up(id);
            return Err(error);
        }
        self.counts.dialled += 1;
        self.follow(id);
        self.tell(session);
        self.driver.flush();
        Ok(id)
    }

    /// Says 180 Ringing to a call that comes in.
    ///
    /// # Errors
    /// When it does not wait for an answer.
    pub fn ring(&mut self, call: CallId) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| call.ring(now, driver.endpoint()))
    }

    /// Answers a call that comes in and lets it into a session.
    ///
    /// # Errors
    /// When it does not wait for an answer, or the session refuses.
    pub fn answer(
        &mut self,
        call: CallId,
        session: SessionId,
        join: Join,
    ) -> Result<ParticipantId, GatewayError> {
        if !self.calls.contains_key(&call) {
            return Err(GatewayError::NoSuchCall);
        }
        self.settle(Instant::now(), call, session);
        let open = self
            .sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        let who = open.session.join(
            Instant::now(),
            join.origin(Origin::Phone).drawn(&self.random),
        )?;
        let answered = self.place(call, session, who).and_then(|()| {
            self.with_call(call, |call, now, driver| {
                call.answer(now, driver.endpoint())
            })
        });
        if answered.is_err() {
            self.displace(call);
            if let Some(open) = self.sessions.get_mut(&session) {
                let _ = open.session.leave(who, LeaveReason::Left);
            }
        }
        self.tell(session);
        answered.map(|()| who)
    }

    /// Refuses a call that comes in; `phrase` replaces the status's usual words.
    ///
    /// # Errors
    /// When it does not wait for an answer, or the status is none of 300 to 699.
    pub fn reject(
        &mut self,
        call: CallId,
        status: StatusCode,
        phrase: Option<&str>,
    ) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.reject(now, driver.endpoint(), status, phrase)
        })
    }

    /// Hangs up: CANCEL or BYE, whichever fits. [`Event::Ended`](super::Event::Ended) follows.
    ///
    /// # Errors
    /// When the call is over.
    pub fn hang_up(&mut self, call: CallId) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.hang_up(now, driver.endpoint())
        })
    }

    /// The sound that comes from a phone, from now on, as it is mixed.
    ///
    /// # Errors
    /// When there is no such call in a session.
    pub fn tap_received(&mut self, call: CallId, rate: Rate) -> Result<PcmReader, GatewayError> {
        let room = self.room_of(call)?;
        let (sink, reader) = tap(rate);
        self.engine.send(
            room,
            Command::TapSaid {
                who: Who::Call(call),
                sink,
            },
        )?;
        Ok(reader)
    }

    /// The sound that is made for a phone, from now on, before it is encoded.
    ///
    /// # Errors
    /// When there is no such call in a session.
    pub fn tap_sent(&mut self, call: CallId, rate: Rate) -> Result<PcmReader, GatewayError> {
        let room = self.room_of(call)?;
        let (sink, reader) = tap(rate);
        self.engine.send(
            room,
            Command::TapHeard {
                who: Who::Call(call),
                sink,
            },
        )?;
        Ok(reader)
    }

    /// The figures of a call; `None` when it is over.
    pub fn call(&self, call: CallId) -> Option<CallInfo> {
        self.calls
            .get(&call)
            .map(|entry| info(entry, Instant::now()))
    }

    /// The session that a call is in, and who it is there.
    pub fn place_of(&self, call: CallId) -> Option<(SessionId, ParticipantId)> {
        self.calls.get(&call).and_then(|entry| entry.place)
    }

    /// The call by which a participant is in a session; `None` for those who are no phone.
    pub fn call_of(&self, session: SessionId, id: ParticipantId) -> Option<CallId> {
        self.sessions.get(&session)?.phones.get(&id).copied()
    }

    /// The calls that are not over.
    pub fn calls(&self) -> impl Iterator<Item = CallId> + '_ {
        self.calls.keys().copied()
    }

    /// Gives a call its place in a session's room.
    fn place(
        &mut self,
        id: CallId,
        session: SessionId,
        who: ParticipantId,
    ) -> Result<(), GatewayError> {
        let open = self
            .sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        let entry = self.calls.get_mut(&id).ok_or(GatewayError::NoSuchCall)?;
        let (port, relays) = entry
            .port
            .take()
            .ok_or(CallError::State("waiting for a session"))?;
        entry.place = Some((session, who));
        entry.span.joins(open.session.id(), who);
        open.phones.insert(who, id);
        let (instant, wall) = self.started;
        let epoch = rtcp::Epoch::new(instant, wall);
        let mut config = LegConfig::new(entry.registry.clone(), self.random.clone(), epoch);
        config.media_timeout = entry.media_timeout;
        config.certificate = Some(self.certificate.clone());
        let hears = open.session.allow(who, Action::Subscribe).is_ok();
        let command = Command::AddCall {
            id,
            config: Box::new(config),
            hears,
            port,
            relays,
        };
        self.engine.send(open.room, command)?;
        Ok(())
    }

    /// Takes a call out of its room.
    pub(super) fn displace(&mut self, id: CallId) {
        if let Ok(room) = self.room_of(id) {
            let _ = self.engine.send(room, Command::RemoveCall(id));
        }
        if let Some(entry) = self.calls.get_mut(&id)
            && let Some((session, who)) = entry.place.take()
            && let Some(open) = self.sessions.get_mut(&session)
        {
            open.phones.remove(&who);
        }
    }

    pub(super) fn with_call(
        &mut self,
        id: CallId,
        command: impl FnOnce(&mut Call, Instant, &mut Driver) -> Result<(), CallError>,
    ) -> Result<(), GatewayError> {
        let entry = self.calls.get_mut(&id).ok_or(GatewayError::NoSuchCall)?;
        let (call, driver) = (&mut entry.call, &mut self.driver);
        let done = entry.span.enter(|| command(call, Instant::now(), driver));
        self.follow(id);
        self.driver.flush();
        Ok(done?)
    }

    pub(super) fn room_of(&self, call: CallId) -> Result<RoomKey, GatewayError> {
        let entry = self.calls.get(&call).ok_or(GatewayError::NoSuchCall)?;
        let (session, _) = entry.place.ok_or(GatewayError::NotJoined)?;
        Ok(self
            .sessions
            .get(&session)
            .ok_or(GatewayError::NoSuchSession(session))?
            .room)
    }
}

pub(super) fn info(entry: &Entry, now: Instant) -> CallInfo {
    let call = &entry.call;
    let stream = entry.stream.as_ref();
    CallInfo {
        call: call.id(),
        state: call.state(),
        duration: call
            .answered_at()
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
        setup: call.answered_at().map(|at| at - call.since()),
        suite: match stream.and_then(|stream| stream.srtp.as_ref()) {
            Some(keys) => Some(keys.local.suite()),
            None => entry.report.as_ref().and_then(|report| report.suite),
        },
        dtls: stream.is_some_and(|stream| stream.dtls.is_some()),
        pair: entry.report.as_ref().and_then(|report| report.pair),
        codec: stream
            .map(|stream| stream.send.codec.name.clone())
            .unwrap_or_default(),
        held_by_us: call.is_held(Side::Us),
        held_by_peer: call.is_held(Side::Peer),
        media: entry.report.clone(),
    }
}
