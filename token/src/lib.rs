//! Session tokens: JSON Web Tokens (RFC 7519) that let their holder into a session, with a role, data and an expiry.
//!
//! Nothing here reads a clock, a file or a database. Time is an argument, keys are values, and a token proves itself:
//! whoever holds the key needs no store to check it.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use token::{Algorithm, Role, SessionClaims, StaticSecret, Verifier, VerifyError, mint};
//!
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
//!
//! // The application server mints a token for a phone that is to join a session.
//! let secret = StaticSecret::new(Algorithm::Hs256, b"thirty-two bytes, better random!")?;
//! let claims = SessionClaims::new("standup", now, Duration::from_secs(3600))
//!     .with_role(Role::Publisher)
//!     .with_data("sip=true");
//! let text = mint(&claims, &secret)?;
//!
//! // The gateway verifies it as it dials.
//! let verifier = Verifier::new(secret);
//! let claims: SessionClaims = verifier.verify(&text, now)?.claims;
//! claims.require_session("standup")?;
//! assert_eq!(claims.role, Role::Publisher);
//! assert_eq!(claims.data.as_deref(), Some("sip=true"));
//!
//! // Too late, it says by how much.
//! let late = now + Duration::from_secs(3600 + 90);
//! let error = verifier.verify::<SessionClaims>(&text, late).unwrap_err();
//! assert_eq!(error.to_string(), "the token expired 90 s ago");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Keys
//!
//! | type | algorithms | for |
//! |---|---|---|
//! | [`StaticSecret`] | HS256, HS384, HS512 | one value that mints and verifies |
//! | [`KeyPair`], [`PublicKey`] | RS256, PS256, ES256, EdDSA | minting here, verifying anywhere; PEM, JWK, JWK sets |
//! | [`DerivedSecret`] | HS256, HS384, HS512 | a tree of secrets (HKDF): cluster, application, session |
//! | [`DelegatedKey`], [`TrustRoot`] | RS256, PS256, ES256, EdDSA | a tree of key pairs (signed delegations), verified by the root's public key |
//! | [`T1Secret`] | HMAC-SHA1 | the legacy `T1==` texts of the OpenTok family |
//! | [`ApiKey`] | SHA-256 | services that show a key rather than a token |
//!
//! # Families
//!
//! [`SessionClaims`] are our own. [`OpenTokConnect`], [`OpenTokProject`], [`VonageClaims`], [`Atm0sClaims`] and
//! [`Atm0sLegacyClaims`] are those of others. [`Verifier::verify`] takes one family only; [`Verifier::verify_any`] takes
//! each and says which it was.
//!
//! # How it refuses
//!
//! A key has one algorithm, and a token is only ever checked by the algorithm of a key that the verifier was given:
//! neither `none` nor a public key taken for a secret has a path to follow. The signature is checked before anything
//! in the claims is believed or even parsed. Texts are bounded before they are decoded. A token of one family is never
//! taken for another's, though their claims overlap, and the key of one session opens that session only.
//!
//! # What is left out
//!
//! Encrypted tokens (JWE), nested tokens, the JSON serialisation of JWS, and key material that no one asked for
//! (`jku`, `x5u` and `jwk` headers are never followed).
//!
//! # Features and versions
//!
//! No Cargo features. Rust 1.89. The cryptography is `ring`'s.
#![forbid(unsafe_code)]

mod api_key;
mod claims;
mod error;
mod inspect;
mod jws;
mod keys;
mod mint;
mod t1;
mod time;
mod verify;

pub use api_key::{ApiKey, ApiKeyHash, ApiKeyText};
pub use claims::{
    AnyClaims, Atm0sClaims, Atm0sKind, Atm0sLegacyClaims, ClaimSet, OpenTokConnect, OpenTokProject,
    ParseRoleError, Role, SessionClaims, VonageClaims, VonageConnect,
};
pub use error::{DelegationError, KeyError, Malformed, MintError, VerifyError};
pub use inspect::{Inspection, inspect};
pub use keys::{
    Algorithm, DelegatedKey, Delegation, DerivedSecret, KeyPair, KeyPath, KeySet, PublicKey,
    SigningKey, StaticSecret, TrustRoot, VerifyingKey,
};
pub use mint::mint;
pub use t1::{T1Secret, mint_t1};
pub use verify::{Verified, Verifier, VerifierOptions};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
