//! Commands on sessions and on those in them.

use super::{Event, Gateway, GatewayError};
use crate::engine::thread::{Command, RoomKey};
use crate::engine::{PcmReader, Room, Voice, Who, tap};
use crate::session::{
    Action, Join, LeaveReason, ParticipantId, Session, SessionEvent, SessionOptions,
};
use media_mix::{Level, MixerConfig, Rate};
use sip_core::CallId;
use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

/// Names a session of one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(super) u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

pub(super) struct OpenSession {
    pub(super) session: Session,
    pub(super) room: RoomKey,
    pub(super) levels: HashMap<ParticipantId, Level>,
    /// Those who are in it by phone.
    pub(super) phones: HashMap<ParticipantId, CallId>,
}

impl Gateway {
    /// Opens a session; `id` is what tokens name.
    ///
    /// # Errors
    /// When the media engine takes no command.
    pub fn open_session(
        &mut self,
        id: impl Into<String>,
        options: SessionOptions,
    ) -> Result<SessionId, GatewayError> {
        let mut config = MixerConfig::default();
        config.max_talkers = self.max_talkers;
        let room = self.engine.open_room(Room::new(config))?;
        let key = SessionId(self.next_session);
        self.next_session += 1;
        let session = Session::new(id, options);
        self.rooms.insert(room, key);
        self.sessions.insert(
            key,
            OpenSession {
                session,
                room,
                levels: HashMap::new(),
                phones: HashMap::new(),
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
        self.rooms.remove(&room);
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
        let id = open
            .session
            .join(Instant::now(), join.drawn(&self.random))?;
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
        self.open(session)?.session.leave(id, LeaveReason::Left)?;
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
        self.open(session)?.session.force_disconnect(by, target)?;
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
        self.open(session)?.session.mute(id, muted)?;
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
        self.open(session)?.session.force_mute(by, target, muted)?;
        self.tell(session);
        Ok(())
    }

    /// Sends a participant away, as a moderator would; a phone is hung up.
    ///
    /// # Errors
    /// When there is no such session or participant.
    pub fn disconnect(
        &mut self,
        session: SessionId,
        target: ParticipantId,
    ) -> Result<(), GatewayError> {
        let open = self.open(session)?;
        open.session.leave(target, LeaveReason::ForceDisconnected)?;
        self.tell(session);
        Ok(())
    }

    /// Silences a voice as a moderator would, or lifts that.
    ///
    /// # Errors
    /// When there is no such session or participant.
    pub fn impose_mute(
        &mut self,
        session: SessionId,
        target: ParticipantId,
        muted: bool,
    ) -> Result<(), GatewayError> {
        self.open(session)?.session.impose_mute(target, muted)?;
        self.tell(session);
        Ok(())
    }

    /// Silences everybody but `except`, those included who join later; or lifts every mute that was imposed.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn impose_mute_on_all(
        &mut self,
        session: SessionId,
        muted: bool,
        except: &[ParticipantId],
    ) -> Result<(), GatewayError> {
        let open = self.open(session)?;
        open.session.impose_mute_on_all(muted, except)?;
        self.tell(session);
        Ok(())
    }

    /// Says something to one participant, or to all, as [`SessionEvent::Signalled`].
    ///
    /// # Errors
    /// When there is no such session or participant, or the signal is too long.
    pub fn signal(
        &mut self,
        session: SessionId,
        from: Option<ParticipantId>,
        to: Option<ParticipantId>,
        kind: &str,
        text: &str,
    ) -> Result<(), GatewayError> {
        self.open(session)?.session.signal(from, to, kind, text)?;
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

    fn open(&mut self, session: SessionId) -> Result<&mut OpenSession, GatewayError> {
        self.sessions
            .get_mut(&session)
            .ok_or(GatewayError::NoSuchSession(session))
    }

    /// Carries what a session says to the engine, its calls and the application.
    pub(super) fn tell(&mut self, session: SessionId) {
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

    /// Whether a participant is a phone.
    fn who(&self, session: SessionId, id: ParticipantId) -> Who {
        let open = self.sessions.get(&session);
        let phone = open.and_then(|open| open.phones.get(&id));
        phone.map_or(Who::Participant(id), |call| Who::Call(*call))
    }
}
