//! What the application may do to everybody: it needs no role, for it is who gives them.

use super::{ParticipantId, Session, SessionError, SessionEvent};

impl Session {
    /// The one whose connection the outside calls so.
    pub fn by_connection(&self, connection_id: &str) -> Option<&super::Participant> {
        let named = |id: &str| !id.is_empty() && id == connection_id;
        self.participants().find(|one| named(one.connection_id()))
    }

    /// The one whose voice the outside calls so.
    pub fn by_stream(&self, stream_id: &str) -> Option<&super::Participant> {
        let named = |id: &str| !id.is_empty() && id == stream_id;
        self.participants().find(|one| named(one.stream_id()))
    }

    /// Silences a voice as a moderator would, or lifts that; what the participant chose for itself stays.
    ///
    /// # Errors
    /// [`SessionError::NoSuchParticipant`], or when events wait.
    pub fn impose_mute(&mut self, target: ParticipantId, muted: bool) -> Result<(), SessionError> {
        self.accepts_commands()?;
        let participant = self.participant_mut(target)?;
        if participant.force_muted != muted {
            participant.force_muted = muted;
            let muted = participant.is_muted();
            self.events.push_back(SessionEvent::Muted {
                participant: target,
                muted,
                forced: true,
            });
        }
        Ok(())
    }

    /// Silences everybody but `except`, those included who join later; or lifts every mute that was imposed.
    ///
    /// # Errors
    /// When the session is closed, or events wait.
    pub fn impose_mute_on_all(
        &mut self,
        muted: bool,
        except: &[ParticipantId],
    ) -> Result<(), SessionError> {
        self.accepts_commands()?;
        if self.mutes_newcomers != muted {
            self.mutes_newcomers = muted;
            self.events.push_back(SessionEvent::NewcomersMuted(muted));
        }
        let all = self.participants.values_mut();
        for participant in all.filter(|one| one.origin() != super::Origin::Recorder) {
            if participant.force_muted != muted && !except.contains(&participant.id()) {
                participant.force_muted = muted;
                self.events.push_back(SessionEvent::Muted {
                    participant: participant.id(),
                    muted: participant.is_muted(),
                    forced: true,
                });
            }
        }
        Ok(())
    }

    /// Whether those who join are silenced.
    pub fn mutes_newcomers(&self) -> bool {
        self.mutes_newcomers
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::super::*;
    use std::time::Instant;

    #[test]
    fn a_session_wide_mute_spares_exceptions_and_meets_newcomers() {
        let (mut session, now) = (Session::new("s", SessionOptions::default()), Instant::now());
        let join =
            |name: &str| Join::new(Role::Publisher).ids(format!("c-{name}"), format!("s-{name}"));
        let spared = session.join(now, join("spared")).unwrap();
        let other = session.join(now, join("other")).unwrap();
        session.impose_mute_on_all(true, &[spared]).unwrap();
        let late = session.join(now, join("late")).unwrap();
        let ear = Join::new(Role::Subscriber).origin(Origin::Recorder);
        let ear = session.join(now, ear).unwrap();
        let muted = |session: &Session, id| session.participant(id).unwrap().is_muted();
        let all = [spared, other, late, ear];
        assert_eq!(
            all.map(|id| muted(&session, id)),
            [false, true, true, false]
        );
        assert_eq!(
            session.mute(late, false),
            Err(SessionError::ForceMuted(late))
        );
        session.impose_mute_on_all(false, &[]).unwrap();
        assert_eq!(all.map(|id| muted(&session, id)), [false; 4]);
        let after = session.join(now, join("after")).unwrap();
        assert!(!muted(&session, after));

        let mut told = Vec::new();
        while let Some(event) = session.poll_event() {
            match event {
                SessionEvent::NewcomersMuted(muted) => told.push((None, muted)),
                SessionEvent::Muted {
                    participant, muted, ..
                } => told.push((Some(participant), muted)),
                _ => {}
            }
        }
        let expected = [
            (None, true),
            (Some(other), true),
            (Some(late), true),
            (None, false),
            (Some(other), false),
            (Some(late), false),
        ];
        assert_eq!(told, expected);
        assert_eq!(session.by_connection("c-other").unwrap().id(), other);
        assert_eq!(session.by_stream("s-late").unwrap().id(), late);
        assert!(session.by_connection("").is_none() && session.by_stream("s-none").is_none());
    }
}
