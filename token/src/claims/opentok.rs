//! The OpenTok family: connect tokens and project tokens, as that vendor's server SDKs write them.

use std::time::{Duration, SystemTime};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};

use super::{ClaimSet, Registered, Role, bounded, from_json, sealed, to_json};
use crate::error::{Malformed, MintError};
use crate::time::{date, unix, wall};

/// The `scope` of connect tokens, here and in the Vonage family.
pub(super) const CONNECT: &str = "session.connect";
/// The `ist` of both kinds.
const PROJECT: &str = "project";
/// What the SDKs accept: 1000 characters in Python, 1024 in Node.
pub(super) const MAX_DATA: usize = 1024;
/// The longest life of a connect token, in seconds: 30 days.
const MAX_LIFE: u64 = 30 * 86_400;

/// A connect token: lets its holder into one session. As a JWT, or as a legacy [`T1==`](crate::mint_t1) text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OpenTokConnect {
    /// `iss`: the project's API key.
    pub api_key: String,
    /// The session.
    pub session_id: String,
    /// What the holder may do there; without it, publisher.
    pub role: Role,
    /// What the other participants see of the holder; at most 1024 bytes are minted.
    pub connection_data: Option<String>,
    /// Layout classes of the holder's first streams.
    pub layout_classes: Vec<String>,
    /// Whatever the SDK drew: Python an integer, Node a fraction.
    pub nonce: Option<f64>,
    pub(super) iat: u64,
    pub(super) exp: u64,
}

impl OpenTokConnect {
    /// Claims for a session, valid from `now` for `life`, at most 30 days; role publisher.
    pub fn new(
        api_key: impl Into<String>,
        session_id: impl Into<String>,
        now: SystemTime,
        life: Duration,
    ) -> Self {
        let iat = unix(now);
        Self {
            api_key: api_key.into(),
            session_id: session_id.into(),
            role: Role::default(),
            connection_data: None,
            layout_classes: Vec::new(),
            nonce: None,
            iat,
            exp: iat.saturating_add(life.as_secs()),
        }
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

    /// From times in seconds since 1970.
    pub(crate) fn at(api_key: String, session_id: String, iat: u64, exp: u64) -> Self {
        let mut claims = Self::new(api_key, session_id, SystemTime::UNIX_EPOCH, Duration::ZERO);
        (claims.iat, claims.exp) = (iat, exp);
        claims
    }

    /// Minted and expiring, in seconds since 1970.
    pub(crate) fn times(&self) -> (u64, u64) {
        (self.iat, self.exp)
    }

    pub(crate) fn check(&self) -> Result<(), MintError> {
        bounded("iss", &self.api_key, 128)?;
        bounded("session_id", &self.session_id, 512)?;
        if let Some(data) = self
            .connection_data
            .as_deref()
            .filter(|data| !data.is_empty())
        {
            bounded("connection_data", data, MAX_DATA)?;
        }
        let classes = self.layout_classes.join(" ").len();
        if classes > MAX_DATA {
            return Err(MintError::ClaimTooLong {
                claim: "initial_layout_class_list",
                len: classes,
                max: MAX_DATA,
            });
        }
        match self.exp.checked_sub(self.iat) {
            None | Some(0) => Err(MintError::NeverValid),
            Some(life) if life > MAX_LIFE => Err(MintError::LivesTooLong { max_s: MAX_LIFE }),
            _ => Ok(()),
        }
    }
}

/// The wire's form.
#[derive(Serialize, Deserialize)]
struct Wire {
    iss: String,
    #[serde(default)]
    ist: Option<String>,
    #[serde(deserialize_with = "date")]
    iat: u64,
    #[serde(deserialize_with = "date")]
    exp: u64,
    session_id: String,
    #[serde(skip_deserializing)]
    create_time: u64,
    #[serde(skip_deserializing)]
    expire_time: u64,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "number"
    )]
    nonce: Option<f64>,
    #[serde(default)]
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connection_data: Option<String>,
    #[serde(default)]
    initial_layout_class_list: Classes,
    scope: String,
}

/// Joined with spaces by the SDKs; a list is read too.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Classes {
    Joined(String),
    List(Vec<String>),
}

impl Default for Classes {
    fn default() -> Self {
        Self::Joined(String::new())
    }
}

impl Classes {
    pub(super) fn join(classes: &[String]) -> Self {
        Self::Joined(classes.join(" "))
    }

    pub(super) fn split(self) -> Vec<String> {
        match self {
            Self::Joined(text) => text.split_ascii_whitespace().map(str::to_owned).collect(),
            Self::List(list) => list,
        }
    }
}

/// Whole numbers without a fraction, as Python writes them.
fn number<S: Serializer>(nonce: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match nonce {
        // Whole and within what a double counts exactly.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(nonce) if nonce.fract() == 0.0 && (0.0..EXACT).contains(nonce) => {
            serializer.serialize_u64(*nonce as u64)
        }
        Some(nonce) => serializer.serialize_f64(*nonce),
        None => serializer.serialize_none(),
    }
}

impl sealed::Claims for OpenTokConnect {
    fn write(&self) -> Result<Vec<u8>, MintError> {
        self.check()?;
        to_json(&Wire {
            iss: self.api_key.clone(),
            ist: Some(PROJECT.to_owned()),
            iat: self.iat,
            exp: self.exp,
            session_id: self.session_id.clone(),
            create_time: self.iat,
            expire_time: self.exp,
            nonce: self.nonce.filter(|nonce| nonce.is_finite()),
            role: self.role,
            connection_data: self.connection_data.clone(),
            initial_layout_class_list: Classes::join(&self.layout_classes),
            scope: CONNECT.to_owned(),
        })
    }

    fn read(json: &[u8]) -> Result<Self, Malformed> {
        let wire: Wire = from_json(json)?;
        if wire.scope != CONNECT || wire.ist.is_some_and(|ist| ist != PROJECT) {
            return Err(Malformed::OtherFamily);
        }
        Ok(Self {
            api_key: wire.iss,
            session_id: wire.session_id,
            role: wire.role,
            connection_data: wire.connection_data,
            layout_classes: wire.initial_layout_class_list.split(),
            nonce: wire.nonce,
            iat: wire.iat,
            exp: wire.exp,
        })
    }

    fn registered(&self) -> Registered<'_> {
        Registered {
            exp: Some(self.exp),
            iss: Some(&self.api_key),
            session: Some(&self.session_id),
            ..Registered::default()
        }
    }
}

impl ClaimSet for OpenTokConnect {}

/// A project token: lets a server use the REST API, in the header `X-OPENTOK-AUTH`.
///
/// A connect token, which its holder was given to join one session, is never taken for one although its claims
/// include all of these.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenTokProject {
    /// `iss`: the project's API key.
    pub api_key: String,
    /// `jti`: Python writes one, Node does not.
    pub id: Option<String>,
    iat: u64,
    exp: u64,
}

impl OpenTokProject {
    /// Claims for a project, valid from `now` for `life`: the SDKs give 3 to 5 minutes.
    pub fn new(api_key: impl Into<String>, now: SystemTime, life: Duration) -> Self {
        let iat = unix(now);
        Self {
            api_key: api_key.into(),
            id: None,
            iat,
            exp: iat.saturating_add(life.as_secs()),
        }
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
}

#[derive(Serialize, Deserialize)]
struct ProjectWire {
    iss: String,
    ist: String,
    #[serde(deserialize_with = "date")]
    iat: u64,
    #[serde(deserialize_with = "date")]
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(default, skip_serializing)]
    scope: Option<IgnoredAny>,
    #[serde(default, skip_serializing)]
    session_id: Option<IgnoredAny>,
}

impl sealed::Claims for OpenTokProject {
    fn write(&self) -> Result<Vec<u8>, MintError> {
        bounded("iss", &self.api_key, 128)?;
        if self.exp <= self.iat {
            return Err(MintError::NeverValid);
        }
        to_json(&ProjectWire {
            iss: self.api_key.clone(),
            ist: PROJECT.to_owned(),
            iat: self.iat,
            exp: self.exp,
            jti: self.id.clone(),
            scope: None,
            session_id: None,
        })
    }

    fn read(json: &[u8]) -> Result<Self, Malformed> {
        let wire: ProjectWire = from_json(json)?;
        if wire.ist != PROJECT || wire.scope.is_some() || wire.session_id.is_some() {
            return Err(Malformed::OtherFamily);
        }
        Ok(Self {
            api_key: wire.iss,
            id: wire.jti,
            iat: wire.iat,
            exp: wire.exp,
        })
    }

    fn registered(&self) -> Registered<'_> {
        Registered {
            exp: Some(self.exp),
            iss: Some(&self.api_key),
            ..Registered::default()
        }
    }
}

impl ClaimSet for OpenTokProject {}
