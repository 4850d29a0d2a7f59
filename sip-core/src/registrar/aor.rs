//! The canonical form of an address-of-record (RFC 3261 section 10.3, step 5).

use std::fmt;
use std::sync::Arc;

use crate::text;
use crate::uri::{Host, Scheme, Uri, UriRef};

/// An address-of-record in the form by which bindings are found: `sip:user@host`, without password, parameters and
/// headers, the host in lower case, and nothing escaped that can stand as it is.
///
/// `sip:` and `sips:` name the same user here; a port, where one is written, is kept.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Aor(Arc<str>);

impl Aor {
    /// The canonical form of a SIP or SIPS URI; `None` for other schemes.
    pub fn new(uri: &UriRef<'_>) -> Option<Self> {
        if !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) {
            return None;
        }
        let mut out = String::from("sip:");
        if let Some(user) = uri.user() {
            write_user(&mut out, user.as_bytes());
            out.push('@');
        }
        match uri.host()? {
            Host::Name(name) => out.push_str(&name.to_ascii_lowercase()),
            host => out.push_str(&host.to_string()),
        }
        if let Some(port) = uri.port() {
            out.push_str(&format!(":{port}"));
        }
        Some(Self(out.into()))
    }

    /// The canonical URI's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The canonical URI.
    pub fn uri(&self) -> Option<Uri> {
        self.0.parse().ok()
    }

    /// The user part, in its canonical form.
    pub fn user(&self) -> Option<&str> {
        let (user, _) = self.0.strip_prefix("sip:")?.rsplit_once('@')?;
        Some(user)
    }

    /// Host, and port where one is written.
    pub fn host(&self) -> &str {
        let rest = self.0.strip_prefix("sip:").unwrap_or(&self.0);
        rest.rsplit_once('@').map_or(rest, |(_, host)| host)
    }
}

/// Escapes that need not be are resolved, the others written in capitals, so that equal names are equal bytes.
fn write_user(out: &mut String, user: &[u8]) {
    let mut rest = user;
    while let Some(&first) = rest.first() {
        match text::escaped(rest) {
            Some(byte) if text::is(byte, text::USER) && byte.is_ascii() => {
                out.push(char::from(byte));
                rest = &rest[3..];
            }
            Some(byte) => {
                out.push_str(&format!("%{byte:02X}"));
                rest = &rest[3..];
            }
            None => {
                out.push(char::from(first));
                rest = &rest[1..];
            }
        }
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_of_record_are_one() {
        for (uri, canonical) in [
            ("sip:alice@example.org", "sip:alice@example.org"),
            ("SIPS:alice@EXAMPLE.org", "sip:alice@example.org"),
            (
                "sip:%61lice:secret@example.org;user=phone?subject=x",
                "sip:alice@example.org",
            ),
            ("sip:a%40b@example.org", "sip:a%40b@example.org"),
            ("sip:a%e4@example.org", "sip:a%E4@example.org"),
            ("sip:Alice@example.org", "sip:Alice@example.org"),
            ("sip:example.org:5070", "sip:example.org:5070"),
            ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8::1]"),
        ] {
            let aor = Aor::new(&UriRef::parse(uri.as_bytes()).unwrap()).unwrap();
            assert_eq!(aor.as_str(), canonical);
            assert_eq!(Aor::new(&aor.uri().unwrap().as_ref()), Some(aor));
        }
        assert_eq!(Aor::new(&UriRef::parse(b"tel:+4930").unwrap()), None);
    }
}
