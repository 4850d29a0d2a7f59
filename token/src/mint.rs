//! From claims to a token.

use crate::claims::ClaimSet;
use crate::error::MintError;
use crate::jws::{self, Header};
use crate::keys::SigningKey;

/// Writes and signs a token.
///
/// # Errors
///
/// [`MintError`] when the claims would not be accepted by anyone, or the key cannot sign.
pub fn mint<C: ClaimSet>(claims: &C, key: &dyn SigningKey) -> Result<String, MintError> {
    let header = Header {
        alg: key.algorithm().name().to_owned(),
        typ: Some("JWT".to_owned()),
        kid: key.kid().map(str::to_owned),
        crit: None,
        chain: Some(key.chain().to_vec()).filter(|chain| !chain.is_empty()),
    };
    let signed = jws::signing_input(&header, &claims.write()?).map_err(|_| MintError::Json)?;
    let signature = key.sign(signed.as_bytes())?;
    Ok(jws::finish(signed, &signature))
}
