//! A session: who is in it, what each may do, and what changed.
//!
//! [`Session`] is a model without I/O. Commands say who acts; [`Session::poll_event`] tells each change once, in order,
//! to whoever carries it further: a media engine that adds a voice to a mix, a web socket, a message queue.
//! A phone that was dialled is a participant like any other; nothing here knows SIP or samples.

mod moderation;
mod participant;
mod permission;
mod signal;

pub use participant::{Join, Origin, Participant, ParticipantId};
pub use permission::{Action, check};
pub use signal::Signal;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;
use token::Role;

/// What a session allows. Build it from [`SessionOptions::default`] and change what differs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// How many may be in the session at once; default 100, the size at which a mix of all stops making sense to ears.
    pub max_participants: usize,
    /// The length of a participant's data in bytes; default 1024, what browsers' session libraries send at most.
    pub max_data: usize,
    /// The length of a signal's text in bytes; default 8192, what browsers' session libraries send at most.
    pub max_signal: usize,
    /// How many events wait to be polled before commands are refused; default 1024.
    pub max_events: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            max_participants: 100,
            max_data: 1024,
            max_signal: 8192,
            max_events: 1024,
        }
    }
}

/// Why a participant is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaveReason {
    /// It left by itself: a client disconnected, a phone hung up.
    Left,
    /// A moderator disconnected it.
    ForceDisconnected,
    /// Its network is gone.
    Lost,
    /// The session was closed.
    SessionClosed,
}

/// A change in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// A participant is in.
    Joined(ParticipantId),
    /// A participant is out; this is the last word about it.
    Left {
        /// Who.
        participant: ParticipantId,
        /// Why.
        reason: LeaveReason,
    },
    /// A participant's voice can be heard.
    Published(ParticipantId),
    /// A participant's voice is gone, though it may still listen.
    Unpublished(ParticipantId),
    /// Whether a participant's voice is silenced changed.
    Muted {
        /// Whose voice.
        participant: ParticipantId,
        /// Silent now?
        muted: bool,
        /// By a moderator, so that the participant cannot undo it.
        forced: bool,
    },
    /// Whether those who join from now on are silenced changed.
    NewcomersMuted(bool),
    /// Somebody says something to one participant or to all, other than by voice.
    Signalled(Signal),
}

/// Why a command was refused; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The session holds as many as its options allow.
    #[error("the session is full: {0} participants at most")]
    Full(usize),
    /// There is no such participant, or no longer.
    #[error("there is no participant {0} in this session")]
    NoSuchParticipant(ParticipantId),
    /// The participant's role does not allow it.
    #[error("a {role} may not {action}")]
    NotAllowed {
        /// The role of whoever asked.
        role: Role,
        /// What was asked.
        action: Action,
    },
    /// A moderator silenced the voice; only a moderator gives it back.
    #[error("participant {0} was muted by a moderator")]
    ForceMuted(ParticipantId),
    /// The data is longer than the options allow.
    #[error("the participant's data has {0} bytes, {1} at most are allowed")]
    DataTooLong(usize, usize),
    /// A signal's kind or text is longer than allowed.
    #[error("a signal's {0} has {1} bytes, {2} at most are allowed")]
    SignalTooLong(&'static str, usize, usize),
    /// The session was closed.
    #[error("the session is closed")]
    Closed,
    /// Events were not polled; take them and try again.
    #[error("{0} events wait to be taken; no command is accepted before")]
    EventsPending(usize),
}

/// Participants, what each may do, and what changed.
///
/// ```
/// use signaling::session::{Join, LeaveReason, Session, SessionEvent, SessionOptions};
/// use std::time::Instant;
/// use token::Role;
///
/// let now = Instant::now();
/// let mut session = Session::new("standup", SessionOptions::default());
/// let host = session.join(now, Join::new(Role::Moderator))?;
/// let phone = session.join(now, Join::new(Role::Publisher).data("sip=true"))?;
/// session.publish(phone)?;
/// session.force_disconnect(host, phone)?;
///
/// let mut seen = Vec::new();
/// while let Some(event) = session.poll_event() {
///     seen.push(event);
/// }
/// assert_eq!(seen[4], SessionEvent::Left { participant: phone, reason: LeaveReason::ForceDisconnected });
/// # Ok::<(), signaling::session::SessionError>(())
/// ```
#[derive(Debug)]
pub struct Session {
    id: String,
    options: SessionOptions,
    participants: BTreeMap<ParticipantId, Participant>,
    next: u64,
    events: VecDeque<SessionEvent>,
    closed: bool,
    /// Those who join are silenced.
    mutes_newcomers: bool,
}

impl Session {
    /// An empty session; `id` is what tokens name.
    pub fn new(id: impl Into<String>, options: SessionOptions) -> Self {
        Self {
            id: id.into(),
            options,
            participants: BTreeMap::new(),
            next: 1,
            events: VecDeque::new(),
            closed: false,
            mutes_newcomers: false,
        }
    }

    /// What tokens call the session.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether [`Session::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Everyone who is in, in the order of joining.
    pub fn participants(&self) -> impl ExactSizeIterator<Item = &Participant> {
        self.participants.values()
    }

    /// One participant.
    ///
    /// # Errors
    /// [`SessionError::NoSuchParticipant`].
    pub fn participant(&self, id: ParticipantId) -> Result<&Participant, SessionError> {
        self.participants
            .get(&id)
            .ok_or(SessionError::NoSuchParticipant(id))
    }

    /// Lets someone in.
    ///
    /// # Errors
    /// When the session is full or closed, or the data too long.
    pub fn join(&mut self, now: Instant, join: Join) -> Result<ParticipantId, SessionError> {
        self.accepts_commands()?;
        if self.participants.len() >= self.options.max_participants {
            return Err(SessionError::Full(self.options.max_participants));
        }
        if join.data.len() > self.options.max_data {
            return Err(SessionError::DataTooLong(
                join.data.len(),
                self.options.max_data,
            ));
        }
        let id = ParticipantId(self.next);
        self.next += 1;
        let mut participant = Participant::new(id, join, now);
        let muted = self.mutes_newcomers && participant.origin() != Origin::Recorder;
        participant.force_muted = muted;
        self.participants.insert(id, participant);
        self.events.push_back(SessionEvent::Joined(id));
        if muted {
            self.events.push_back(SessionEvent::Muted {
                participant: id,
                muted,
                forced: true,
            });
        }
        Ok(id)
    }

    /// Takes someone out who goes by itself, or whose network is gone.
    ///
    /// # Errors
    /// [`SessionError::NoSuchParticipant`].
    pub fn leave(&mut self, id: ParticipantId, reason: LeaveReason) -> Result<(), SessionError> {
        let participant = self
            .participants
            .remove(&id)
            .ok_or(SessionError::NoSuchParticipant(id))?;
        if participant.is_published() {
            self.events.push_back(SessionEvent::Unpublished(id));
        }
        self.events.push_back(SessionEvent::Left {
            participant: id,
            reason,
        });
        Ok(())
    }

    /// Makes a participant's voice heard. Publishing twice changes nothing.
    ///
    /// # Errors
    /// When there is no such participant or its role may not publish.
    pub fn publish(&mut self, id: ParticipantId) -> Result<(), SessionError> {
        self.accepts_commands()?;
        self.allow(id, Action::Publish)?;
        let participant = self.participant_mut(id)?;
        if !participant.published {
            participant.published = true;
            self.events.push_back(SessionEvent::Published(id));
        }
        Ok(())
    }

    /// Takes a participant's voice away; it stays and listens.
    ///
    /// # Errors
    /// [`SessionError::NoSuchParticipant`].
    pub fn unpublish(&mut self, id: ParticipantId) -> Result<(), SessionError> {
        let participant = self.participant_mut(id)?;
        if std::mem::take(&mut participant.published) {
            self.events.push_back(SessionEvent::Unpublished(id));
        }
        Ok(())
    }

    /// Silences one's own voice, or gives it back.
    ///
    /// # Errors
    /// When there is no such participant, or a moderator silenced it.
    pub fn mute(&mut self, id: ParticipantId, muted: bool) -> Result<(), SessionError> {
        self.accepts_commands()?;
        let participant = self.participant_mut(id)?;
        if participant.force_muted && !muted {
            return Err(SessionError::ForceMuted(id));
        }
        if participant.muted != muted {
            participant.muted = muted;
            if !participant.force_muted {
                self.events.push_back(SessionEvent::Muted {
                    participant: id,
                    muted,
                    forced: false,
                });
            }
        }
        Ok(())
    }

    /// A moderator silences `target`, or lifts what a moderator imposed; what `target` chose for itself stays.
    ///
    /// # Errors
    /// When either is not in the session, or `by` is no moderator.
    pub fn force_mute(
        &mut self,
        by: ParticipantId,
        target: ParticipantId,
        muted: bool,
    ) -> Result<(), SessionError> {
        self.accepts_commands()?;
        self.allow(by, Action::ForceMute)?;
        self.impose_mute(target, muted)
    }

    /// A moderator sends `target` away.
    ///
    /// # Errors
    /// When either is not in the session, or `by` is no moderator.
    pub fn force_disconnect(
        &mut self,
        by: ParticipantId,
        target: ParticipantId,
    ) -> Result<(), SessionError> {
        self.allow(by, Action::ForceDisconnect)?;
        self.leave(target, LeaveReason::ForceDisconnected)
    }

    /// Checks that a participant's role allows `action`.
    ///
    /// # Errors
    /// [`SessionError::NotAllowed`], or [`SessionError::NoSuchParticipant`].
    pub fn allow(&self, id: ParticipantId, action: Action) -> Result<(), SessionError> {
        check(self.participant(id)?.role(), action)
    }

    /// Sends everyone away. A closed session accepts no one again.
    pub fn close(&mut self) {
        self.closed = true;
        while let Some(id) = self.participants.keys().next().copied() {
            // Cannot fail: the id was just read from the table.
            let _ = self.leave(id, LeaveReason::SessionClosed);
        }
    }

    /// The next change, oldest first.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    fn participant_mut(&mut self, id: ParticipantId) -> Result<&mut Participant, SessionError> {
        self.participants
            .get_mut(&id)
            .ok_or(SessionError::NoSuchParticipant(id))
    }

    fn accepts_commands(&self) -> Result<(), SessionError> {
        if self.closed {
            return Err(SessionError::Closed);
        }
        // Leaving is never refused: its events are bounded by the number of participants.
        if self.events.len() >= self.options.max_events {
            return Err(SessionError::EventsPending(self.events.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests;
