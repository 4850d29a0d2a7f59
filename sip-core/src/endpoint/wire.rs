//! Small questions to messages, and the headers that every message of ours bears.

use std::net::SocketAddr;

use crate::header::{CSeq, CallId, From, NameAddrRef, To, Via};
use crate::{HeaderName, Message, Method, RequestBuilder, ResponseBuilder, Scheme, UriRef};

use super::body::Body;
use super::config::Config;
use super::flow::{Flow, Target, Transport};
use super::refer::Referrals;

/// Methods that we understand, as Allow lists them.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, NOTIFY";

/// [`ALLOW`] and what the application and the endpoint's further roles take besides.
pub(crate) fn allow(config: &Config) -> String {
    let register = config.registrar.is_some().then_some(&Method::Register);
    let refer = (config.referrals != Referrals::Never).then_some(&Method::Refer);
    let subscribe = (!config.subscriptions.packages.is_empty()).then_some(&Method::Subscribe);
    let own = [register, refer, subscribe].into_iter().flatten();
    let told = config
        .methods
        .iter()
        .filter(|method| **method != Method::Notify && Some(*method) != register);
    own.chain(told)
        .fold(ALLOW.to_owned(), |list, method| format!("{list}, {method}"))
}

/// Headers that an application cannot set: the endpoint writes or computes them.
pub(crate) fn is_reserved(name: HeaderName<'_>) -> bool {
    const RESERVED: [HeaderName<'static>; 16] = [
        HeaderName::VIA,
        HeaderName::FROM,
        HeaderName::TO,
        HeaderName::CALL_ID,
        HeaderName::CSEQ,
        HeaderName::CONTACT,
        HeaderName::MAX_FORWARDS,
        HeaderName::CONTENT_LENGTH,
        HeaderName::CONTENT_TYPE,
        HeaderName::ROUTE,
        HeaderName::RECORD_ROUTE,
        HeaderName::AUTHORIZATION,
        HeaderName::PROXY_AUTHORIZATION,
        HeaderName::REQUIRE,
        HeaderName::ALLOW,
        HeaderName::CONTENT_DISPOSITION,
    ];
    RESERVED.contains(&name)
}

pub(crate) fn body(message: &Message) -> Option<Body> {
    if message.body().is_empty() {
        return None;
    }
    let content_type = message
        .header(HeaderName::CONTENT_TYPE)?
        .to_str()
        .into_owned();
    let mut body = Body::new(content_type, message.body_bytes());
    body.disposition = message
        .header(HeaderName::CONTENT_DISPOSITION)
        .map(|field| field.to_str().into_owned());
    Some(body)
}

/// The session description of a message, wherever in its body it stands.
pub(crate) fn session(message: &Message) -> Option<Body> {
    body(message)?.session()
}

/// Whether a request that makes a dialog wants a SIPS URI in our Contact (12.1.1).
pub(crate) fn is_sips(request: &Message) -> bool {
    let secure = |uri: UriRef<'_>| uri.scheme() == Scheme::Sips;
    let named = |value: &[u8]| {
        let uri = NameAddrRef::parse(value).ok()?.uri().ok()?;
        Some(secure(uri))
    };
    let way = request
        .values(HeaderName::RECORD_ROUTE)
        .chain(request.values(HeaderName::CONTACT))
        .next();
    request.uri().is_ok_and(secure) || way.and_then(named).unwrap_or(false)
}

pub(crate) fn to_tag(message: &Message) -> Option<&str> {
    message.typed::<To<'_>>().ok().and_then(|to| to.tag())
}

pub(crate) fn from_tag(message: &Message) -> Option<&str> {
    message.typed::<From<'_>>().ok().and_then(|from| from.tag())
}

pub(crate) fn call_id(message: &Message) -> Option<&str> {
    message.typed::<CallId<'_>>().ok().map(|id| id.as_str())
}

pub(crate) fn cseq(message: &Message) -> Option<(u32, Method)> {
    message
        .typed::<CSeq<'_>>()
        .ok()
        .map(|cseq| (cseq.sequence(), cseq.method()))
}

pub(crate) fn branch(message: &Message) -> Option<&str> {
    message.typed::<Via<'_>>().ok().and_then(|via| via.branch())
}

/// Whether a comma-separated header names this token.
pub(crate) fn lists(message: &Message, name: HeaderName<'static>, token: &str) -> bool {
    message
        .values(name)
        .any(|value| value.eq_ignore_ascii_case(token.as_bytes()))
}

pub(crate) fn reason(message: &Message) -> Option<String> {
    message
        .header(HeaderName::REASON)
        .map(|field| field.to_str().into_owned())
}

/// The request with `received` and `rport` in its topmost Via (18.2.1, RFC 3581), so that every
/// response that copies it finds its way back.
pub(crate) fn stamp(request: Message, source: SocketAddr) -> Message {
    let Ok(via) = request.typed::<Via<'_>>() else {
        return request;
    };
    let stamped = via.stamped(source);
    if stamped.as_bytes() == via.as_bytes() {
        return request;
    }
    if let Some(request) = request.spliced(via.as_bytes(), stamped.as_bytes()) {
        return request;
    }
    let edited = request
        .edit()
        .remove_first(HeaderName::VIA)
        .prepend(HeaderName::VIA, stamped);
    // The parts come from a message that parsed, so that building it again does not fail.
    edited.build().unwrap_or(request)
}

/// Where responses to a request go (18.2.2, RFC 3581 section 4).
pub(crate) fn response_target(request: &Message, flow: Flow, open: bool) -> Target {
    let via = request.typed::<Via<'_>>().ok();
    let sent_by = via
        .as_ref()
        .and_then(Via::port)
        .unwrap_or(flow.transport.default_port());
    if flow.transport.is_reliable() {
        if open {
            return Target::Flow(flow);
        }
        let remote = SocketAddr::new(flow.remote.ip(), sent_by);
        return Target::new(flow.transport, remote);
    }
    let port = match via.and_then(|via| via.rport()) {
        Some(_) => flow.remote.port(),
        None => sent_by,
    };
    Target::Flow(Flow {
        remote: SocketAddr::new(flow.remote.ip(), port),
        ..flow
    })
}

/// `SIP/2.0/UDP host:port;branch=…;rport`.
pub(crate) fn via(transport: Transport, sent_by: &str, branch: &str) -> String {
    format!(
        "SIP/2.0/{} {sent_by};branch={branch};rport",
        transport.via()
    )
}

pub(crate) fn with_body(builder: RequestBuilder, body: &Body) -> RequestBuilder {
    let builder = match &body.disposition {
        Some(value) => builder.header(HeaderName::CONTENT_DISPOSITION, value),
        None => builder,
    };
    builder.body(&body.content_type, body.bytes.clone())
}

pub(crate) fn response_with_body(builder: ResponseBuilder, body: &Body) -> ResponseBuilder {
    let builder = match &body.disposition {
        Some(value) => builder.header(HeaderName::CONTENT_DISPOSITION, value),
        None => builder,
    };
    builder.body(&body.content_type, body.bytes.clone())
}
