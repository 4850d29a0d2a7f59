//! Whether callers must prove who they are: the digest policy of an endpoint.

use std::collections::HashMap;
use std::fmt;

use crate::auth::{Ha1, ServerAuthConfig};
use crate::header::digest::HashAlgorithm;

/// Digest authentication of those who call us (RFC 3261 section 22): an INVITE without right
/// credentials is answered with 401.
#[non_exhaustive]
pub struct DigestPolicy {
    /// The realm that the challenge names.
    pub realm: String,
    /// The hashes offered, best first. The store must have HA1s of each.
    pub hashes: Vec<HashAlgorithm>,
    /// The key of our nonces. Nodes that share it accept each other's.
    pub key: [u8; 32],
    /// Life of nonces and windows against replay.
    pub options: ServerAuthConfig,
    /// Who knows the users.
    pub users: Users,
}

impl DigestPolicy {
    /// A policy that challenges with MD5, which every phone speaks, and asks for HA1s
    /// ([`Question::Credential`](crate::Question::Credential)).
    pub fn new(realm: impl Into<String>, key: [u8; 32]) -> Self {
        Self {
            realm: realm.into(),
            hashes: vec![HashAlgorithm::Md5],
            key,
            options: ServerAuthConfig::default(),
            users: Users::Ask,
        }
    }

    /// The hashes to offer, best first.
    pub fn hashes(mut self, hashes: impl Into<Vec<HashAlgorithm>>) -> Self {
        self.hashes = hashes.into();
        self
    }

    /// Adds a user to the answers in memory, with an HA1 for each hash offered; set
    /// [`hashes`](Self::hashes) before.
    pub fn user(mut self, user: &str, password: &str) -> Self {
        let ha1s = self
            .hashes
            .iter()
            .map(|hash| Ha1::from_password(*hash, user, &self.realm, password))
            .collect();
        match &mut self.users {
            Users::Known(known) => {
                known.insert(user.to_owned(), ha1s);
            }
            Users::Ask => self.users = Users::Known(HashMap::from([(user.to_owned(), ha1s)])),
        }
        self
    }
}

impl fmt::Debug for DigestPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestPolicy")
            .field("realm", &self.realm)
            .field("hashes", &self.hashes)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}

/// Who knows the HA1 of a user.
#[derive(Debug)]
#[non_exhaustive]
pub enum Users {
    /// The application: each look-up is a [`Question::Credential`](crate::Question::Credential).
    Ask,
    /// This table, by user name.
    Known(HashMap<String, Vec<Ha1>>),
}
