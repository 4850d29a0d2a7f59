//! What can go wrong, by whose fault. No error ever holds key material or a token's signature.

use crate::{Algorithm, Role};

/// Why a token was refused. The HTTP status to answer is 401, except where a variant says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The text is not a token.
    #[error("the token is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// `alg` is `none`: the token is not signed at all.
    #[error("the token is not signed (algorithm `none`)")]
    Unsigned,
    /// `alg` is not one that this crate speaks. The name is cut after 32 characters.
    #[error("the token's algorithm {0:?} is unknown")]
    UnknownAlgorithm(String),
    /// `alg` is not the algorithm of any key that could have signed this.
    #[error("the token's algorithm {0} is not allowed here")]
    AlgorithmNotAllowed(Algorithm),
    /// No key has the token's `kid`. The name is cut after 64 characters.
    #[error("the token's key {kid:?} is unknown")]
    UnknownKey {
        /// The key id in the token's header.
        kid: String,
    },
    /// The header names extensions in `crit` that must be understood, and are not (RFC 7515 section 4.1.11).
    #[error("the token demands extensions that are not supported")]
    CriticalExtension,
    /// The signature does not belong to this text and key: forged, damaged, or signed with another key.
    #[error("the token's signature is forged, or made with another key")]
    Forged,
    /// A delegation in the token's chain does not hold.
    #[error("the token's key was not delegated: {0}")]
    Delegation(#[from] DelegationError),
    /// `exp` has passed.
    #[error("the token expired {since_s} s ago")]
    Expired {
        /// Seconds since `exp`.
        since_s: u64,
    },
    /// `nbf` lies ahead.
    #[error("the token is not valid for another {in_s} s")]
    NotYetValid {
        /// Seconds until `nbf`.
        in_s: u64,
    },
    /// A claim that is demanded is absent.
    #[error("the token lacks the claim `{0}`")]
    MissingClaim(&'static str),
    /// `aud` does not name us.
    #[error("the token is for another audience")]
    WrongAudience,
    /// `iss` is not whom we trust.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// The token opens another session. Answer 403.
    #[error("the token is for session {found:?}, not for {expected:?}")]
    WrongSession {
        /// The session asked for.
        expected: String,
        /// The session in the token, cut after 128 characters.
        found: String,
    },
    /// The role does not allow it. Answer 403.
    #[error("role `{0}` does not allow this")]
    RoleNotAllowed(Role),
}

/// Why a text is not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Longer than the verifier's limit.
    #[error("{len} bytes, more than {max}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Not three parts with dots between.
    #[error("not three parts separated by dots")]
    Parts,
    /// A part is not base64url without padding (RFC 7515 section 2).
    #[error("its {0} is not base64url")]
    Base64(&'static str),
    /// The header is not a JSON object with a string `alg`.
    #[error("its header is not a JSON object with `alg`")]
    Header,
    /// It is a delegation to a key, not a token.
    #[error("it is a delegation, not a token")]
    Delegation,
    /// The claims are those of another kind of token than the one asked for, or of none that is known.
    #[error("its claims are those of another kind of token")]
    OtherFamily,
    /// The claims are not JSON, or not those of the kind of token that was asked for.
    #[error("its claims are not those of this kind of token (JSON line {line}, column {column})")]
    Claims {
        /// Line of the claims' JSON, from 1; 0 when they are no JSON object at all.
        line: usize,
        /// Column of the claims' JSON, from 1; 0 likewise.
        column: usize,
    },
}

/// Why a chain of delegations does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DelegationError {
    /// A delegation cannot be read.
    #[error("a delegation is malformed")]
    Malformed,
    /// A delegation is not signed by the key before it.
    #[error("a delegation's signature is forged")]
    Forged,
    /// A delegation leads elsewhere than one step down, or the chain ends elsewhere than at the token's `kid`.
    #[error("the chain does not lead to the token's key")]
    WrongPath,
    /// More steps than the root allows.
    #[error("the chain is longer than the root allows")]
    TooDeep,
    /// A delegation's `exp` has passed.
    #[error("a delegation expired {since_s} s ago")]
    Expired {
        /// Seconds since `exp`.
        since_s: u64,
    },
    /// A delegation's `nbf` lies ahead.
    #[error("a delegation is not valid for another {in_s} s")]
    NotYetValid {
        /// Seconds until `nbf`.
        in_s: u64,
    },
}

/// Why a token was not minted: the caller's claims or key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// `exp` is not after `iat` or `nbf`: the token would never be valid.
    #[error("the token would expire before it is valid")]
    NeverValid,
    /// The token would live longer than its family allows.
    #[error("the token would live longer than {max_s} s")]
    LivesTooLong {
        /// The longest life in seconds.
        max_s: u64,
    },
    /// The claims name another API key than the secret's.
    #[error("the claims are those of another API key")]
    OtherApiKey,
    /// A claim is longer than its readers accept.
    #[error("the claim `{claim}` has {len} bytes, more than {max}")]
    ClaimTooLong {
        /// The claim.
        claim: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A claim that the kind of token needs is empty.
    #[error("the claim `{0}` is empty")]
    EmptyClaim(&'static str),
    /// The segment cannot stand in a path, or the path is as deep as may be.
    #[error("not a segment of a key path, or the path is too deep")]
    BadPath,
    /// The claims cannot be written as JSON.
    #[error("the claims cannot be written as JSON")]
    Json,
    /// The key would not sign: the system has no randomness to give (ECDSA, RSA).
    #[error("the key cannot sign now")]
    Signing,
}

/// Why a key was not taken. Never repeats key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// RFC 7518 section 3.2 has secrets at least as long as the hash.
    #[error("a secret for {algorithm} has at least {min} bytes, this has {len}")]
    TooShort {
        /// The algorithm that the secret was meant for.
        algorithm: Algorithm,
        /// Its length in bytes.
        len: usize,
        /// The least in bytes.
        min: usize,
    },
    /// The algorithm does not go with this kind of key.
    #[error("{0} does not go with this kind of key")]
    WrongAlgorithm(Algorithm),
    /// Not a PEM text with one block at least.
    #[error("not a PEM text")]
    NotPem,
    /// The PEM block is not the kind of key that was asked for: a public key for a private one, a certificate.
    #[error("the PEM block holds something else than the key that is needed")]
    WrongLabel,
    /// The private key is encrypted with a passphrase.
    #[error("the key is encrypted; decrypt it first")]
    Encrypted,
    /// Not a JWK, or a member is missing or not base64url.
    #[error("not a JWK with the members that are needed")]
    NotJwk,
    /// A kind of key, curve or use that this crate does not know.
    #[error("this kind of key is not supported")]
    UnsupportedKey,
    /// RSA moduli have 2048 to 8192 bits here.
    #[error("an RSA key has 2048 to 8192 bits and a small exponent, this has {bits} bits")]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// The crypto library refuses the key; its reason.
    #[error("the key is refused: {0}")]
    Rejected(String),
    /// More keys than a set may have.
    #[error("more than {max} keys in the set")]
    TooManyKeys {
        /// The limit.
        max: usize,
    },
    /// An API key or its secret is empty, or the API key has characters that do not belong there.
    #[error("not an API key with its secret")]
    BadApiKey,
    /// Not an API key of ours, or not the stored form of one.
    #[error("not an API key")]
    NotApiKey,
    /// Not a key path: one to eight segments of 1 to 255 bytes without control characters.
    #[error("not a key path")]
    BadPath,
    /// The path does not lie at or below the key's own.
    #[error("the path lies outside the key's own")]
    OutsideHierarchy,
    /// Not a delegation, or one for another key.
    #[error("not a delegation for this key")]
    BadDelegation,
    /// The operating system gave no randomness.
    #[error("the system has no randomness to give")]
    NoRandomness,
}
