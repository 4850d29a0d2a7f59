//! The plain family: tokens of our own, with registered claims where RFC 7519 has them.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{ClaimSet, Registered, Role, bounded, from_json, sealed, to_json};
use crate::error::{Malformed, MintError, VerifyError};
use crate::time::{date, optional_date, unix, wall};

/// Longest session id that is minted, in bytes.
const MAX_SESSION: usize = 512;
/// Longest data that is minted, in bytes: what the OpenTok family allows too.
const MAX_DATA: usize = 1024;

/// Lets its holder into one session.
///
/// ```json
/// {"session":"standup","role":"publisher","data":"sip=true","iat":1900000000,"exp":1900003600}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionClaims {
    /// The session.
    pub session: String,
    /// What the holder may do there. A token without it is a publisher's.
    #[serde(default)]
    pub role: Role,
    /// What the other participants see of the holder, as the application likes: `sip=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// `sub`: the holder's name or number.
    #[serde(rename = "sub", default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `iss`: who minted it.
    #[serde(rename = "iss", default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `aud`: whom it is shown to; empty means anyone.
    #[serde(
        rename = "aud",
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "audience"
    )]
    pub audience: Vec<String>,
    /// `jti`: the token's own name, for those who keep lists of tokens called back.
    #[serde(rename = "jti", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(deserialize_with = "date")]
    iat: u64,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_date"
    )]
    nbf: Option<u64>,
    #[serde(deserialize_with = "date")]
    exp: u64,
}

impl SessionClaims {
    /// Claims for a session, valid from `now` for `life`; role publisher, no data. Times are kept in whole seconds.
    pub fn new(session: impl Into<String>, now: SystemTime, life: Duration) -> Self {
        let iat = unix(now);
        Self {
            session: session.into(),
            role: Role::default(),
            data: None,
            subject: None,
            issuer: None,
            audience: Vec::new(),
            id: None,
            iat,
            nbf: None,
            exp: iat.saturating_add(life.as_secs()),
        }
    }

    /// Sets the role.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Sets the data; at most 1024 bytes are minted.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<String>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// Sets `sub`.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets `iss`.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Adds to `aud`.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience.push(audience.into());
        self
    }

    /// Sets `jti`.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets `nbf`: before this the token is refused.
    #[must_use]
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.nbf = Some(unix(time));
        self
    }

    /// `iat`: when it was minted.
    #[must_use]
    pub fn issued_at(&self) -> SystemTime {
        wall(self.iat)
    }

    /// `exp`: from then on it is refused.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        wall(self.exp)
    }

    /// Checks that the token opens this session.
    ///
    /// # Errors
    ///
    /// [`VerifyError::WrongSession`] names both.
    pub fn require_session(&self, session: &str) -> Result<(), VerifyError> {
        if self.session == session {
            return Ok(());
        }
        let found = self.session.chars().take(128).collect();
        Err(VerifyError::WrongSession {
            expected: session.to_owned(),
            found,
        })
    }

    /// Checks that the role is one of these.
    ///
    /// # Errors
    ///
    /// [`VerifyError::RoleNotAllowed`] names the token's role.
    pub fn require_role(&self, roles: &[Role]) -> Result<(), VerifyError> {
        if roles.contains(&self.role) {
            Ok(())
        } else {
            Err(VerifyError::RoleNotAllowed(self.role))
        }
    }
}

impl sealed::Claims for SessionClaims {
    fn write(&self) -> Result<Vec<u8>, MintError> {
        bounded("session", &self.session, MAX_SESSION)?;
        if let Some(data) = self.data.as_deref().filter(|data| !data.is_empty()) {
            bounded("data", data, MAX_DATA)?;
        }
        if self.exp <= self.nbf.unwrap_or(self.iat) {
            return Err(MintError::NeverValid);
        }
        to_json(self)
    }

    fn read(json: &[u8]) -> Result<Self, Malformed> {
        from_json(json)
    }

    fn registered(&self) -> Registered<'_> {
        Registered {
            exp: Some(self.exp),
            nbf: self.nbf,
            iss: self.issuer.as_deref(),
            aud: &self.audience,
            session: Some(&self.session),
        }
    }
}

impl ClaimSet for SessionClaims {}

/// `aud` is one string or a list of them (RFC 7519 section 4.1.3).
pub(super) mod audience {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<S, M> {
        One(S),
        Many(M),
    }

    pub(crate) fn serialize<S: Serializer>(
        list: &[String],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match list {
            [one] => OneOrMany::<&str, &[String]>::One(one),
            many => OneOrMany::Many(many),
        }
        .serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<String>, D::Error> {
        Ok(
            match OneOrMany::<String, Vec<String>>::deserialize(deserializer)? {
                OneOrMany::One(one) => vec![one],
                OneOrMany::Many(many) => many,
            },
        )
    }
}
