//! Why a call ended: typed, and printable as one line.

use std::fmt;

use super::event::CallId;
use super::flow::FlowError;
use crate::StatusCode;
use crate::transaction::Timer;

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndedBy {
    /// The application, through a command.
    Local,
    /// The peer, through a message.
    Remote,
    /// Nobody: time ran out.
    Timer,
    /// Nobody: the network failed.
    Transport,
}

/// What ended a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndKind {
    /// BYE in an answered call.
    HungUp,
    /// CANCEL before the answer.
    Cancelled,
    /// A final response of 300 to 699 to the INVITE, [`EndCause::status`]; given by the peer or,
    /// on an incoming call, by [`CallHandle::reject`](crate::CallHandle::reject).
    Rejected,
    /// The digest credentials were refused, or none were given. Realm and user are those of the
    /// last challenge.
    AuthFailed {
        /// The realm that the challenge named.
        realm: String,
        /// The user that we answered with; empty if there were no credentials.
        user: String,
    },
    /// [`Invite::ring_timeout`](crate::Invite) passed before an answer.
    RingTimeout,
    /// This transaction timer fired: B when nothing answered the INVITE, F for a request in the
    /// call, H when no ACK came for our 200.
    TimedOut(Timer),
    /// The network said so.
    Transport(FlowError),
    /// No refresh came in time (RFC 4028): the peer is gone.
    SessionExpired,
    /// Another call took this one's place (RFC 3891).
    Replaced {
        /// The call that goes on.
        by: CallId,
    },
    /// The host has no address.
    Unresolved,
    /// The peer lost the call: 481 or 408 to a request inside it (12.2.1.2).
    Lost,
    /// The peer broke the rules so badly that the call cannot go on; the text says how.
    Protocol(&'static str),
}

/// The typed cause that [`Event::Ended`](crate::Event::Ended) carries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndCause {
    /// Who ended the call.
    pub by: EndedBy,
    /// What ended it.
    pub kind: EndKind,
    /// The SIP status that ended it, if one did.
    pub status: Option<StatusCode>,
    /// The peer's own reason phrase of that status.
    pub phrase: Option<String>,
    /// The Reason header of the message that ended it (RFC 3326), as it came.
    pub reason: Option<String>,
    /// The Q.850 cause in that Reason header.
    pub q850: Option<u8>,
    /// Whom we were trying to reach, where that is what failed: the host of the URI and the
    /// address.
    pub host: Option<String>,
}

impl EndCause {
    pub(crate) fn new(by: EndedBy, kind: EndKind) -> Self {
        Self {
            by,
            kind,
            status: None,
            phrase: None,
            reason: None,
            q850: None,
            host: None,
        }
    }

    pub(crate) fn with_status(mut self, status: StatusCode, phrase: &str) -> Self {
        self.status = Some(status);
        self.phrase = (!phrase.is_empty()).then(|| phrase.to_owned());
        self
    }

    pub(crate) fn with_reason(mut self, reason: Option<&str>) -> Self {
        self.reason = reason.map(str::to_owned);
        self.q850 = reason.and_then(q850);
        self
    }

    pub(crate) fn with_host(mut self, host: Option<String>) -> Self {
        self.host = host;
        self
    }
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("the peer");
        match &self.kind {
            EndKind::HungUp => match self.by {
                EndedBy::Local => write!(f, "hung up by us")?,
                _ => write!(f, "hung up by the peer")?,
            },
            EndKind::Cancelled => match self.by {
                EndedBy::Local => write!(f, "cancelled by us before an answer")?,
                _ => write!(f, "cancelled by the caller before an answer")?,
            },
            EndKind::Rejected => write!(f, "rejected")?,
            EndKind::AuthFailed { realm, user } if user.is_empty() => {
                write!(
                    f,
                    "authentication needed for realm \"{realm}\", no credentials given"
                )?;
            }
            EndKind::AuthFailed { realm, user } => {
                write!(
                    f,
                    "authentication failed for user \"{user}\" in realm \"{realm}\""
                )?;
            }
            EndKind::RingTimeout => write!(f, "not answered in time")?,
            EndKind::TimedOut(timer) => write!(f, "no answer from {host} ({timer})")?,
            EndKind::Transport(error) => write!(f, "cannot reach {host}: {error}")?,
            EndKind::SessionExpired => write!(f, "the peer did not refresh the session in time")?,
            EndKind::Replaced { .. } => write!(f, "replaced by another call")?,
            EndKind::Unresolved => write!(f, "cannot find an address of {host}")?,
            EndKind::Lost => write!(f, "the peer does not know this call any more")?,
            EndKind::Protocol(what) => write!(f, "protocol error: {what}")?,
        }
        if let Some(status) = self.status {
            write!(f, ": {status}")?;
            if let Some(phrase) = &self.phrase {
                write!(f, " {phrase}")?;
            }
        }
        if let Some(reason) = &self.reason {
            write!(f, " (Reason: {reason})")?;
        }
        Ok(())
    }
}

/// The cause number of a `Q.850;cause=16;text="…"` value; several values are separated by commas.
fn q850(reason: &str) -> Option<u8> {
    reason.split(',').find_map(|value| {
        let mut parts = value.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("Q.850") {
            return None;
        }
        parts.find_map(|part| {
            let (name, number) = part.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("cause") {
                return None;
            }
            number.trim().parse().ok().filter(|cause| *cause < 128)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_q850_cause() {
        assert_eq!(q850("Q.850;cause=16;text=\"Terminated\""), Some(16));
        assert_eq!(q850("SIP ;cause=200, q.850 ; Cause = 31"), Some(31));
        assert_eq!(
            q850("SIP;cause=200;text=\"Call completed elsewhere\""),
            None
        );
        assert_eq!(q850("Q.850;cause=999"), None);
    }

    #[test]
    fn prints_one_line_that_names_what_matters() {
        let cause = EndCause::new(EndedBy::Remote, EndKind::Rejected)
            .with_status(StatusCode::BUSY_HERE, "Busy Here");
        assert_eq!(cause.to_string(), "rejected: 486 Busy Here");
        let cause = EndCause::new(
            EndedBy::Remote,
            EndKind::AuthFailed {
                realm: "home".into(),
                user: "bob".into(),
            },
        )
        .with_status(StatusCode::UNAUTHORIZED, "Unauthorized");
        assert_eq!(
            cause.to_string(),
            "authentication failed for user \"bob\" in realm \"home\": 401 Unauthorized"
        );
        let cause = EndCause::new(EndedBy::Timer, EndKind::TimedOut(Timer::B))
            .with_host(Some("127.0.0.1:9 over UDP".into()));
        assert_eq!(
            cause.to_string(),
            "no answer from 127.0.0.1:9 over UDP (timer B)"
        );
    }
}
