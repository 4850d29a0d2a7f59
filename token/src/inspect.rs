//! Looking into a token without trusting it.

use crate::error::Malformed;
use crate::jws::Parts;

/// What a token says about itself. Anyone could have written it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The header, as JSON.
    pub header: String,
    /// The claims, as JSON.
    pub claims: String,
    /// The `alg` of the header, known or not.
    pub algorithm: String,
    /// The `kid` of the header.
    pub kid: Option<String>,
    /// Length of the signature in bytes; 0 for an unsigned token.
    pub signature_len: usize,
}

/// Takes a token of at most `max_len` bytes apart for a person to read. **Checks nothing.**
///
/// # Errors
///
/// [`Malformed`] when it is not a token.
pub fn inspect(token: &str, max_len: usize) -> Result<Inspection, Malformed> {
    let parts = Parts::parse(token, max_len)?;
    let claims =
        String::from_utf8(parts.claims()?).map_err(|_| Malformed::Claims { line: 1, column: 1 })?;
    Ok(Inspection {
        header: String::from_utf8(parts.header_json).map_err(|_| Malformed::Header)?,
        claims,
        algorithm: parts.header.alg,
        kid: parts.header.kid,
        signature_len: parts.signature.len(),
    })
}
