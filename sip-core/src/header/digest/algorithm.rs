//! Algorithms and qualities of protection: the names that both sides share.

use core::fmt;

/// A hash that digest authentication is built on, without the `-sess` question.
///
/// Ordered from weakest to strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// `MD5` (RFC 3261): broken as a hash, and still what most phones and both browser libraries speak.
    Md5,
    /// `SHA-256` (RFC 8760).
    Sha256,
    /// `SHA-512-256` (RFC 8760): SHA-512/256 of FIPS 180-4, which is not SHA-512 cut short.
    Sha512_256,
}

impl HashAlgorithm {
    /// Every hash, weakest first.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha256, Self::Sha512_256];

    /// Digits of the hash in hexadecimal: 32 or 64.
    #[must_use]
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512_256 => 64,
        }
    }

    /// The name on the wire, as in `algorithm=SHA-256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A digest algorithm: a hash, and whether the HA1 is bound to the nonce (`-sess`).
///
/// ```
/// use sip_core::header::digest::{Algorithm, HashAlgorithm};
///
/// assert_eq!(Algorithm::from_name("sha-256-SESS"), Some(Algorithm::SHA_256_SESS));
/// assert_eq!(Algorithm::SHA_256_SESS.hash, HashAlgorithm::Sha256);
/// assert_eq!(Algorithm::from_name("AKAv1-MD5"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Algorithm {
    /// The hash.
    pub hash: HashAlgorithm,
    /// Whether this is the `-sess` variant (RFC 7616 section 3.4.2).
    pub session: bool,
}

impl Algorithm {
    /// `MD5`, also what an absent `algorithm` means.
    pub const MD5: Self = Self::plain(HashAlgorithm::Md5);
    /// `MD5-sess`.
    pub const MD5_SESS: Self = Self::sess(HashAlgorithm::Md5);
    /// `SHA-256`.
    pub const SHA_256: Self = Self::plain(HashAlgorithm::Sha256);
    /// `SHA-256-sess`.
    pub const SHA_256_SESS: Self = Self::sess(HashAlgorithm::Sha256);
    /// `SHA-512-256`.
    pub const SHA_512_256: Self = Self::plain(HashAlgorithm::Sha512_256);
    /// `SHA-512-256-sess`.
    pub const SHA_512_256_SESS: Self = Self::sess(HashAlgorithm::Sha512_256);

    /// The plain variant of a hash.
    #[must_use]
    pub const fn plain(hash: HashAlgorithm) -> Self {
        Self {
            hash,
            session: false,
        }
    }

    /// The `-sess` variant of a hash.
    #[must_use]
    pub const fn sess(hash: HashAlgorithm) -> Self {
        Self {
            hash,
            session: true,
        }
    }

    /// Reads a name from the wire, in any case. `None` when it is not one of ours.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        const SUFFIX: &[u8] = b"-sess";
        let bytes = name.as_bytes();
        let (base, session) = match bytes.len().checked_sub(SUFFIX.len()) {
            Some(at) if bytes[at..].eq_ignore_ascii_case(SUFFIX) => (&bytes[..at], true),
            _ => (bytes, false),
        };
        HashAlgorithm::ALL
            .into_iter()
            .find(|hash| hash.name().as_bytes().eq_ignore_ascii_case(base))
            .map(|hash| Self { hash, session })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        f.write_str(if self.session { "-sess" } else { "" })
    }
}

/// The `algorithm` parameter as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AlgorithmParam {
    /// No parameter, which means [`Algorithm::MD5`].
    #[default]
    Absent,
    /// One that we speak.
    Known(Algorithm),
    /// One that we do not speak, such as `AKAv1-MD5`; RFC 7616 section 3.3 has such a challenge passed over.
    Other(String),
}

impl AlgorithmParam {
    /// The algorithm meant, `None` when it is not one of ours.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        match self {
            Self::Absent => Some(Algorithm::MD5),
            Self::Known(algorithm) => Some(*algorithm),
            Self::Other(_) => None,
        }
    }

    pub(super) fn from_value(value: &str) -> Self {
        Algorithm::from_name(value).map_or_else(|| Self::Other(value.to_owned()), Self::Known)
    }
}

/// Quality of protection: what the response covers (RFC 7616 section 3.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Qop {
    /// `auth`: method and Request-URI.
    Auth,
    /// `auth-int`: the body too.
    AuthInt,
}

impl Qop {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt]
            .into_iter()
            .find(|qop| qop.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Qop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The `qop` list of a challenge. Both `false` means: a list was sent, and none of it is known to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QopOptions {
    /// `auth` is offered.
    pub auth: bool,
    /// `auth-int` is offered.
    pub auth_int: bool,
}

impl QopOptions {
    /// Offers `auth` alone, what every phone speaks.
    pub const AUTH: Self = Self {
        auth: true,
        auth_int: false,
    };

    /// Whether `qop` is in the list.
    #[must_use]
    pub const fn contains(self, qop: Qop) -> bool {
        match qop {
            Qop::Auth => self.auth,
            Qop::AuthInt => self.auth_int,
        }
    }
}
