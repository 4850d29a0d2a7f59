//! What an installed `tracing` subscriber hears: a span for each call, and in it what happens to that call. What the
//! endpoint says while it carries out a command is in that span too; what it finds out by itself bears the same
//! `call_id`. Never by packet. Passwords, keys, headers and bodies are not told; of a URI the user and
//! the host are. Without the feature `tracing` all of this is nothing.

#[cfg(feature = "tracing")]
mod with {
    use crate::call::{CallEvent, Transfer};
    use crate::session::ParticipantId;
    use sip_core::{CallId, Endpoint, Uri};
    use std::fmt;
    use tracing::field::{Empty, debug, display};
    use tracing::{Span, debug, info, info_span};

    /// The span of one call.
    #[derive(Clone)]
    pub(crate) struct CallSpan(Span);

    /// Whom a call is for, without what else a URI may hold.
    struct Callee<'a>(&'a Uri);

    impl fmt::Display for Callee<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            if let Some(user) = self.0.user() {
                write!(f, "{user}@")?;
            }
            match self.0.host() {
                Some(host) => write!(f, "{host}"),
                None => Ok(()),
            }
        }
    }

    impl CallSpan {
        /// A call that we dial.
        pub(crate) fn outgoing(session: &str, to: &Uri) -> Self {
            let to = Callee(to);
            Self(info_span!(
                "call", direction = "out", session, %to, call = Empty, call_id = Empty, participant = Empty,
            ))
        }

        /// A call that comes in.
        pub(crate) fn incoming(id: CallId, endpoint: &mut Endpoint) -> Self {
            let span = Self(info_span!(
                "call",
                direction = "in",
                session = Empty,
                call = Empty,
                call_id = Empty,
                participant = Empty,
            ));
            span.is(id, endpoint);
            span
        }

        /// Names the call once it has a name.
        pub(crate) fn is(&self, id: CallId, endpoint: &mut Endpoint) {
            self.0.record("call", debug(id));
            if let Ok(handle) = endpoint.call(id) {
                self.0.record("call_id", handle.call_id());
            }
        }

        /// Says where the call's place is.
        pub(crate) fn joins(&self, session: &str, participant: ParticipantId) {
            self.0.record("session", session);
            self.0.record("participant", display(participant));
        }

        /// Does something for this call.
        pub(crate) fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
            self.0.in_scope(work)
        }

        /// Tells what happened.
        pub(crate) fn tell(&self, event: &CallEvent) {
            self.0.in_scope(|| match event {
                CallEvent::Progress { status, reason } => {
                    info!(status = status.code(), reason, "progress");
                }
                CallEvent::Media(Some(stream)) => {
                    let codec = stream.send.codec.name.as_str();
                    debug!(codec, direction = ?stream.direction, "media");
                }
                CallEvent::Media(None) => debug!("no media"),
                CallEvent::Answered => info!("answered"),
                CallEvent::Held(by) => info!(?by, "held"),
                CallEvent::Resumed(by) => info!(?by, "resumed"),
                CallEvent::FellBack { status, profile } => {
                    info!(status = status.code(), ?profile, "fell back");
                }
                CallEvent::ChangeRefused { status, reason } => {
                    info!(status = status.code(), reason, "change refused");
                }
                CallEvent::Info(_) => debug!("INFO"),
                CallEvent::InfoAnswered { status } => {
                    debug!(status = status.code(), "INFO answered");
                }
                CallEvent::KeysRefused { status } => {
                    info!(status = status.code(), "keys refused");
                }
                CallEvent::Transfer(Transfer::Done) => info!("transferred"),
                CallEvent::Transfer(Transfer::Progress { status, reason }) => {
                    info!(status = status.code(), reason, "transfer");
                }
                CallEvent::Transfer(Transfer::Failed { status, reason }) => {
                    info!(status = status.code(), reason, "transfer failed");
                }
                CallEvent::TransferAsked(_) => info!("transfer asked for"),
                CallEvent::Ended(end) => info!(cause = %end, "ended"),
            });
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod with {
    use crate::call::CallEvent;
    use crate::session::ParticipantId;
    use sip_core::{CallId, Endpoint, Uri};

    /// Nothing.
    #[derive(Clone, Copy)]
    pub(crate) struct CallSpan;

    impl CallSpan {
        pub(crate) fn outgoing(_: &str, _: &Uri) -> Self {
            Self
        }

        pub(crate) fn incoming(_: CallId, _: &mut Endpoint) -> Self {
            Self
        }

        pub(crate) fn is(self, _: CallId, _: &mut Endpoint) {}

        pub(crate) fn joins(self, _: &str, _: ParticipantId) {}

        pub(crate) fn enter<R>(self, work: impl FnOnce() -> R) -> R {
            work()
        }

        pub(crate) fn tell(self, _: &CallEvent) {}
    }
}

pub(super) use with::CallSpan;
