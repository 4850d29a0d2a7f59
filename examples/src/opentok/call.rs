//! The body of a dial.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use sip_core::header::NameAddr;
use sip_core::{Scheme, Uri};

use super::body::json;
use crate::written;

/// The most headers that a dial adds, and the longest of them, bytes.
const MOST_HEADERS: usize = 32;
const LONGEST_HEADER: usize = 1024;

/// The longest URI, user name or password, bytes.
const LONGEST: usize = 512;

/// A dial that can be carried out.
#[derive(Clone)]
pub struct DialOrder {
    /// The session that the phone shall join.
    pub session_id: String,
    /// What lets it.
    pub token: String,
    /// Whom to call.
    pub uri: Uri,
    /// Who calls, if the request says so.
    pub from: Option<NameAddr>,
    /// Headers of the INVITE, each beginning with `X-`.
    pub headers: Vec<(String, String)>,
    /// User and password for a challenge.
    pub auth: Option<(String, String)>,
    /// Whether the sound must be encrypted.
    pub secure: Secured,
}

/// What `sip.secure` asks for. `true` and `false` are the API's own; the names of key exchanges are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "Wish")]
pub enum Secured {
    /// Nothing.
    #[default]
    No,
    /// SRTP or no call, with keys exchanged as the gateway does by default.
    Yes,
    /// SRTP or no call, with keys in the SDP (RFC 4568).
    Sdes,
    /// SRTP or no call, with keys by a DTLS handshake (RFC 5763).
    Dtls,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Wish {
    Truth(bool),
    Keys(Keys),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Keys {
    Sdes,
    Dtls,
}

impl From<Wish> for Secured {
    fn from(wish: Wish) -> Self {
        match wish {
            Wish::Truth(false) => Self::No,
            Wish::Truth(true) => Self::Yes,
            Wish::Keys(Keys::Sdes) => Self::Sdes,
            Wish::Keys(Keys::Dtls) => Self::Dtls,
        }
    }
}

impl fmt::Debug for DialOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialOrder")
            .field("uri", &self.uri)
            .field("headers", &self.headers)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    session_id: String,
    token: String,
    sip: Sip,
}

#[derive(Deserialize)]
struct Sip {
    uri: String,
    from: Option<String>,
    headers: Option<BTreeMap<String, Value>>,
    auth: Option<Auth>,
    secure: Option<Secured>,
    // `video` and `observeForceMute` are left alone: sound is what is carried, and a mute always holds.
    streams: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Auth {
    username: String,
    password: String,
}

/// A header's value; applications write numbers as well.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Number(serde_json::Number),
    Truth(bool),
}

impl DialOrder {
    /// Reads a body.
    ///
    /// # Errors
    /// What cannot be carried out, and why.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let Body {
            session_id,
            token,
            sip,
        } = json(body)?;
        if sip.uri.len() > LONGEST {
            return Err(format!("sip.uri has more than {LONGEST} bytes"));
        }
        if sip.streams.is_some_and(|streams| !streams.is_empty()) {
            return Err("sip.streams cannot be chosen: a phone hears everybody".into());
        }
        let uri = callee(&sip.uri)?;
        let auth = match sip.auth {
            Some(auth) if auth.username.is_empty() => {
                return Err("sip.auth.username is empty".into());
            }
            Some(auth) if auth.username.len().max(auth.password.len()) > LONGEST => {
                return Err(format!("sip.auth has more than {LONGEST} bytes"));
            }
            auth => auth.map(|auth| (auth.username, auth.password)),
        };
        Ok(Self {
            session_id,
            token,
            uri,
            from: sip.from.as_deref().map(caller).transpose()?,
            headers: headers(sip.headers.unwrap_or_default())?,
            auth,
            secure: sip.secure.unwrap_or_default(),
        })
    }
}

/// A URI that can be dialled: sip over UDP, TCP or TLS, or sips, which is TLS all the way.
fn callee(text: &str) -> Result<Uri, String> {
    let wrong = |why: &dyn fmt::Display| format!("sip.uri: {text:?} cannot be dialled: {why}");
    let uri: Uri = text.parse().map_err(|error| wrong(&error))?;
    if !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) {
        return Err(wrong(&"unknown scheme; use sip or sips"));
    }
    if uri.port() == Some(0) {
        return Err(wrong(&"port 0 is nobody's"));
    }
    if let Some(transport) = uri.param("transport") {
        let transport = transport.value().unwrap_or_default();
        let known = ["udp", "tcp", "tls"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(transport));
        if !known {
            return Err(wrong(&"unknown transport; use udp, tcp or tls"));
        }
    }
    Ok(uri)
}

/// `user@host`, as the API has it, or a whole URI.
fn caller(text: &str) -> Result<NameAddr, String> {
    let wrong = |why: String| format!("sip.from: {text:?} cannot call: {why}");
    if text.len() > LONGEST {
        return Err(format!("sip.from has more than {LONGEST} bytes"));
    }
    // A scheme of our own first: "alice:1@host" would otherwise be read as one of a scheme "alice".
    let sip = format!("sip:{text}").parse::<Uri>();
    match sip {
        Ok(uri) if !has_scheme(text) && uri.user().is_some() => Ok(NameAddr::new(&uri)),
        _ if has_scheme(text) || text.contains('<') => written::caller(text).map_err(wrong),
        Ok(_) => Err(wrong("write user@host".into())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

fn has_scheme(text: &str) -> bool {
    let scheme = text.split(':').next().unwrap_or_default();
    let known = |scheme: &str| {
        ["sip", "sips", "tel"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(scheme))
    };
    text.contains(':') && known(scheme)
}

fn headers(headers: BTreeMap<String, Value>) -> Result<Vec<(String, String)>, String> {
    if headers.len() > MOST_HEADERS {
        return Err(format!("sip.headers holds more than {MOST_HEADERS}"));
    }
    let mut out = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let value = match value {
            Value::Text(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Truth(truth) => truth.to_string(),
        };
        if !name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case("x-")) {
            return Err(format!("sip.headers: {name:?} must begin with X-"));
        }
        if name.len() + value.len() > LONGEST_HEADER || name.contains(':') {
            return Err(format!("sip.headers: {name:?} is too long or no name"));
        }
        let header = written::header(&format!("{name}: {value}"));
        let header = header.map_err(|why| format!("sip.headers: {why}"))?;
        out.push((header.name, header.value));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn parse(sip: Json) -> Result<DialOrder, String> {
        let body = json!({"sessionId": "s", "token": "t", "sip": sip});
        DialOrder::parse(body.to_string().as_bytes())
    }

    #[test]
    fn everything_that_an_sdk_may_send() {
        let order = parse(json!({
            "uri": "sip:desk@192.0.2.1:5062;transport=tcp", "from": "14155550101@example.com",
            "headers": {"X-Room": "42", "x-count": 7, "X-Flag": true},
            "auth": {"username": "u", "password": "p"},
            "secure": true, "video": true, "observeForceMute": false, "streams": [],
        }))
        .unwrap();
        assert_eq!(
            order.uri.to_string(),
            "sip:desk@192.0.2.1:5062;transport=tcp"
        );
        assert!(
            order
                .from
                .unwrap()
                .to_string()
                .contains("sip:14155550101@example.com")
        );
        let names: Vec<_> = order
            .headers
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        assert_eq!(names, ["X-Flag=true", "X-Room=42", "x-count=7"]);
        assert_eq!(order.auth, Some(("u".into(), "p".into())));
        assert_eq!(order.secure, Secured::Yes);
        let least = parse(json!({"uri": "sip:a@h"})).unwrap();
        assert!(least.secure == Secured::No && least.from.is_none() && least.auth.is_none());
        for (secure, wanted) in [
            (json!(false), Secured::No),
            (json!(true), Secured::Yes),
            (json!("sdes"), Secured::Sdes),
            (json!("dtls"), Secured::Dtls),
        ] {
            let order = parse(json!({"uri": "sip:a@h;transport=tls", "secure": secure}));
            assert_eq!(order.unwrap().secure, wanted);
        }
        assert!(parse(json!({"uri": "sips:a@h"})).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (sip, part) in [
            (json!({}), "uri"),
            (json!({"uri": "desk"}), "sip.uri"),
            (json!({"uri": "http://a"}), "unknown scheme"),
            (json!({"uri": "tel:+123"}), "unknown scheme"),
            (json!({"uri": "sip:a@h:0"}), "port 0"),
            (json!({"uri": "sip:a@h;transport=ws"}), "unknown transport"),
            (
                json!({"uri": "sip:a@h", "headers": {"Room": "1"}}),
                "must begin with X-",
            ),
            (
                json!({"uri": "sip:a@h", "headers": {"X-A\r\nVia": "1"}}),
                "X-A",
            ),
            (
                json!({"uri": "sip:a@h", "headers": {"X-A": "1\r\nVia: x"}}),
                "control character",
            ),
            (
                json!({"uri": "sip:a@h", "headers": {"X-A: b": "1"}}),
                "no name",
            ),
            (
                json!({"uri": "sip:a@h", "headers": {"X-A": "1".repeat(2000)}}),
                "too long",
            ),
            (
                json!({"uri": "sip:a@h", "headers": {"X-A": []}}),
                "not as it should be",
            ),
            (json!({"uri": "sip:a@h", "from": "nobody"}), "sip.from"),
            (json!({"uri": "sip:a@h", "from": "a b@h"}), "sip.from"),
            (
                json!({"uri": "sip:a@h", "auth": {"username": "", "password": ""}}),
                "username",
            ),
            (
                json!({"uri": "sip:a@h", "auth": {"username": "a"}}),
                "password",
            ),
            (json!({"uri": "sip:a@h", "streams": ["x"]}), "streams"),
            (
                json!({"uri": "sip:a@h", "secure": "yes"}),
                "not as it should be",
            ),
            (
                json!({"uri": format!("sip:{}@h", "a".repeat(600))}),
                "more than",
            ),
        ] {
            let error = parse(sip.clone()).unwrap_err();
            assert!(error.contains(part), "{sip}: {error}");
        }
        assert!(DialOrder::parse(b"not json").is_err());
        assert!(DialOrder::parse(&[b'['; 5000]).is_err());
    }
}
