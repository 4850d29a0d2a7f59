//! A message body: bytes that this crate does not read, with the type that says what they are.

use bytes::Bytes;

/// A body with its Content-Type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Body {
    /// Content-Type, with parameters if there are any.
    pub content_type: String,
    /// Content-Disposition; when absent, the default of the method and type (RFC 3261 20.11).
    pub disposition: Option<String>,
    /// The bytes.
    pub bytes: Bytes,
}

impl Body {
    /// A body of any type.
    pub fn new(content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self {
            content_type: content_type.into(),
            disposition: None,
            bytes: bytes.into(),
        }
    }

    /// A session description, `application/sdp` (RFC 4566).
    pub fn sdp(bytes: impl Into<Bytes>) -> Self {
        Self::new("application/sdp", bytes)
    }

    /// Whether the type is `application/sdp`.
    pub fn is_sdp(&self) -> bool {
        let media = self.content_type.split(';').next().unwrap_or_default();
        media.trim().eq_ignore_ascii_case("application/sdp")
    }
}
