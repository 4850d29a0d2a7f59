//! Who asks for credentials, and what is known of the user.

use core::fmt;

use zeroize::Zeroizing;

use super::Ha1;
use crate::header::digest::Algorithm;

/// Who asks for credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Challenger {
    /// A user agent server, registrar or redirect server: 401, `WWW-Authenticate`, `Authorization`.
    Server,
    /// A proxy: 407, `Proxy-Authenticate`, `Proxy-Authorization`.
    Proxy,
}

impl Challenger {
    /// The status of a challenge: 401 or 407.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Server => 401,
            Self::Proxy => 407,
        }
    }

    /// The header field that carries the challenge.
    #[must_use]
    pub const fn challenge_header(self) -> &'static str {
        match self {
            Self::Server => "WWW-Authenticate",
            Self::Proxy => "Proxy-Authenticate",
        }
    }

    /// The header field that carries the credentials.
    #[must_use]
    pub const fn credentials_header(self) -> &'static str {
        match self {
            Self::Server => "Authorization",
            Self::Proxy => "Proxy-Authorization",
        }
    }
}

/// A user name and what proves it. `Debug` shows the name only.
#[derive(Clone)]
pub struct Account {
    username: String,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    Password(Zeroizing<String>),
    Ha1(Vec<Ha1>),
}

impl Account {
    /// An account with its password, for whatever realm asks.
    pub fn with_password(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            secret: Secret::Password(Zeroizing::new(password.into())),
        }
    }

    /// An account of which only HA1s are known: challenges are answered for their realms and hashes alone.
    pub fn with_ha1(username: impl Into<String>, ha1: impl IntoIterator<Item = Ha1>) -> Self {
        Self {
            username: username.into(),
            secret: Secret::Ha1(ha1.into_iter().collect()),
        }
    }

    /// The user name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    pub(super) fn ha1(&self, algorithm: Algorithm, realm: &str) -> Option<Ha1> {
        match &self.secret {
            Secret::Password(password) => Some(Ha1::from_password(
                algorithm.hash,
                &self.username,
                realm,
                password,
            )),
            Secret::Ha1(known) => known
                .iter()
                .find(|ha1| ha1.hash() == algorithm.hash && ha1.realm() == realm)
                .cloned(),
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
