//! The server's side: challenges, and the verdict on credentials (RFC 3261 section 22.4, RFC 8760 section 2.3).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Ha1;
use super::nonce::{Count, Counts, Nonce};
use super::response::{DigestRequest, response};
use crate::header::digest::{
    Algorithm, AlgorithmParam, Challenge, Credentials, HashAlgorithm, Qop, QopOptions,
};

/// How the `uri` of credentials is compared with the Request-URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum UriCheck {
    /// They must be the same text, so that credentials overheard for one target do not open another.
    #[default]
    Exact,
    /// Not at all: for a server behind a proxy that rewrites Request-URIs, or phones that leave parameters out.
    Ignore,
}

/// Choices of a [`ServerAuth`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerAuthConfig {
    /// How long a nonce serves. Default 5 minutes; a client whose nonce is older hears `stale=true` and goes on
    /// without asking its user.
    pub nonce_lifetime: Duration,
    /// Nonces whose request counts are tracked, each about 40 bytes. Default 16384; when full, the oldest become
    /// stale before their time.
    pub max_nonces: usize,
    /// Qualities of protection offered. Default `auth`: JsSIP picks `auth-int` where both are offered.
    pub qop: QopOptions,
    /// Refuse clients that answer without `qop`, as those of RFC 2543 did. Default `false`: such a response is good
    /// for one request a nonce, and with MD5 only.
    pub require_qop: bool,
    /// Offer `-sess` variants. Default `false`. A client that uses one is understood in any case.
    pub session: bool,
    /// List MD5 before stronger hashes. Default `false`. For WebSocket: browsers' libraries read the first challenge
    /// only, and speak MD5 only.
    pub md5_first: bool,
    /// How the `uri` of credentials is compared. Default [`UriCheck::Exact`].
    pub uri_check: UriCheck,
    /// Written into each nonce: which of the endpoints that share the key counts its requests. Default 0.
    pub home: u16,
    /// Say `stale=true` to nonces of another home, whose requests are not counted here. Default `false`: they are
    /// accepted, so that another node can take over, and each node would take a replayed request once.
    pub only_home: bool,
}

impl Default for ServerAuthConfig {
    fn default() -> Self {
        Self {
            nonce_lifetime: Duration::from_secs(300),
            max_nonces: 16_384,
            qop: QopOptions::AUTH,
            require_qop: false,
            session: false,
            md5_first: false,
            uri_check: UriCheck::Exact,
            home: 0,
            only_home: false,
        }
    }
}

/// Whose HA1 a verdict needs: what the application looks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup<'a> {
    /// The user name that the client claims.
    pub username: &'a str,
    /// The realm that it answers. For a nonce of ours it is a realm that we challenged for.
    pub realm: &'a str,
    /// The hash of the HA1.
    pub hash: HashAlgorithm,
}

/// What the credentials are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The client knows the password, and this request was not seen before.
    Ok,
    /// Challenge again with `stale=true`: the client repeats the request without asking its user.
    Stale(StaleReason),
    /// Wrong password or no such user. Challenge again, or answer 403.
    Wrong,
    /// The credentials cannot be right whatever the password. Answer 400.
    Malformed(Malformed),
    /// The application gave an HA1 of another realm or hash than [`Lookup`] named. Answer 500.
    Ha1Mismatch,
}

impl Verdict {
    /// What goes into the `stale` of the next challenge.
    #[must_use]
    pub const fn is_stale(self) -> bool {
        matches!(self, Self::Stale(_))
    }
}

/// Why a nonce serves no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StaleReason {
    /// Older than [`ServerAuthConfig::nonce_lifetime`].
    Expired,
    /// Not made with our key, for example before a restart. Said only when the response is right.
    Foreign,
    /// Another endpoint counts its requests ([`ServerAuthConfig::only_home`]). Said only when the response is right.
    Elsewhere,
    /// The request count was used before: a replay, or a client that does not count.
    Replayed,
    /// Its counts made room for newer nonces.
    Forgotten,
}

/// Why credentials cannot be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// An algorithm that we did not offer, since we do not speak it.
    #[error("unknown digest algorithm")]
    UnknownAlgorithm,
    /// The `uri` differs from the Request-URI.
    #[error("the digest uri differs from the Request-URI")]
    UriMismatch,
    /// No `qop`, and configuration or algorithm demand it.
    #[error("qop is missing")]
    QopMissing,
    /// A `qop` that was not offered and is weaker than what was.
    #[error("qop was not offered")]
    QopNotOffered,
    /// Counts start at one.
    #[error("nc is zero")]
    ZeroNonceCount,
    /// The response is not as long as the hash.
    #[error("the response has the wrong length")]
    ResponseLength,
}

/// Makes challenges and judges credentials, for any number of realms.
///
/// Restarting with the same key forgets the request counts: until the nonces of before have expired, a request from
/// before could be replayed once. Start with a fresh key where that matters; clients then hear `stale=true`.
pub struct ServerAuth {
    key: Zeroizing<[u8; 32]>,
    config: ServerAuthConfig,
    counts: Counts,
}

impl ServerAuth {
    /// A server with its nonce key: 32 random bytes, the same on every node that shall accept the others' nonces.
    #[must_use]
    pub fn new(key: [u8; 32], config: ServerAuthConfig) -> Self {
        let counts = Counts::new(config.max_nonces);
        Self {
            key: Zeroizing::new(key),
            config,
            counts,
        }
    }

    /// Challenges for a realm, in the order in which they go into the response: one for each hash for which the realm
    /// has HA1s, strongest first unless [`ServerAuthConfig::md5_first`].
    ///
    /// Empty when `hashes` is: without any HA1 nobody could log in. `wall` is the wall clock's time.
    pub fn challenge(
        &self,
        realm: &str,
        hashes: &[HashAlgorithm],
        stale: bool,
        wall: SystemTime,
        chance: &mut dyn FnMut(&mut [u8]),
    ) -> Vec<Challenge> {
        let mut salt = [0; 8];
        chance(&mut salt);
        let nonce = Nonce {
            home: self.config.home,
            issued: millis(wall),
            salt: u64::from_be_bytes(salt),
        };
        let nonce = nonce.seal(&self.key, realm);
        let mut order: Vec<_> = HashAlgorithm::ALL
            .into_iter()
            .rev()
            .filter(|hash| hashes.contains(hash))
            .collect();
        if self.config.md5_first {
            order.sort_by_key(|hash| *hash != HashAlgorithm::Md5);
        }
        order
            .into_iter()
            .map(|hash| {
                let algorithm = Algorithm {
                    hash,
                    session: self.config.session,
                };
                let mut challenge = Challenge::new(realm, nonce.clone());
                challenge.stale = stale;
                challenge.algorithm = AlgorithmParam::Known(algorithm);
                challenge.qop = Some(self.config.qop);
                challenge
            })
            .collect()
    }

    /// Which endpoint counts the requests of a nonce ([`ServerAuthConfig::home`]); `None` when the key did not make
    /// it.
    #[must_use]
    pub fn home_of(&self, credentials: &Credentials) -> Option<u16> {
        Nonce::open(&credentials.nonce, &self.key, &credentials.realm).map(|nonce| nonce.home)
    }

    /// Nonces whose request counts are tracked now.
    #[must_use]
    pub fn tracked_nonces(&self) -> usize {
        self.counts.len()
    }

    /// Whose HA1 is needed to judge these credentials.
    ///
    /// # Errors
    ///
    /// The verdict, where it needs no HA1: malformed, or a nonce of ours that has expired. This keeps such requests
    /// away from the user database.
    pub fn lookup<'a>(
        &self,
        credentials: &'a Credentials,
        request: &DigestRequest<'_>,
        wall: SystemTime,
    ) -> Result<Lookup<'a>, Verdict> {
        let algorithm = self
            .check(credentials, request)
            .map_err(Verdict::Malformed)?;
        let nonce = Nonce::open(&credentials.nonce, &self.key, &credentials.realm);
        if nonce.is_some_and(|nonce| self.expired(nonce, wall)) {
            return Err(Verdict::Stale(StaleReason::Expired));
        }
        Ok(Lookup {
            username: &credentials.username,
            realm: &credentials.realm,
            hash: algorithm.hash,
        })
    }

    /// Judges credentials with the HA1 that [`lookup`](Self::lookup) named, `None` when the user has none.
    ///
    /// [`Verdict::Ok`] uses up the request count: asking twice for one request gives [`StaleReason::Replayed`], so
    /// retransmissions must be absorbed by their transaction before.
    pub fn verify(
        &mut self,
        credentials: &Credentials,
        ha1: Option<&Ha1>,
        request: &DigestRequest<'_>,
        wall: SystemTime,
    ) -> Verdict {
        let algorithm = match self.check(credentials, request) {
            Ok(algorithm) => algorithm,
            Err(reason) => return Verdict::Malformed(reason),
        };
        let nonce = Nonce::open(&credentials.nonce, &self.key, &credentials.realm);
        if nonce.is_some_and(|nonce| self.expired(nonce, wall)) {
            return Verdict::Stale(StaleReason::Expired);
        }
        if ha1.is_some_and(|ha1| ha1.hash() != algorithm.hash || ha1.realm() != credentials.realm) {
            return Verdict::Ha1Mismatch;
        }
        // An unknown user costs as long as a wrong password, so that time does not tell who exists.
        let nobody;
        let used = match ha1 {
            Some(ha1) => ha1,
            None => {
                nobody = Ha1::from_password(algorithm.hash, "", &credentials.realm, "");
                &nobody
            }
        };
        let protection = credentials.protection.as_ref();
        // The client hashed the `uri` that it wrote, which with `UriCheck::Ignore` may differ from the Request-URI.
        let signed = DigestRequest {
            uri: &credentials.uri,
            ..*request
        };
        let right = response(
            used,
            algorithm.session,
            &credentials.nonce,
            protection,
            &signed,
        );
        let given = credentials.response.to_ascii_lowercase();
        if !bool::from(right.as_bytes().ct_eq(given.as_bytes())) || ha1.is_none() {
            return Verdict::Wrong;
        }
        let Some(nonce) = nonce else {
            return Verdict::Stale(StaleReason::Foreign);
        };
        if self.config.only_home && nonce.home != self.config.home {
            return Verdict::Stale(StaleReason::Elsewhere);
        }
        self.counts
            .expire(millis(wall).saturating_sub(self.lifetime_ms()));
        match self
            .counts
            .take(nonce, protection.map(|protection| protection.nc))
        {
            Count::Fresh => Verdict::Ok,
            Count::Replayed => Verdict::Stale(StaleReason::Replayed),
            Count::Forgotten => Verdict::Stale(StaleReason::Forgotten),
        }
    }

    fn check(
        &self,
        credentials: &Credentials,
        request: &DigestRequest<'_>,
    ) -> Result<Algorithm, Malformed> {
        let algorithm = credentials
            .algorithm
            .algorithm()
            .ok_or(Malformed::UnknownAlgorithm)?;
        if self.config.uri_check == UriCheck::Exact && credentials.uri != request.uri {
            return Err(Malformed::UriMismatch);
        }
        match &credentials.protection {
            None if self.config.require_qop || algorithm != Algorithm::MD5 => {
                return Err(Malformed::QopMissing);
            }
            None => {}
            Some(protection) if protection.nc == 0 => return Err(Malformed::ZeroNonceCount),
            // `auth-int` covers all that `auth` does, so it is welcome unasked.
            Some(protection) if protection.qop == Qop::Auth && !self.config.qop.auth => {
                return Err(Malformed::QopNotOffered);
            }
            Some(_) => {}
        }
        if credentials.response.len() != algorithm.hash.hex_len() {
            return Err(Malformed::ResponseLength);
        }
        Ok(algorithm)
    }

    fn expired(&self, nonce: Nonce, wall: SystemTime) -> bool {
        millis(wall).saturating_sub(nonce.issued) > self.lifetime_ms()
    }

    fn lifetime_ms(&self) -> u64 {
        u64::try_from(self.config.nonce_lifetime.as_millis()).unwrap_or(u64::MAX)
    }
}

impl core::fmt::Debug for ServerAuth {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ServerAuth")
            .field("config", &self.config)
            .field("tracked_nonces", &self.counts.len())
            .finish_non_exhaustive()
    }
}

/// Milliseconds since 1970; 0 for a clock before that.
fn millis(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH).map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
