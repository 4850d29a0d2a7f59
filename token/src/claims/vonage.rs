//! The Vonage family: tokens of an application, signed RS256 by its private key.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::opentok::{CONNECT, Classes, MAX_DATA};
use super::{ClaimSet, Registered, Role, bounded, from_json, sealed, to_json};
use crate::error::{Malformed, MintError};
use crate::time::{date, optional_date, unix, wall};

/// A token of a Vonage application: for the REST API, or with [`VonageConnect`] for a client that joins a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VonageClaims {
    /// The application.
    pub application_id: String,
    /// `jti`.
    pub id: Option<String>,
    /// `sub`, which some SDKs write as `subject`: `video`, or a user's name.
    pub subject: Option<String>,
    /// The paths of `acl`, for example `/session/**`. Their filters are not kept.
    pub acl_paths: Vec<String>,
    /// What lets a client into a session; `None` for a token of the REST API.
    pub connect: Option<VonageConnect>,
    iat: u64,
    nbf: Option<u64>,
    exp: u64,
}

/// The part of a Vonage token that lets a client into a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VonageConnect {
    /// The session.
    pub session_id: String,
    /// What the holder may do there.
    pub role: Role,
    /// What the other participants see of the holder; at most 1024 bytes are minted.
    pub connection_data: Option<String>,
    /// Layout classes of the holder's first streams.
    pub layout_classes: Vec<String>,
}

impl VonageConnect {
    /// A session and a role.
    pub fn new(session_id: impl Into<String>, role: Role) -> Self {
        Self {
            session_id: session_id.into(),
            role,
            connection_data: None,
            layout_classes: Vec::new(),
        }
    }
}

impl VonageClaims {
    /// Claims of an application for its REST API, valid from `now` for `life`: the SDKs give 15 minutes.
    pub fn new(application_id: impl Into<String>, now: SystemTime, life: Duration) -> Self {
        let iat = unix(now);
        Self {
            application_id: application_id.into(),
            id: None,
            subject: None,
            acl_paths: Vec::new(),
            connect: None,
            iat,
            nbf: None,
            exp: iat.saturating_add(life.as_secs()),
        }
    }

    /// Makes it a client's token, with the subject and the access list that the SDKs give.
    #[must_use]
    pub fn with_connect(mut self, connect: VonageConnect) -> Self {
        self.connect = Some(connect);
        self.subject = Some("video".to_owned());
        self.acl_paths = vec!["/session/**".to_owned()];
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
}

#[derive(Default, Serialize, Deserialize)]
struct Acl {
    #[serde(default)]
    paths: BTreeMap<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    application_id: String,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(default, skip_serializing)]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acl: Option<Acl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connection_data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initial_layout_class_list: Option<Classes>,
}

impl sealed::Claims for VonageClaims {
    fn write(&self) -> Result<Vec<u8>, MintError> {
        bounded("application_id", &self.application_id, 128)?;
        if self.exp <= self.nbf.unwrap_or(self.iat) {
            return Err(MintError::NeverValid);
        }
        if let Some(connect) = &self.connect {
            bounded("session_id", &connect.session_id, 512)?;
            if let Some(data) = connect
                .connection_data
                .as_deref()
                .filter(|data| !data.is_empty())
            {
                bounded("connection_data", data, MAX_DATA)?;
            }
        }
        let connect = self.connect.as_ref();
        let filters = || serde_json::Value::Object(serde_json::Map::new());
        to_json(&Wire {
            application_id: self.application_id.clone(),
            iat: self.iat,
            nbf: self.nbf,
            exp: self.exp,
            jti: self.id.clone(),
            sub: self.subject.clone(),
            subject: None,
            acl: (!self.acl_paths.is_empty()).then(|| Acl {
                paths: self
                    .acl_paths
                    .iter()
                    .map(|path| (path.clone(), filters()))
                    .collect(),
            }),
            scope: connect.map(|_| CONNECT.to_owned()),
            session_id: connect.map(|connect| connect.session_id.clone()),
            role: connect.map(|connect| connect.role),
            connection_data: connect.and_then(|connect| connect.connection_data.clone()),
            initial_layout_class_list: connect
                .filter(|connect| !connect.layout_classes.is_empty())
                .map(|connect| Classes::join(&connect.layout_classes)),
        })
    }

    fn read(json: &[u8]) -> Result<Self, Malformed> {
        let wire: Wire = from_json(json)?;
        // A client's token has both; with one alone it would be a client's to one reader and a server's to another.
        let connect = match (wire.scope, wire.session_id) {
            (None, None) => None,
            (Some(scope), Some(session_id)) if scope == CONNECT => Some(VonageConnect {
                session_id,
                role: wire.role.unwrap_or_default(),
                connection_data: wire.connection_data,
                layout_classes: wire.initial_layout_class_list.unwrap_or_default().split(),
            }),
            _ => return Err(Malformed::OtherFamily),
        };
        Ok(Self {
            application_id: wire.application_id,
            id: wire.jti,
            subject: wire.sub.or(wire.subject),
            acl_paths: wire.acl.unwrap_or_default().paths.into_keys().collect(),
            connect,
            iat: wire.iat,
            nbf: wire.nbf,
            exp: wire.exp,
        })
    }

    fn registered(&self) -> Registered<'_> {
        Registered {
            exp: Some(self.exp),
            nbf: self.nbf,
            session: self
                .connect
                .as_ref()
                .map(|connect| connect.session_id.as_str()),
            ..Registered::default()
        }
    }
}

impl ClaimSet for VonageClaims {}
