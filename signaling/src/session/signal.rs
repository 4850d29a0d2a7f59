//! Words between participants, carried beside the sound.

use super::{ParticipantId, Session, SessionError, SessionEvent};

/// The longest kind of a signal, bytes: what browsers' session libraries send at most.
const MAX_KIND: usize = 128;

/// Something said to one participant or to all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signal {
    /// Who says it; `None` is the application.
    pub from: Option<ParticipantId>,
    /// To whom; `None` is everybody.
    pub to: Option<ParticipantId>,
    /// What kind of thing is said, for receivers to sort by.
    pub kind: String,
    /// What is said.
    pub text: String,
}

impl Session {
    /// Says something to one participant, or to all, as [`SessionEvent::Signalled`].
    ///
    /// # Errors
    /// When either is not in the session, or the signal is longer than the options allow.
    pub fn signal(
        &mut self,
        from: Option<ParticipantId>,
        to: Option<ParticipantId>,
        kind: impl Into<String>,
        text: impl Into<String>,
    ) -> Result<(), SessionError> {
        self.accepts_commands()?;
        for id in [from, to].into_iter().flatten() {
            self.participant(id)?;
        }
        let (kind, text) = (kind.into(), text.into());
        for (what, len, most) in [
            ("kind", kind.len(), MAX_KIND),
            ("text", text.len(), self.options.max_signal),
        ] {
            if len > most {
                return Err(SessionError::SignalTooLong(what, len, most));
            }
        }
        self.events.push_back(SessionEvent::Signalled(Signal {
            from,
            to,
            kind,
            text,
        }));
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::super::*;
    use std::time::Instant;

    #[test]
    fn signals_name_those_who_are_there_and_are_bounded() {
        let mut session = Session::new("s", SessionOptions::default());
        let one = session
            .join(Instant::now(), Join::new(Role::Publisher))
            .unwrap();
        session.poll_event();
        session.signal(None, Some(one), "chat", "hello").unwrap();
        let Some(SessionEvent::Signalled(signal)) = session.poll_event() else {
            panic!("a signal");
        };
        assert_eq!(
            (signal.to, signal.kind.as_str(), signal.text.as_str()),
            (Some(one), "chat", "hello")
        );
        session.leave(one, LeaveReason::Left).unwrap();
        assert_eq!(
            session.signal(None, Some(one), "", ""),
            Err(SessionError::NoSuchParticipant(one))
        );
        assert_eq!(
            session.signal(None, None, "k".repeat(129), ""),
            Err(SessionError::SignalTooLong("kind", 129, 128))
        );
        assert_eq!(
            session.signal(None, None, "", "t".repeat(8193)),
            Err(SessionError::SignalTooLong("text", 8193, 8192))
        );
    }
}
