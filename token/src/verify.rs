//! From a token to claims that can be believed.

use std::time::{Duration, SystemTime};

use crate::claims::sealed::Claims as _;
use crate::claims::{AnyClaims, ClaimSet, Registered};
use crate::error::{Malformed, VerifyError};
use crate::jws::Parts;
use crate::keys::{Algorithm, Check, DELEGATION, KeyPath, KeySet};
use crate::t1::{self, T1Secret};
use crate::time::unix;

/// Choices of a [`Verifier`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifierOptions {
    /// How far the minter's clock may be off, applied to `exp` and `nbf`. Default 5 s: clocks that are kept differ by
    /// less.
    pub leeway: Duration,
    /// Refuse tokens without `exp`. Default `true`. (Families whose tokens always have one do not care.)
    pub require_expiry: bool,
    /// Accept tokens for this audience only. Default `None`: `aud` is not looked at.
    pub audience: Option<String>,
    /// Accept tokens of these issuers only. Default empty: `iss` is not looked at.
    pub issuers: Vec<String>,
    /// Longest token, in bytes. Default 8192: what HTTP servers take in one header field.
    pub max_len: usize,
}

impl Default for VerifierOptions {
    fn default() -> Self {
        Self {
            leeway: Duration::from_secs(5),
            require_expiry: true,
            audience: None,
            issuers: Vec::new(),
            max_len: 8192,
        }
    }
}

/// Checks tokens against the keys that it was given. Without state: one serves any number of threads.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: KeySet,
    t1: Vec<T1Secret>,
    options: VerifierOptions,
}

/// A token that was found right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified<C> {
    /// What it says.
    pub claims: C,
    /// The algorithm that signed it.
    pub algorithm: Algorithm,
    /// The name of the key that signed it, when the key has one.
    pub kid: Option<String>,
    /// Where the key that signed it stands, when it belongs to a hierarchy. For the key of an application, hold its
    /// second segment against what the application owns.
    pub path: Option<KeyPath>,
}

impl Verifier {
    /// A verifier that trusts one key or a set of them.
    #[must_use]
    pub fn new(keys: impl Into<KeySet>) -> Self {
        Self::with_options(keys, VerifierOptions::default())
    }

    /// A verifier with options of one's own.
    #[must_use]
    pub fn with_options(keys: impl Into<KeySet>, options: VerifierOptions) -> Self {
        Self {
            keys: keys.into(),
            t1: Vec::new(),
            options,
        }
    }

    /// Checks a token of the family `C` at the time `now`.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says why it was refused. Time and claims are judged only once the signature is found right, so
    /// an error never tells a forger whether the rest would have passed.
    pub fn verify<C: ClaimSet>(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<Verified<C>, VerifyError> {
        let now = unix(now);
        let parts = Parts::parse(token, self.options.max_len)?;
        let signed = self.check_signature(&parts, now)?;
        let claims = C::read(&parts.claims()?)?;
        let registered = claims.registered();
        self.judge(&registered, now)?;
        bind(signed.path.as_ref(), registered.session)?;
        let Signed {
            algorithm,
            kid,
            path,
        } = signed;
        Ok(Verified {
            claims,
            algorithm,
            kid,
            path,
        })
    }

    /// Trusts a project's secret for `T1==` texts too, which [`verify_any`](Self::verify_any) then takes.
    #[must_use]
    pub fn with_t1(mut self, secret: T1Secret) -> Self {
        self.t1.push(secret);
        self
    }

    /// Checks a token of whatever family at the time `now`: a JWT, or a `T1==` text.
    ///
    /// The answer says which family it is. Where one family alone is expected, [`verify`](Self::verify) with its type
    /// leaves the others at the door.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_any(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<Verified<AnyClaims>, VerifyError> {
        if !token.starts_with(t1::SENTINEL) {
            return self.verify(token, now);
        }
        let claims = AnyClaims::OpenTokConnect(t1::open(token, &self.t1, self.options.max_len)?);
        self.judge(&claims.registered(), unix(now))?;
        Ok(Verified {
            claims,
            algorithm: Algorithm::T1,
            kid: None,
            path: None,
        })
    }

    fn check_signature(&self, parts: &Parts<'_>, now: u64) -> Result<Signed, VerifyError> {
        let header = &parts.header;
        // RFC 7518 writes `none` in lower case; forgers have tried the others.
        if header.alg.eq_ignore_ascii_case("none") {
            return Err(VerifyError::Unsigned);
        }
        let Some(algorithm) = Algorithm::from_name(&header.alg) else {
            return Err(VerifyError::UnknownAlgorithm(cut(&header.alg, 32)));
        };
        if header.crit.is_some() {
            return Err(VerifyError::CriticalExtension);
        }
        if header.typ.as_deref() == Some(DELEGATION) {
            return Err(Malformed::Delegation.into());
        }
        let kid = header.kid.as_deref();
        let mut error = match kid {
            Some(kid) => VerifyError::UnknownKey { kid: cut(kid, 64) },
            None => VerifyError::AlgorithmNotAllowed(algorithm),
        };
        for key in self.keys.candidates(kid) {
            match key.check(parts, algorithm, now, self.options.leeway.as_secs()) {
                Check::Right { path } => {
                    let kid = if path.is_some() { kid } else { key.kid() };
                    return Ok(Signed {
                        algorithm,
                        kid: kid.map(str::to_owned),
                        path,
                    });
                }
                Check::Forged => error = VerifyError::Forged,
                Check::Broken(broken) => error = broken.into(),
                Check::OtherAlgorithm if error != VerifyError::Forged => {
                    error = VerifyError::AlgorithmNotAllowed(algorithm);
                }
                Check::OtherAlgorithm | Check::NotMine => {}
            }
        }
        Err(error)
    }

    fn judge(&self, claims: &Registered<'_>, now: u64) -> Result<(), VerifyError> {
        let leeway = self.options.leeway.as_secs();
        match claims.exp {
            // RFC 7519 section 4.1.4: now must be before it.
            Some(exp) if now >= exp.saturating_add(leeway) => {
                return Err(VerifyError::Expired { since_s: now - exp });
            }
            None if self.options.require_expiry => return Err(VerifyError::MissingClaim("exp")),
            _ => {}
        }
        if let Some(nbf) = claims.nbf.filter(|nbf| now.saturating_add(leeway) < *nbf) {
            return Err(VerifyError::NotYetValid { in_s: nbf - now });
        }
        if let Some(audience) = &self.options.audience {
            match claims.aud {
                [] => return Err(VerifyError::MissingClaim("aud")),
                list if !list.contains(audience) => return Err(VerifyError::WrongAudience),
                _ => {}
            }
        }
        if !self.options.issuers.is_empty() {
            let issuer = claims.iss.ok_or(VerifyError::MissingClaim("iss"))?;
            if !self.options.issuers.iter().any(|trusted| trusted == issuer) {
                return Err(VerifyError::WrongIssuer);
            }
        }
        Ok(())
    }
}

struct Signed {
    algorithm: Algorithm,
    kid: Option<String>,
    path: Option<KeyPath>,
}

/// The key of one session opens that session only: otherwise whoever holds it could mint for its neighbours.
fn bind(path: Option<&KeyPath>, session: Option<&str>) -> Result<(), VerifyError> {
    match (path.and_then(KeyPath::session), session) {
        (Some(expected), Some(found)) if expected != found => Err(VerifyError::WrongSession {
            expected: cut(expected, 128),
            found: cut(found, 128),
        }),
        // A family without sessions has no business with the key of one.
        (Some(_), None) => Err(VerifyError::MissingClaim("session")),
        _ => Ok(()),
    }
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
