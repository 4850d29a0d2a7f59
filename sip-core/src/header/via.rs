use std::fmt::{self, Write as _};
use std::net::IpAddr;

use super::{HeaderError, HeaderErrorReason, TypedHeader, ascii};
use crate::message::HeaderName;
use crate::text;
use crate::uri::{Host, Param, Params, host_span, walk_generic};

/// One hop that the request took.
///
/// ```text
/// Via               =  ( "Via" / "v" ) HCOLON via-parm *(COMMA via-parm)
/// via-parm          =  sent-protocol LWS sent-by *( SEMI via-params )
/// via-params        =  via-ttl / via-maddr / via-received / via-branch / via-extension
/// sent-protocol     =  protocol-name SLASH protocol-version SLASH transport
/// sent-by           =  host [ COLON port ]
/// ```
///
/// RFC 3261 section 20.42; `rport` is RFC 3581.
#[derive(Clone, Copy)]
pub struct Via<'a> {
    bytes: &'a [u8],
    protocol: &'a [u8],
    transport: &'a [u8],
    host: &'a [u8],
    port: Option<u16>,
    params: &'a [u8],
    /// The `branch` parameter, empty without one.
    branch: &'a [u8],
}

impl<'a> TypedHeader<'a> for Via<'a> {
    const NAME: HeaderName<'static> = HeaderName::VIA;
    const LIST: bool = true;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        use HeaderErrorReason::*;
        let error = |reason, at| Err(HeaderError::new(Self::NAME, reason, at));
        let token = |at: usize| at + text::span(&value[at..], text::TOKEN);
        let slash = |at: usize| {
            let at = text::skip_ws(value, at);
            (value.get(at) == Some(&b'/')).then(|| text::skip_ws(value, at + 1))
        };
        let (version_end, transport) = if value.starts_with(b"SIP/2.0/") {
            (7, 8)
        } else {
            let name = token(0);
            if name == 0 {
                return error(Grammar, 0);
            }
            let Some(version) = slash(name) else {
                return error(Grammar, name);
            };
            let version_end = token(version);
            let Some(transport) = slash(version_end).filter(|_| version_end > version) else {
                return error(Grammar, version);
            };
            (version_end, transport)
        };
        let transport_end = token(transport);
        let host = text::skip_ws(value, transport_end);
        if transport_end == transport || host == transport_end {
            return error(Grammar, transport);
        }
        let Some(host_len) = host_span(&value[host..]) else {
            return error(Grammar, host);
        };
        let mut at = text::skip_ws(value, host + host_len);
        let mut port = None;
        if value.get(at) == Some(&b':') {
            at = text::skip_ws(value, at + 1);
            let (digits, number) = text::digits(&value[at..]);
            port = number.and_then(|n| u16::try_from(n).ok());
            if port.is_none() {
                return error(Number, at);
            }
            at += digits;
        }
        let params = &value[at..];
        let mut branch: &[u8] = &[];
        // `received` may hold an IPv6 address without brackets.
        walk_generic(params, true, |name, value| {
            if name.len() == 6 && branch.is_empty() && name.eq_ignore_ascii_case(b"branch") {
                branch = value;
            }
        })
        .map_err(|i| HeaderError::new(Self::NAME, Parameter, at + i))?;
        Ok(Via {
            bytes: value,
            protocol: &value[..version_end],
            transport: &value[transport..transport_end],
            host: &value[host..host + host_len],
            port,
            params,
            branch,
        })
    }
}

impl<'a> Via<'a> {
    /// Whether the protocol is `SIP/2.0`.
    pub fn is_sip_2(&self) -> bool {
        let parts = || self.protocol.split(|b| *b == b'/').map(text::trim);
        self.protocol.eq_ignore_ascii_case(b"SIP/2.0")
            || (parts().count() == 2
                && parts()
                    .next()
                    .is_some_and(|p| p.eq_ignore_ascii_case(b"SIP"))
                && parts().nth(1) == Some(b"2.0"))
    }

    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS`, … as the sender wrote it.
    pub fn transport(&self) -> &'a str {
        ascii(self.transport)
    }

    /// The host of `sent-by`.
    pub fn host(&self) -> Option<Host<'a>> {
        Host::parse(self.host)
    }

    /// The host of `sent-by` as it was written.
    pub fn host_str(&self) -> &'a str {
        ascii(self.host)
    }

    /// The port of `sent-by`, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The `branch` parameter.
    pub fn branch(&self) -> Option<&'a str> {
        if self.branch.is_empty() {
            None
        } else {
            std::str::from_utf8(self.branch).ok()
        }
    }

    /// Whether the branch starts with the magic cookie `z9hG4bK` (RFC 3261 section 8.1.1.7).
    pub fn has_magic_cookie(&self) -> bool {
        self.branch()
            .is_some_and(|b| b.len() >= 7 && b.as_bytes()[..7].eq_ignore_ascii_case(b"z9hG4bK"))
    }

    /// The `received` parameter; IPv6 addresses may or may not stand in brackets.
    pub fn received(&self) -> Option<IpAddr> {
        let value = self.param("received")?.value()?;
        value
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok()
    }

    /// The `rport` parameter: `None` when absent, `Some(None)` when it asks to be filled in,
    /// `Some(Some(port))` when filled in (RFC 3581).
    pub fn rport(&self) -> Option<Option<u16>> {
        let param = self.param("rport")?;
        Some(
            param
                .value_bytes()
                .and_then(text::decimal)
                .and_then(|p| u16::try_from(p).ok()),
        )
    }

    /// The `maddr` parameter.
    pub fn maddr(&self) -> Option<&'a str> {
        self.param("maddr").and_then(|p| p.value())
    }

    /// The `ttl` parameter, 0 to 255.
    pub fn ttl(&self) -> Option<u8> {
        self.param("ttl")
            .and_then(|p| text::decimal(p.value_bytes()?))
            .and_then(|t| u8::try_from(t).ok())
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        Params::new(self.params)
    }

    /// One parameter.
    pub fn param(&self, name: &str) -> Option<Param<'a>> {
        self.params().get(name)
    }

    /// The whole value as it stands.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The value that a server puts in place of this one when the request comes from `source`:
    /// `received` when the host differs or `rport` asks for it, and `rport` filled in (RFC 3261
    /// section 18.2.1, RFC 3581 section 4). Everything else stays as it is.
    pub fn stamped(&self, source: std::net::SocketAddr) -> String {
        let asks = self.rport().is_some();
        let differs = self.host().and_then(|h| h.ip()) != Some(source.ip());
        let sent_by = text::lossy(&self.bytes[..self.bytes.len() - self.params.len()]);
        // Room for an IPv6 address and a port.
        let mut out = String::with_capacity(self.bytes.len() + 64);
        out.push_str(sent_by.trim_end());
        for param in self.params().iter() {
            let name = param.name();
            if name.eq_ignore_ascii_case("received") {
                continue;
            }
            out.push(';');
            out.push_str(name);
            // Writing to a String does not fail.
            if name.eq_ignore_ascii_case("rport") {
                let _ = write!(out, "={}", source.port());
            } else if let Some(value) = param.value_bytes() {
                out.push('=');
                out.push_str(&text::lossy(value));
            }
        }
        if asks || differs {
            let _ = write!(out, ";received={}", source.ip());
        }
        out
    }
}

impl fmt::Display for Via<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::lossy(self.bytes))
    }
}

impl fmt::Debug for Via<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
