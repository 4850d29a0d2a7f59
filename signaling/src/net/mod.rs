//! Sessions and calls on real sockets: the [`Gateway`].
//!
//! One gateway is one SIP endpoint (UDP and TCP at one address), media threads, sessions, and the calls that join
//! them. It holds no protocol: SIP is [`sip_core::net::Driver`]'s, calls are [`Call`]s, sound is the
//! [engine](crate::engine)'s. Commands return at once; what comes of them is told by [`Gateway::next_event`], which
//! also drives everything: await it in a loop.
#![allow(clippy::disallowed_methods)] // This is the driver: it owns the clock.

mod config;
mod event;

pub use crate::engine::thread::EngineBusy;
pub use config::GatewayConfig;
pub use event::{CallInfo, CapturedPacket, Event};

use crate::call::{Call, CallError, CallEvent, Side, capabilities};
use crate::capture::Carrier;
use crate::dial::{DialRequest, Secure};
use crate::engine::thread::{Command, Engine, EngineEvent, RoomKey};
use crate::engine::{Lateness, LegConfig, LegReport, PcmReader, Room, RoomEvent, Voice, Who, tap};
use crate::random::Random;
use crate::session::{
    Action, Join, LeaveReason, Origin, ParticipantId, Session, SessionError, SessionEvent,
    SessionOptions,
};
use media_mix::codec::Registry;
use media_mix::{Level, MixerConfig, Rate};
use rtp_core::dtmf::{Digit, parse_info};
use rtp_core::negotiate::{AudioStream, Hold, LocalAddress};
use rtp_core::net::{PortAllocator, PortError, RtpSockets};
use rtp_core::rtcp;
use sip_core::net::{Direction, Driver, Listen};
use sip_core::{CallId, Config, StatusCode, Transport};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use token::Role;
use tokio::sync::Notify;

/// SIP messages that wait to be captured.
const SIP_TAP: usize = 1024;
/// Ports to try when one must be free for UDP and TCP alike.
const PORT_TRIES: usize = 16;

/// Names a session of one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a command was refused; nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// There is no such session.
    #[error("there is no session {0}")]
    NoSuchSession(SessionId),
    /// There is no such call, or it is over.
    #[error("the call is over")]
    NoSuchCall,
    /// The call has not joined a session yet.
    #[error("the call is not in a session")]
    NotJoined,
    /// The session refused.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The call refused.
    #[error(transparent)]
    Call(#[from] CallError),
    /// No ports for the sound.
    #[error(transparent)]
    Ports(#[from] PortError),
    /// The media engine cannot take a command now.
    #[error(transparent)]
    Busy(#[from] EngineBusy),
    /// A codec that the registry does not have.
    #[error("there is no codec \"{0}\"")]
    UnknownCodec(String),
    /// Not a key of a phone, nor a pause.
    #[error("'{0}' is not a key: use 0-9, *, #, A-D, and p for a pause")]
    NotAKey(char),
    /// The phone did not agree to take keys in RTP (RFC 4733).
    #[error("the phone takes no keys in RTP")]
    NoKeys,
}

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// SIP cannot listen.
    #[error("cannot listen for SIP at {addr}: {source}")]
    Sip {
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The range of media ports is of no use.
    #[error(transparent)]
    Ports(#[from] PortError),
    /// A media thread cannot start.
    #[error("cannot start a media thread: {0}")]
    Thread(#[from] io::Error),
}

/// A call and its place in a session.
struct Entry {
    call: Call,
    registry: Registry,
    media_timeout: Duration,
    /// Until the call joins a session.
    sockets: Option<RtpSockets>,
    place: Option<(SessionId, ParticipantId)>,
    stream: Option<Box<AudioStream>>,
    report: Option<LegReport>,
}

struct OpenSession {
    session: Session,
    room: RoomKey,
    levels: HashMap<ParticipantId, Level>,
}

/// SIP, sound, sessions and calls at one address. See the [module](self).
pub struct Gateway {
    driver: Driver,
    engine: Engine,
    notify: Arc<Notify>,
    ports: PortAllocator,
    registry: Registry,
    secure: Secure,
    random: Random,
    advertise: Option<std::net::IpAddr>,
    sip: SocketAddr,
    sessions: HashMap<SessionId, OpenSession>,
    calls: HashMap<CallId, Entry>,
    next_session: u64,
    events: VecDeque<Event>,
    lateness: HashMap<usize, Lateness>,
    started: (Instant, SystemTime),
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("sip", &self.sip)
            .field("sessions", &self.sessions.len())
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Opens the sockets and starts the media threads; must run inside a tokio runtime.
    ///
    /// Cancel safe: dropped early, it closes what it opened.
    ///
    /// # Errors
    /// When SIP cannot listen at the address, the port range is of no use, or a thread cannot start.
    pub async fn bind(config: GatewayConfig) -> Result<Self, BindError> {
        let ports = PortAllocator::new(config.bind.ip(), config.rtp_ports.clone())?;
        let mut endpoint = Config::default();
        endpoint.uninvited = config.uninvited;
        endpoint.digest = config.digest;
        endpoint.user_agent.clone_from(&config.user_agent);
        let mut driver = Driver::new(endpoint, config.random.boxed());
        let sip = listen(&mut driver, config.bind, config.advertise)
            .await
            .map_err(|source| BindError::Sip {
                addr: config.bind,
                source,
            })?;
        let notify = Arc::new(Notify::new());
        let mut engine = Engine::start(config.media_threads, notify.clone())?;
        if config.capture {
            driver.set_tap(SIP_TAP);
            // Cannot fail: the queue is new and empty.
            let _ = engine.capture();
        }
        Ok(Self {
            driver,
            engine,
            notify,
            ports,
            registry: config.registry,
            secure: config.secure,
            random: config.random,
            advertise: config.advertise,
            sip,
            sessions: HashMap::new(),
            calls: HashMap::new(),
            next_session: 1,
            events: VecDeque::new(),
            lateness: HashMap::new(),
            started: (Instant::now(), SystemTime::now()),
        })
    }

    /// Where SIP listens, on UDP and TCP.
    pub fn sip_addr(&self) -> SocketAddr {
        self.sip
    }

    /// Opens a session; `id` is what tokens name.
    ///
    /// # Errors
    /// When the media engine takes no command.
    pub fn open_session(
        &mut self,
        id: impl Into<String>,
        options: SessionOptions,
    ) -> Result<SessionId, GatewayError> {
        let room = self.engine.open_room(Room::new(MixerConfig::default()))?;
        let key = SessionId(self.next_session);
        self.next_session += 1;
        let session = Session::new(id, options);
        self.sessions.insert(
            key,
            OpenSession {
                session,
                room,
                levels: HashMap::new(),
            },
        );
        Ok(key)
    }

    /// Closes a session: its calls are hung up, its participants leave.
    ///
    /// # Errors
    /// When there is no such session, or the media engine takes no command.
    pub fn close_session(&mut self, session: SessionId) -> Result<(), GatewayError> {
        let open = self
            .sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        let room = open.room;
        open.session.close();
        self.tell(session);
        self.engine.close_room(room)?;
        self.sessions.remove(&session);
        Ok(())
    }

    /// A session's participants and what they may do.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn session(&self, session: SessionId) -> Result<&Session, GatewayError> {
        let open = self
            .sessions
            .get(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        Ok(&open.session)
    }

    /// Lets a participant in whose voice the application makes, and publishes the voice if there is one.
    ///
    /// # Errors
    /// When the session refuses, for instance a voice to a role that may not publish.
    pub fn join(
        &mut self,
        session: SessionId,
        join: Join,
        voice: Voice,
    ) -> Result<ParticipantId, GatewayError> {
        let open = self
            .sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        let id = open.session.join(Instant::now(), join)?;
        let speaks = voice.rate().is_some();
        let published = if speaks {
            open.session.publish(id)
        } else {
            Ok(())
        };
        let hears = open.session.allow(id, Action::Subscribe).is_ok();
        let placed = published.map_err(GatewayError::from).and_then(|()| {
            let command = Command::AddParticipant { id, voice, hears };
            self.engine
                .send(open.room, command)
                .map_err(GatewayError::from)
        });
        if placed.is_err() {
            let _ = open.session.leave(id, LeaveReason::Left);
        }
        self.tell(session);
        placed.map(|()| id)
    }

    /// Takes a participant out; a phone is hung up.
    ///
    /// # Errors
    /// When there is no such session or participant.
    pub fn leave(&mut self, session: SessionId, id: ParticipantId) -> Result<(), GatewayError> {
        let open = self
            .sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        open.session.leave(id, LeaveReason::Left)?;
        self.tell(session);
        Ok(())
    }

    /// A moderator sends a participant away; a phone is hung up.
    ///
    /// # Errors
    /// When `by` is no moderator, or either is not in the session.
    pub fn force_disconnect(
        &mut self,
        session: SessionId,
        by: ParticipantId,
        target: ParticipantId,
    ) -> Result<(), GatewayError> {
        let open = self
            .sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        open.session.force_disconnect(by, target)?;
        self.tell(session);
        Ok(())
    }

    /// Silences a participant's voice at its own wish, or gives it back.
    ///
    /// # Errors
    /// When there is no such participant, or a moderator silenced it.
    pub fn mute(
        &mut self,
        session: SessionId,
        id: ParticipantId,
        muted: bool,
    ) -> Result<(), GatewayError> {
        let open = self
            .sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        open.session.mute(id, muted)?;
        self.tell(session);
        Ok(())
    }

    /// A moderator silences a voice, or lifts that.
    ///
    /// # Errors
    /// When `by` is no moderator, or either is not in the session.
    pub fn force_mute(
        &mut self,
        session: SessionId,
        by: ParticipantId,
        target: ParticipantId,
        muted: bool,
    ) -> Result<(), GatewayError> {
        let open = self
            .sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        open.session.force_mute(by, target, muted)?;
        self.tell(session);
        Ok(())
    }

    /// The level of a participant's voice, up to 200 ms old.
    pub fn level(&self, session: SessionId, id: ParticipantId) -> Level {
        let known = self
            .sessions
            .get(&session)
            .and_then(|open| open.levels.get(&id));
        known.copied().unwrap_or(Level::SILENCE)
    }

    /// What a participant hears from now on: the mix without its own voice.
    ///
    /// # Errors
    /// When there is no such participant.
    pub fn listen(
        &mut self,
        session: SessionId,
        id: ParticipantId,
        rate: Rate,
    ) -> Result<PcmReader, GatewayError> {
        let open = self
            .sessions
            .get(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        open.session.participant(id)?;
        let who = self.who(session, id);
        let (sink, reader) = tap(rate);
        self.engine
            .send(open.room, Command::TapHeard { who, sink })?;
        Ok(reader)
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
        let open = self
            .sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        let mut registry = self.registry.clone();
        if let Some(codecs) = &request.codecs {
            let names: Vec<_> = codecs.iter().map(String::as_str).collect();
            if let Some(unknown) = registry.prefer(&names).first() {
                return Err(GatewayError::UnknownCodec((*unknown).to_owned()));
            }
        }
        let sockets = self.ports.allocate(now)?;
        let local = local_address(&sockets, self.advertise);
        let can = capabilities(&registry, local, request.secure);
        let dialled = Call::dial(
            now,
            self.driver.endpoint(),
            request,
            can,
            self.random.clone(),
        );
        let call = match dialled {
            Ok(call) => call,
            Err(error) => {
                self.ports.release(now, sockets);
                return Err(error.into());
            }
        };
        let id = call.id();
        let join = Join::new(Role::Publisher)
            .data(&request.data)
            .origin(Origin::Phone);
        let joined = open.session.join(now, join);
        let entry = Entry {
            call,
            registry,
            media_timeout: request.media_timeout,
            sockets: Some(sockets),
            place: None,
            stream: None,
            report: None,
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
        let open = self
            .sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        let who = open
            .session
            .join(Instant::now(), join.origin(Origin::Phone))?;
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

    /// Holds a call.
    ///
    /// # Errors
    /// When it is not up, or another change is under way.
    pub fn hold(&mut self, call: CallId, how: Hold) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.hold(now, driver.endpoint(), how)
        })
    }

    /// Ends our hold of a call.
    ///
    /// # Errors
    /// When it is not up, or another change is under way.
    pub fn resume(&mut self, call: CallId) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.resume(now, driver.endpoint())
        })
    }

    /// Hangs up: CANCEL or BYE, whichever fits. [`Event::Ended`] follows.
    ///
    /// # Errors
    /// When the call is over.
    pub fn hang_up(&mut self, call: CallId) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.hang_up(now, driver.endpoint())
        })
    }

    /// Presses keys on a phone (RFC 4733): `0`–`9`, `*`, `#`, `A`–`D`, and `p` or `w` for half a second's pause.
    ///
    /// # Errors
    /// When the call is not up, the phone takes no keys in RTP, or a character is no key.
    pub fn send_dtmf(&mut self, call: CallId, digits: &str) -> Result<(), GatewayError> {
        let is_key =
            |c: &char| matches!(c, 'p' | 'P' | 'w' | 'W') || Digit::from_char(*c).is_some();
        if let Some(wrong) = digits.chars().find(|c| !is_key(c)) {
            return Err(GatewayError::NotAKey(wrong));
        }
        let room = self.room_of(call)?;
        let entry = self.calls.get(&call).ok_or(GatewayError::NoSuchCall)?;
        let takes_keys = entry
            .stream
            .as_ref()
            .is_some_and(|stream| stream.send_dtmf.is_some());
        if !takes_keys {
            return Err(GatewayError::NoKeys);
        }
        self.engine.send(
            room,
            Command::Press {
                id: call,
                digits: digits.to_owned(),
            },
        )?;
        Ok(())
    }

    /// The figures of a call; `None` when it is over.
    pub fn call(&self, call: CallId) -> Option<CallInfo> {
        self.calls
            .get(&call)
            .map(|entry| info(entry, Instant::now()))
    }

    /// The calls that are not over.
    pub fn calls(&self) -> impl Iterator<Item = CallId> + '_ {
        self.calls.keys().copied()
    }

    /// How punctual the ticks of the media threads are, the worst of all threads.
    pub fn lateness(&self) -> Lateness {
        self.lateness
            .values()
            .copied()
            .max_by_key(|lateness| lateness.worst)
            .unwrap_or_default()
    }

    /// Waits for what happens next, and does everything that the network and time ask for meanwhile.
    ///
    /// Cancel safe: an event is either returned or still there for the next call.
    pub async fn next_event(&mut self) -> Event {
        loop {
            self.pump();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let deadline = self
                .calls
                .values()
                .filter_map(|entry| entry.call.poll_timeout())
                .min();
            let sleep = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            // Every branch is cancel safe, and what it gives is handled before the next await.
            tokio::select! {
                event = self.driver.next_event() => self.handle_sip(event),
                () = self.notify.notified() => {}
                () = sleep => self.handle_timeouts(),
            }
        }
    }

    /// Hangs up every call and waits for their ends, at most `patience`; events of that time are dropped.
    ///
    /// Cancel safe: called again, it goes on.
    pub async fn shut_down(&mut self, patience: Duration) {
        for call in self.calls().collect::<Vec<_>>() {
            let _ = self.hang_up(call);
        }
        let end = tokio::time::Instant::now() + patience;
        while !self.calls.is_empty() {
            if tokio::time::timeout_at(end, self.next_event())
                .await
                .is_err()
            {
                break;
            }
        }
        self.driver.flush();
    }

    /// Takes what the media threads and the tap have to say.
    fn pump(&mut self) {
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

    fn handle_sip(&mut self, event: sip_core::Event) {
        let now = Instant::now();
        if let sip_core::Event::Incoming {
            call,
            user,
            offer,
            request,
            ..
        } = event
        {
            self.incoming(now, call, user, offer.as_ref(), request);
        } else if let Some(id) = call_of(&event)
            && let Some(entry) = self.calls.get_mut(&id)
        {
            entry.call.handle_event(now, self.driver.endpoint(), event);
            self.follow(id);
        }
        self.driver.flush();
    }

    fn incoming(
        &mut self,
        now: Instant,
        id: CallId,
        user: Option<String>,
        offer: Option<&sip_core::Body>,
        request: sip_core::Message,
    ) {
        let sockets = match self.ports.allocate(now) {
            Ok(sockets) => sockets,
            Err(_) => {
                // No port, no sound: the caller may try again later.
                if let Ok(handle) = self.driver.endpoint().call(id) {
                    let _ = handle.reject(now, StatusCode::SERVICE_UNAVAILABLE, None);
                }
                return;
            }
        };
        let can = capabilities(
            &self.registry,
            local_address(&sockets, self.advertise),
            self.secure,
        );
        let random = self.random.clone();
        let Some(call) = Call::incoming(now, self.driver.endpoint(), id, offer, can, random) else {
            self.ports.release(now, sockets);
            return;
        };
        let entry = Entry {
            call,
            registry: self.registry.clone(),
            media_timeout: DialRequest::MEDIA_TIMEOUT,
            sockets: Some(sockets),
            place: None,
            stream: None,
            report: None,
        };
        self.calls.insert(id, entry);
        self.events.push_back(Event::Incoming {
            call: id,
            user,
            request,
        });
    }

    fn handle_timeouts(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, entry)| entry.call.poll_timeout().is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            if let Some(entry) = self.calls.get_mut(&id) {
                entry.call.handle_timeout(now, self.driver.endpoint());
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
                if let Some(open) = self.sessions.values_mut().find(|open| open.room == room) {
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
    fn follow(&mut self, id: CallId) {
        while let Some(entry) = self.calls.get_mut(&id)
            && let Some(event) = entry.call.poll_event()
        {
            let place = entry.place;
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
                CallEvent::ChangeRefused { status, reason } => {
                    self.events.push_back(Event::ChangeRefused {
                        call: id,
                        status,
                        reason,
                    });
                }
                CallEvent::Info(body) => {
                    if let Some(key) = parse_info(&body.content_type, &body.bytes) {
                        self.events.push_back(Event::Key {
                            call: id,
                            digit: key.digit.to_char(),
                            duration: key.duration.unwrap_or_default(),
                        });
                    }
                }
                CallEvent::Ended(end) => {
                    let info = Box::new(info(entry, Instant::now()));
                    self.displace(id);
                    if let Some(sockets) = self.calls.remove(&id).and_then(|entry| entry.sockets) {
                        self.ports.release(Instant::now(), sockets);
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

    /// Carries what a session says to the engine, its calls and the application.
    fn tell(&mut self, session: SessionId) {
        while let Some(open) = self.sessions.get_mut(&session)
            && let Some(event) = open.session.poll_event()
        {
            let room = open.room;
            match event {
                SessionEvent::Muted {
                    participant, muted, ..
                } => {
                    let who = self.who(session, participant);
                    let _ = self.engine.send(room, Command::Mute { who, muted });
                }
                SessionEvent::Left { participant, .. } => {
                    open.levels.remove(&participant);
                    match self.who(session, participant) {
                        Who::Call(call) => {
                            let _ = self.hang_up(call);
                        }
                        Who::Participant(id) => {
                            let _ = self.engine.send(room, Command::RemoveParticipant(id));
                        }
                    }
                }
                _ => {}
            }
            self.events.push_back(Event::Session { session, event });
        }
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
            .get(&session)
            .ok_or(GatewayError::NoSuchSession(session))?;
        let entry = self.calls.get_mut(&id).ok_or(GatewayError::NoSuchCall)?;
        let sockets = entry
            .sockets
            .take()
            .ok_or(CallError::State("waiting for a session"))?;
        entry.place = Some((session, who));
        let (instant, wall) = self.started;
        let epoch = rtcp::Epoch::new(instant, wall);
        let mut config = LegConfig::new(entry.registry.clone(), self.random.clone(), epoch);
        config.media_timeout = entry.media_timeout;
        let hears = open.session.allow(who, Action::Subscribe).is_ok();
        let command = Command::AddCall {
            id,
            config: Box::new(config),
            hears,
            sockets,
        };
        self.engine.send(open.room, command)?;
        Ok(())
    }

    /// Takes a call out of its room.
    fn displace(&mut self, id: CallId) {
        if let Ok(room) = self.room_of(id) {
            let _ = self.engine.send(room, Command::RemoveCall(id));
        }
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.place = None;
        }
    }

    fn with_call(
        &mut self,
        id: CallId,
        command: impl FnOnce(&mut Call, Instant, &mut Driver) -> Result<(), CallError>,
    ) -> Result<(), GatewayError> {
        let entry = self.calls.get_mut(&id).ok_or(GatewayError::NoSuchCall)?;
        let done = command(&mut entry.call, Instant::now(), &mut self.driver);
        self.follow(id);
        self.driver.flush();
        Ok(done?)
    }

    fn room_of(&self, call: CallId) -> Result<RoomKey, GatewayError> {
        let entry = self.calls.get(&call).ok_or(GatewayError::NoSuchCall)?;
        let (session, _) = entry.place.ok_or(GatewayError::NotJoined)?;
        Ok(self
            .sessions
            .get(&session)
            .ok_or(GatewayError::NoSuchSession(session))?
            .room)
    }

    /// Whether a participant is a phone.
    fn who(&self, session: SessionId, id: ParticipantId) -> Who {
        self.calls
            .iter()
            .find(|(_, entry)| entry.place == Some((session, id)))
            .map_or(Who::Participant(id), |(call, _)| Who::Call(*call))
    }

    fn unix_time(&self, at: Instant) -> Duration {
        let (instant, wall) = self.started;
        let since_epoch = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        since_epoch + at.saturating_duration_since(instant)
    }
}

/// Listens on UDP and TCP at one address.
async fn listen(
    driver: &mut Driver,
    bind: SocketAddr,
    advertise: Option<std::net::IpAddr>,
) -> io::Result<SocketAddr> {
    let told = |transport, at: SocketAddr| {
        let listen = Listen::new(transport, at);
        match advertise {
            Some(ip) => {
                let port = at.port();
                let host = if ip.is_ipv6() {
                    format!("[{ip}]")
                } else {
                    ip.to_string()
                };
                listen.advertise(host, port)
            }
            None => listen,
        }
    };
    let mut tries = 0;
    loop {
        // A port that is free for both, before either is told to the endpoint.
        let probe = std::net::UdpSocket::bind(bind)?;
        let at = probe.local_addr()?;
        let stream = std::net::TcpListener::bind(at);
        drop(probe);
        tries += 1;
        match stream {
            Ok(stream) => drop(stream),
            Err(error) if bind.port() != 0 || tries == PORT_TRIES => return Err(error),
            Err(_) => continue,
        }
        driver.listen(told(Transport::Udp, at)).await?;
        driver.listen(told(Transport::Tcp, at)).await?;
        return Ok(at);
    }
}

fn local_address(sockets: &RtpSockets, advertise: Option<std::net::IpAddr>) -> LocalAddress {
    let told = |addr: SocketAddr| SocketAddr::new(advertise.unwrap_or(addr.ip()), addr.port());
    LocalAddress {
        rtp: told(sockets.rtp_addr()),
        rtcp: told(sockets.rtcp_addr()),
    }
}

fn info(entry: &Entry, now: Instant) -> CallInfo {
    let call = &entry.call;
    let stream = entry.stream.as_ref();
    CallInfo {
        call: call.id(),
        state: call.state(),
        duration: call
            .answered_at()
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
        setup: call.answered_at().map(|at| at - call.since()),
        suite: stream
            .and_then(|stream| stream.srtp.as_ref())
            .map(|keys| keys.local.suite()),
        codec: stream
            .map(|stream| stream.send.codec.name.clone())
            .unwrap_or_default(),
        held_by_us: call.is_held(Side::Us),
        held_by_peer: call.is_held(Side::Peer),
        media: entry.report.clone(),
    }
}

/// The call that an event of the endpoint is about.
fn call_of(event: &sip_core::Event) -> Option<CallId> {
    use sip_core::Event as E;
    match event {
        E::Incoming { call, .. }
        | E::Progress { call, .. }
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
