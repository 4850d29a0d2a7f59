//! Whatever family a token is of.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::opentok::CONNECT;
use super::{
    Atm0sClaims, Atm0sLegacyClaims, ClaimSet, OpenTokConnect, OpenTokProject, Registered,
    SessionClaims, VonageClaims, from_json, sealed,
};
use crate::error::{Malformed, MintError};

/// The claims of a token whose family is found by what it says.
///
/// Verify as this where several families arrive by one door, and match on it: what lets a server use an API and what
/// lets a person into a session are different variants.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AnyClaims {
    /// Our own.
    Session(SessionClaims),
    /// OpenTok, to join a session; a JWT or a `T1==` text.
    OpenTokConnect(OpenTokConnect),
    /// OpenTok, for the REST API.
    OpenTokProject(OpenTokProject),
    /// Vonage, for either.
    Vonage(VonageClaims),
    /// atm0s of today.
    Atm0s(Atm0sClaims),
    /// atm0s of before.
    Atm0sLegacy(Atm0sLegacyClaims),
}

impl AnyClaims {
    /// The family, in a word for logs: `session`, `opentok-connect`, `opentok-project`, `vonage`, `atm0s`,
    /// `atm0s-legacy`.
    #[must_use]
    pub const fn family(&self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::OpenTokConnect(_) => "opentok-connect",
            Self::OpenTokProject(_) => "opentok-project",
            Self::Vonage(_) => "vonage",
            Self::Atm0s(_) => "atm0s",
            Self::Atm0sLegacy(_) => "atm0s-legacy",
        }
    }
}

/// The claims by which families differ.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Probe {
    session: Option<IgnoredAny>,
    application_id: Option<IgnoredAny>,
    scope: Option<String>,
    ist: Option<IgnoredAny>,
    protocol: Option<IgnoredAny>,
    iss: Option<IgnoredAny>,
}

impl sealed::Claims for AnyClaims {
    fn write(&self) -> Result<Vec<u8>, MintError> {
        match self {
            Self::Session(claims) => claims.write(),
            Self::OpenTokConnect(claims) => claims.write(),
            Self::OpenTokProject(claims) => claims.write(),
            Self::Vonage(claims) => claims.write(),
            Self::Atm0s(claims) => claims.write(),
            Self::Atm0sLegacy(claims) => claims.write(),
        }
    }

    fn read(json: &[u8]) -> Result<Self, Malformed> {
        let probe: Probe = from_json(json)?;
        if probe.session.is_some() {
            SessionClaims::read(json).map(Self::Session)
        } else if probe.application_id.is_some() {
            VonageClaims::read(json).map(Self::Vonage)
        } else if probe.scope.as_deref() == Some(CONNECT) {
            OpenTokConnect::read(json).map(Self::OpenTokConnect)
        } else if probe.ist.is_some() {
            OpenTokProject::read(json).map(Self::OpenTokProject)
        } else if probe.protocol.is_some() {
            Atm0sLegacyClaims::read(json).map(Self::Atm0sLegacy)
        } else if probe.iss.is_some() {
            Atm0sClaims::read(json).map(Self::Atm0s)
        } else {
            Err(Malformed::OtherFamily)
        }
    }

    fn registered(&self) -> Registered<'_> {
        match self {
            Self::Session(claims) => claims.registered(),
            Self::OpenTokConnect(claims) => claims.registered(),
            Self::OpenTokProject(claims) => claims.registered(),
            Self::Vonage(claims) => claims.registered(),
            Self::Atm0s(claims) => claims.registered(),
            Self::Atm0sLegacy(claims) => claims.registered(),
        }
    }
}

impl ClaimSet for AnyClaims {}
