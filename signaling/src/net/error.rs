//! Why a gateway refuses.

use super::{EngineBusy, SessionId};
use crate::call::CallError;
use crate::session::SessionError;
use rtp_core::dtls::CertificateError;
use rtp_core::net::PortError;
use std::io;
use std::net::SocketAddr;

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
    /// Sound may go through TURN servers alone, and no address on one is ready: try again a moment later.
    #[error("no address on a TURN server is ready")]
    NoRelay,
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
    /// A certificate for DTLS could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
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
    /// The shared media port cannot be opened.
    #[error("cannot open the shared media port {addr}: {source}")]
    Shared {
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A TURN server cannot be asked with this account.
    #[cfg(feature = "turn")]
    #[error(transparent)]
    Turn(#[from] rtp_core::turn::TurnError),
    /// A media thread cannot start.
    #[error("cannot start a media thread: {0}")]
    Thread(#[from] io::Error),
}
