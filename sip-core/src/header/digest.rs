//! The grammar of digest challenges and credentials: `WWW-Authenticate`, `Proxy-Authenticate`,
//! `Authorization` and `Proxy-Authorization`.
//!
//! Implements RFC 3261 section 25.1 with the algorithms of RFC 8760 (which takes them from RFC 7616).
//! What the values *mean* (which challenge to answer, whether a response is right) is [`crate::auth`]'s part.
//!
//! Left out: `userhash`, `username*` and `charset` of RFC 7616, which RFC 8760 does not bring into SIP; they are
//! read over like any unknown parameter. Each header field carries one challenge (RFC 3261 section 7.3.1 forbids
//! joining these fields with commas), so each value here is one challenge.

use core::fmt;

use crate::text;

pub use algorithm::{Algorithm, AlgorithmParam, HashAlgorithm, Qop, QopOptions};
pub use challenge::Challenge;
pub use credentials::{Credentials, CredentialsRef, Protection, ProtectionRef};

mod algorithm;
mod challenge;
mod credentials;
pub(crate) mod params;

/// What is wrong with a digest header field value, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct DigestParseError {
    /// What is wrong.
    pub kind: DigestParseErrorKind,
    /// Bytes from the start of the value.
    pub offset: usize,
}

/// The kinds of [`DigestParseError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestParseErrorKind {
    /// Another scheme than the one asked for, `Digest` or `Bearer`.
    #[error("another scheme")]
    OtherScheme,
    /// The value is not UTF-8 (RFC 3261 section 7 makes messages UTF-8).
    #[error("not UTF-8")]
    NotUtf8,
    /// A parameter's name is expected.
    #[error("a parameter name is expected")]
    ExpectedName,
    /// `=` is expected.
    #[error("`=` is expected")]
    ExpectedEquals,
    /// A parameter's value is expected.
    #[error("a value is expected")]
    ExpectedValue,
    /// `,` or the end is expected.
    #[error("`,` or the end is expected")]
    ExpectedComma,
    /// A quoted string does not end.
    #[error("a quoted string does not end")]
    UnterminatedQuote,
    /// A control character inside a value.
    #[error("a control character in a value")]
    ControlCharacter,
    /// A parameter appears twice; which one counts would be a guess.
    #[error("a parameter appears twice")]
    Duplicate,
    /// A parameter that the scheme needs is absent.
    #[error("the parameter `{0}` is missing")]
    Missing(&'static str),
    /// `nc` is not eight lower-case hexadecimal digits.
    #[error("nc is not eight lower-case hexadecimal digits")]
    BadNonceCount,
    /// Credentials with a `qop` that we do not know, and thus did not offer.
    #[error("unknown qop")]
    UnknownQop,
}

fn write_algorithm(algorithm: &AlgorithmParam, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match algorithm {
        AlgorithmParam::Absent => Ok(()),
        AlgorithmParam::Known(known) => write!(f, ", algorithm={known}"),
        AlgorithmParam::Other(name) if text::is_token(name.as_bytes()) => {
            write!(f, ", algorithm={name}")
        }
        AlgorithmParam::Other(name) => write!(f, ", algorithm={}", Quoted(name)),
    }
}

/// `quoted-string` with `"` and `\` escaped.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => {
                    f.write_char('\\')?;
                    f.write_char(c)?;
                }
                '\t' => f.write_char(c)?,
                c if c.is_ascii_control() => f.write_char(' ')?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests;
