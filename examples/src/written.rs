//! What people write of a call: who calls, and headers that go along. Nothing here knows a command line.

use sip_core::Scheme;
use sip_core::header::NameAddr;

/// A header line that a call carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, without white space around it.
    pub value: String,
}

/// Reads a caller: a sip, sips or tel URI, bare or as `Name <URI>`.
///
/// # Errors
/// Why it is none.
pub fn caller(text: &str) -> Result<NameAddr, String> {
    let address = NameAddr::parse(text.to_owned())
        .map_err(|error| format!("{} at byte {}", error.reason, error.at))?;
    let uri = address.uri().map_err(|error| error.to_string())?;
    match uri.scheme() {
        Scheme::Sip | Scheme::Sips | Scheme::Tel => Ok(address),
        _ => Err("unknown scheme; use sip, sips or tel".into()),
    }
}

/// Headers that make the call what it is, so that nobody may add another.
const OWN: [&str; 20] = [
    "Via",
    "v",
    "From",
    "f",
    "To",
    "t",
    "Call-ID",
    "i",
    "CSeq",
    "Contact",
    "m",
    "Max-Forwards",
    "Content-Length",
    "l",
    "Content-Type",
    "c",
    "Authorization",
    "Proxy-Authorization",
    "Route",
    "Record-Route",
];

/// Reads `Name: value`.
///
/// # Errors
/// When it is no header line, or one that the call writes itself.
pub fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("not a header; write 'X-Name: value'")?;
    let (name, value) = (name.trim_end(), value.trim());
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(format!("{name:?} is no header name"));
    }
    if OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Err(format!("the call writes {name} itself"));
    }
    if value.chars().any(char::is_control) {
        return Err("the value holds a control character".into());
    }
    Ok(Header {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_cannot_break_the_message() {
        assert_eq!(
            header("X-A: 1 "),
            Ok(Header {
                name: "X-A".into(),
                value: "1".into()
            })
        );
        for text in [
            "X-A",
            ": 1",
            "X A: 1",
            "X-A: 1\r\nVia: x",
            "Via: x",
            "content-length: 0",
            "X-\u{e4}: 1",
            "v: x",
        ] {
            assert!(header(text).is_err(), "{text:?}");
        }
    }
}
