//! What tokens say, one type a family of tokens.

mod any;
mod atm0s;
mod opentok;
mod role;
mod session;
mod vonage;

pub use any::AnyClaims;
pub use atm0s::{Atm0sClaims, Atm0sKind, Atm0sLegacyClaims};
pub use opentok::{OpenTokConnect, OpenTokProject};
pub use role::{ParseRoleError, Role};
pub use session::SessionClaims;
pub use vonage::{VonageClaims, VonageConnect};

use crate::error::{Malformed, MintError};
use crate::jws;

/// The claims that every verifier judges.
#[derive(Debug, Default)]
pub struct Registered<'a> {
    pub(crate) exp: Option<u64>,
    pub(crate) nbf: Option<u64>,
    pub(crate) iss: Option<&'a str>,
    pub(crate) aud: &'a [String],
    /// The session that it opens, where the family has one.
    pub(crate) session: Option<&'a str>,
}

pub(crate) mod sealed {
    use super::{Malformed, MintError, Registered};

    pub trait Claims: Sized {
        fn write(&self) -> Result<Vec<u8>, MintError>;
        fn read(json: &[u8]) -> Result<Self, Malformed>;
        fn registered(&self) -> Registered<'_>;
    }
}

/// The claims of one family of tokens. The crate's families implement it, and nothing else can.
pub trait ClaimSet: sealed::Claims {}

/// JSON out, without fear of what serde says of a user's text.
pub(crate) fn to_json(claims: &impl serde::Serialize) -> Result<Vec<u8>, MintError> {
    serde_json::to_vec(claims).map_err(|_| MintError::Json)
}

/// JSON in; where it is wrong, but not what stood there.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, Malformed> {
    jws::object(json).map_err(|error| Malformed::Claims {
        line: error.line(),
        column: error.column(),
    })
}

/// Refuses a claim that is empty or too long.
pub(crate) fn bounded(claim: &'static str, text: &str, max: usize) -> Result<(), MintError> {
    match text.len() {
        0 => Err(MintError::EmptyClaim(claim)),
        len if len > max => Err(MintError::ClaimTooLong { claim, len, max }),
        _ => Ok(()),
    }
}
