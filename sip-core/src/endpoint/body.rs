//! A message body: bytes that this crate does not read, with the type that says what they are.

use bytes::Bytes;

use crate::header::{ContentDisposition, Multipart, TypedHeader};
use crate::{HeaderName, StatusCode, text};

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

    /// The status line of a response, `message/sipfrag` (RFC 3420): what a NOTIFY of a transfer
    /// bears (RFC 3515 section 2.4.5). `reason` is cut at its first control character.
    pub fn sipfrag(status: StatusCode, reason: &str) -> Self {
        let reason = reason.split(|c: char| c.is_control()).next();
        let line = format!(
            "SIP/2.0 {} {}\r\n",
            status.code(),
            reason.unwrap_or_default()
        );
        Self::new("message/sipfrag;version=2.0", line)
    }

    /// The status of a `message/sipfrag` that is a response or the beginning of one, and its
    /// reason phrase.
    pub fn sipfrag_status(&self) -> Option<(StatusCode, String)> {
        if !self.is_type("message/sipfrag") {
            return None;
        }
        let line = self
            .bytes
            .split(|byte| matches!(byte, b'\r' | b'\n'))
            .next()?;
        let rest = line.strip_prefix(b"SIP/2.0 ")?;
        let code = rest.get(..3)?;
        let status = StatusCode::new(std::str::from_utf8(code).ok()?.parse().ok()?)?;
        let reason = match rest.get(3) {
            Some(b' ') => &rest[4..],
            Some(_) => return None,
            None => &[],
        };
        Some((status, text::lossy(reason).into_owned()))
    }

    /// Whether the type is `application/sdp`.
    pub fn is_sdp(&self) -> bool {
        self.is_type("application/sdp")
    }

    fn is_type(&self, wanted: &str) -> bool {
        let media = self.content_type.split(';').next().unwrap_or_default();
        media.trim().eq_ignore_ascii_case(wanted)
    }

    /// The session description: this body, or the part of this multipart, whose
    /// Content-Disposition is `session`, or which has none and is an SDP (RFC 3261 section 20.11).
    /// The bytes are shared. Of `multipart/alternative` it is the last, the sender's favourite.
    ///
    /// ```
    /// use sip_core::Body;
    /// let body = Body::new(
    ///     "multipart/mixed;boundary=x",
    ///     "--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n\
    ///      --x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--\r\n",
    /// );
    /// assert_eq!(body.session(), Some(Body::sdp("v=0")));
    /// assert_eq!(Body::new("text/plain", "v=0").session(), None);
    /// ```
    pub fn session(&self) -> Option<Self> {
        if is_session(&self.content_type, self.disposition.as_deref()) {
            return Some(self.clone());
        }
        let parts = Multipart::new(self.content_type.as_bytes(), &self.bytes)?;
        let last = self.is_type("multipart/alternative");
        self.find(parts, last)
    }

    fn find(&self, parts: Multipart<'_>, last: bool) -> Option<Self> {
        let mut found = None;
        for part in parts {
            let content_type = text::lossy(
                part.header(HeaderName::CONTENT_TYPE)
                    .unwrap_or(b"text/plain"),
            );
            let disposition = part
                .header(HeaderName::CONTENT_DISPOSITION)
                .map(|value| text::lossy(value).into_owned());
            let body = match part.parts() {
                _ if is_session(&content_type, disposition.as_deref()) => Some(Self {
                    content_type: content_type.into_owned(),
                    disposition,
                    bytes: self.bytes.slice_ref(part.body()),
                }),
                Some(parts) => {
                    let last = content_type
                        .to_ascii_lowercase()
                        .starts_with("multipart/alternative");
                    self.find(parts, last)
                }
                None => None,
            };
            if body.is_some() {
                found = body;
                if !last {
                    break;
                }
            }
        }
        found
    }
}

fn is_session(content_type: &str, disposition: Option<&str>) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    match disposition.and_then(|value| ContentDisposition::decode(value.as_bytes()).ok()) {
        Some(value) => value.disposition().eq_ignore_ascii_case("session"),
        None => media.eq_ignore_ascii_case("application/sdp"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_by_type_and_disposition() {
        let sdp = |disposition: &str| {
            let head = match disposition {
                "" => String::new(),
                value => format!("Content-Disposition: {value}\r\n"),
            };
            format!("--b\r\nContent-Type: application/sdp\r\n{head}\r\nv=0\r\n")
        };
        let text = "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n".to_owned();
        let other = "--b\r\nContent-Type: application/x-sdpng\r\n\
                     Content-Disposition: session\r\n\r\n<x/>\r\n"
            .to_owned();
        let inner = format!(
            "--b\r\nContent-Type: multipart/related;boundary=c\r\n\r\n{}--c--\r\n\r\n",
            sdp("").replace("--b", "--c")
        );
        let rows = [
            ("mixed", vec![text.clone(), sdp("")], Some("v=0")),
            ("mixed", vec![sdp("session;handling=optional")], Some("v=0")),
            ("mixed", vec![sdp("early-session"), text.clone()], None),
            ("mixed", vec![sdp("render")], None),
            ("mixed", vec![other.clone(), sdp("")], Some("<x/>")),
            ("alternative", vec![other, sdp("")], Some("v=0")),
            ("mixed", vec![text.clone(), inner], Some("v=0")),
            ("mixed", vec![text], None),
            ("mixed", vec![], None),
        ];
        for (kind, parts, want) in rows {
            let bytes = format!("{}--b--\r\n", parts.concat());
            let body = Body::new(format!("multipart/{kind}; boundary=b"), bytes.clone());
            let got = body.session().map(|body| body.bytes);
            assert_eq!(got.as_deref(), want.map(str::as_bytes), "{bytes}");
        }
        let mut body = Body::sdp("v=0");
        body.disposition = Some("render".into());
        assert_eq!(body.session(), None);
        body.disposition = Some("session".into());
        assert!(body.session().is_some());
    }

    #[test]
    fn a_sipfrag_tells_its_status() {
        let rows = [
            ("SIP/2.0 100 Trying\r\n", Some((100, "Trying"))),
            ("SIP/2.0 486", Some((486, ""))),
            (
                "SIP/2.0 200 OK\r\nContact: <sip:c@y>\r\n",
                Some((200, "OK")),
            ),
            ("SIP/2.0 2000 OK", None),
            ("SIP/3.0 200 OK", None),
            ("INVITE sip:x SIP/2.0", None),
            ("", None),
        ];
        for (text, want) in rows {
            let body = Body::new("message/sipfrag;version=2.0", text);
            let got = body.sipfrag_status().map(|(s, r)| (s.code(), r));
            assert_eq!(got, want.map(|(s, r)| (s, r.to_owned())), "{text}");
        }
        assert_eq!(
            Body::new("text/plain", "SIP/2.0 200 OK").sipfrag_status(),
            None
        );
        let body = Body::sipfrag(StatusCode::BUSY_HERE, "No\r\nX: 1");
        assert_eq!(&body.bytes[..], b"SIP/2.0 486 No\r\n");
    }
}
