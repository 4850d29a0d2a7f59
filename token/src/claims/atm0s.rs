//! The atm0s family, of today and of before.

use std::time::{Duration, SystemTime};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{ClaimSet, Registered, from_json, sealed, to_json};
use crate::error::{Malformed, MintError};
use crate::time::{date, optional_date, unix, wall};

/// What an atm0s token is for: its `iss`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Atm0sKind {
    /// A WebRTC client; the room is open.
    WebRtc,
    /// A WHIP sender: room and peer.
    Whip,
    /// A WHEP receiver: a room.
    Whep,
    /// Plain RTP, by way of the RTP engine's protocol.
    Rtp,
}

/// A token of today's atm0s media server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Atm0sClaims {
    /// `iss`: what it is for.
    #[serde(rename = "iss")]
    pub kind: Atm0sKind,
    /// `sub`: the application, absent for the root's.
    #[serde(rename = "sub", default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// The holder's name in the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Whether the holder is recorded.
    #[serde(default)]
    pub record: bool,
    /// Whatever the application likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_data: Option<String>,
    #[serde(deserialize_with = "date")]
    iat: u64,
    #[serde(deserialize_with = "date")]
    exp: u64,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_date"
    )]
    nbf: Option<u64>,
}

impl Atm0sClaims {
    /// Claims of a kind, valid from `now` for `life`; no room, no peer, not recorded.
    #[must_use]
    pub fn new(kind: Atm0sKind, now: SystemTime, life: Duration) -> Self {
        let iat = unix(now);
        Self {
            kind,
            app: None,
            room: None,
            peer: None,
            record: false,
            extra_data: None,
            iat,
            exp: iat.saturating_add(life.as_secs()),
            nbf: Some(iat),
        }
    }

    /// Sets the room.
    #[must_use]
    pub fn with_room(mut self, room: impl Into<String>) -> Self {
        self.room = Some(room.into());
        self
    }

    /// Sets the peer.
    #[must_use]
    pub fn with_peer(mut self, peer: impl Into<String>) -> Self {
        self.peer = Some(peer.into());
        self
    }

    /// When it was minted.
    #[must_use]
    pub fn issued_at(&self) -> SystemTime {
        wall(self.iat)
    }

    /// From when on it is refused.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        wall(self.exp)
    }

    /// The claim that this kind of token needs and this one lacks.
    fn missing(&self) -> Option<&'static str> {
        let (room, peer) = (self.room.is_none(), self.peer.is_none());
        match self.kind {
            Atm0sKind::Whip | Atm0sKind::Whep if room => Some("room"),
            Atm0sKind::Whip if peer => Some("peer"),
            _ => None,
        }
    }
}

impl sealed::Claims for Atm0sClaims {
    fn write(&self) -> Result<Vec<u8>, MintError> {
        if let Some(claim) = self.missing() {
            return Err(MintError::EmptyClaim(claim));
        }
        if self.exp <= self.nbf.unwrap_or(self.iat) {
            return Err(MintError::NeverValid);
        }
        to_json(self)
    }

    fn read(json: &[u8]) -> Result<Self, Malformed> {
        let claims: Self = from_json(json)?;
        match claims.missing() {
            None => Ok(claims),
            Some(_) => Err(Malformed::OtherFamily),
        }
    }

    fn registered(&self) -> Registered<'_> {
        Registered {
            exp: Some(self.exp),
            nbf: self.nbf,
            session: self.room.as_deref(),
            ..Registered::default()
        }
    }
}

impl ClaimSet for Atm0sClaims {}

/// A token of the atm0s media server of before. It has no expiry: verify it with
/// [`VerifierOptions::require_expiry`](crate::VerifierOptions::require_expiry) off, and judge [`ts`](Self::ts) yourself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Atm0sLegacyClaims {
    /// The room; without it the holder may enter any.
    #[serde(default)]
    pub room: Option<String>,
    /// The holder's name; without it the holder may have any.
    #[serde(default)]
    pub peer: Option<String>,
    /// The protocol: `Sip`, `Webrtc`, …
    pub protocol: String,
    /// Whether the holder may send.
    pub publish: bool,
    /// Whether the holder may receive.
    pub subscribe: bool,
    /// When it was minted, in the minter's unit.
    pub ts: u64,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_date"
    )]
    exp: Option<u64>,
    /// Today's tokens have one.
    #[serde(default, skip_serializing)]
    iss: Option<Unread>,
}

/// A claim of which only the presence matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl Atm0sLegacyClaims {
    /// Claims for a protocol; no room, no peer, neither sending nor receiving.
    pub fn new(protocol: impl Into<String>, ts: u64) -> Self {
        Self {
            room: None,
            peer: None,
            protocol: protocol.into(),
            publish: false,
            subscribe: false,
            ts,
            exp: None,
            iss: None,
        }
    }
}

impl sealed::Claims for Atm0sLegacyClaims {
    fn write(&self) -> Result<Vec<u8>, MintError> {
        to_json(self)
    }

    fn read(json: &[u8]) -> Result<Self, Malformed> {
        let claims: Self = from_json(json)?;
        match claims.iss {
            None => Ok(claims),
            Some(Unread) => Err(Malformed::OtherFamily),
        }
    }

    fn registered(&self) -> Registered<'_> {
        Registered {
            exp: self.exp,
            session: self.room.as_deref(),
            ..Registered::default()
        }
    }
}

impl ClaimSet for Atm0sLegacyClaims {}
