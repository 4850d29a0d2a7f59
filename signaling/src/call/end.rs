//! Why a call ended, as one value and as one line.

use rtp_core::dtls::DtlsError;
use rtp_core::negotiate::NegotiationError;
use sip_core::{EndCause, EndKind};
use std::fmt;

/// What made us end a call without being asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// It lasted as long as it may.
    MaxDuration,
    /// The phone sent no sound for as long as allowed.
    MediaTimeout,
    /// The handshake that was to give the sound its keys failed.
    Unsecured(DtlsError),
    /// ICE found no way to the phone, or lost it for good.
    Unreachable,
    /// The phone answered without SDP.
    NoAnswer,
    /// The phone's SDP does not answer our offer.
    BadAnswer(NegotiationError),
}

impl EndReason {
    /// A Reason header value for the BYE (RFC 3326).
    pub(crate) fn header(&self) -> String {
        let (cause, text) = match self {
            Self::MaxDuration => (31, "Maximum call duration reached"),
            Self::MediaTimeout => (31, "Media timeout"),
            Self::Unsecured(_) => (31, "Media not secured"),
            Self::Unreachable => (31, "No way for the media"),
            Self::NoAnswer | Self::BadAnswer(_) => (88, "Incompatible media"),
        };
        format!("Q.850;cause={cause};text=\"{text}\"")
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxDuration => f.write_str("the longest duration was reached"),
            Self::MediaTimeout => f.write_str("the phone sent no sound for too long"),
            Self::Unsecured(error) => write!(f, "the sound cannot be encrypted: {error}"),
            Self::Unreachable => f.write_str("no packet finds its way to the phone and back"),
            Self::NoAnswer => f.write_str("the phone answered without a session description"),
            Self::BadAnswer(error) => write!(f, "the phone's answer cannot be used: {error}"),
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallEnd {
    /// What made us end it, when neither the application nor the phone asked for it.
    pub reason: Option<EndReason>,
    /// What SIP says: by whom, which status, the phone's own reason phrase, which timer.
    pub cause: EndCause,
}

impl CallEnd {
    pub(crate) fn new(reason: Option<EndReason>, cause: EndCause) -> Self {
        Self { reason, cause }
    }

    /// Whether the call was answered and then hung up by a side, as calls end that went well.
    pub fn is_clean(&self) -> bool {
        self.reason.is_none() && matches!(self.cause.kind, EndKind::HungUp)
    }
}

impl fmt::Display for CallEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => reason.fmt(f),
            None => self.cause.fmt(f),
        }
    }
}
