//! Where a hook goes.

use ::http::Uri;
use std::fmt;
use std::str::FromStr;

/// The longest address that is taken, in bytes.
const LONGEST: usize = 2048;

/// An address of `http` or `https` with a host and without a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HookUrl(Uri);

/// Why a text is no address for a hook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HookUrlError {
    /// It is no URI, or one of more than 2048 bytes.
    #[error("the address is no URI")]
    Malformed,
    /// It is neither http nor https.
    #[error("the address must begin with http:// or https://")]
    Scheme,
    /// It names no host.
    #[error("the address names no host")]
    Host,
    /// It holds a user or a password, which would end up in logs.
    #[error("the address must not hold a user name or password")]
    User,
}

impl HookUrl {
    /// Whether it asks for TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// The host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, named or the scheme's own.
    pub fn port(&self) -> u16 {
        let own = if self.is_https() { 443 } else { 80 };
        self.0.port_u16().unwrap_or(own)
    }

    /// The host and port as the `Host` header has them.
    pub(super) fn authority(&self) -> &str {
        self.0
            .authority()
            .map_or("", |authority| authority.as_str())
    }

    pub(super) fn path_and_query(&self) -> &str {
        self.0.path_and_query().map_or("/", |path| path.as_str())
    }
}

impl FromStr for HookUrl {
    type Err = HookUrlError;

    fn from_str(text: &str) -> Result<Self, HookUrlError> {
        if text.len() > LONGEST {
            return Err(HookUrlError::Malformed);
        }
        let uri: Uri = text.parse().map_err(|_| HookUrlError::Malformed)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(HookUrlError::Scheme);
        }
        if uri.host().is_none_or(str::is_empty) || uri.port_u16() == Some(0) {
            return Err(HookUrlError::Host);
        }
        if uri
            .authority()
            .is_some_and(|all| all.as_str().contains('@'))
        {
            return Err(HookUrlError::User);
        }
        Ok(Self(uri))
    }
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let url: HookUrl = "https://[::1]:8443/a?b=c".parse().unwrap();
        assert_eq!((url.host(), url.port()), ("::1", 8443));
        assert_eq!(url.path_and_query(), "/a?b=c");
        let url: HookUrl = "http://example.org".parse().unwrap();
        assert_eq!((url.host(), url.port()), ("example.org", 80));
        assert_eq!(url.path_and_query(), "/");
        for (text, error) in [
            ("", HookUrlError::Malformed),
            ("not an address", HookUrlError::Malformed),
            ("/events", HookUrlError::Scheme),
            ("ftp://example.org/", HookUrlError::Scheme),
            ("file:///etc/passwd", HookUrlError::Malformed),
            ("http://user:secret@example.org/", HookUrlError::User),
            ("http://example.org:0/", HookUrlError::Host),
        ] {
            assert_eq!(text.parse::<HookUrl>(), Err(error), "{text}");
        }
        let long = format!("http://example.org/{}", "a".repeat(LONGEST));
        assert_eq!(long.parse::<HookUrl>(), Err(HookUrlError::Malformed));
    }
}
