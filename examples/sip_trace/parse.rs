//! The typed form of a message.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use sip_core::header::{
    CSeq, CallId, Contact, ContentType, MaxForwards, Multipart, NameAddrRef, Via,
};
use sip_core::{HeaderName, Host, Message, MessageRef, Params, UriError, UriRef};

use crate::Outcome;

pub(crate) fn file(
    file: &Path,
    bytes: Vec<u8>,
    as_json: bool,
    out: &mut dyn Write,
) -> io::Result<Outcome> {
    let mut form = match Message::parse(bytes) {
        Ok(message) => typed(message.as_ref()),
        Err(error) => json!({ "error": error.to_string(), "at": error.at }),
    };
    let parsed = form.get("error").is_none();
    form["file"] = json!(file.display().to_string());
    if as_json {
        writeln!(out, "{form}")?
    } else {
        writeln!(out, "{form:#}")?
    }
    Ok(Outcome::from(parsed))
}

fn typed(message: MessageRef<'_>) -> Value {
    let headers: Vec<Value> = message
        .headers()
        .map(|h| json!({ "name": h.name().to_string(), "value": h.to_str(), "at": h.offset() }))
        .collect();
    let first = |name| {
        message
            .header(name)
            .and_then(|h| NameAddrRef::parse(h.value()).ok())
            .map(address)
    };
    json!({
        "method": message.method().map(|m| m.to_string()),
        "uri": message.uri_bytes().map(|_| uri(message.uri())),
        "status": message.status().map(|s| s.code()),
        "reason": message.status().map(|_| message.reason()),
        "via": message.typed_all::<Via<'_>>().map(|v| v.map(via).unwrap_or_else(error)).collect::<Vec<_>>(),
        "from": first(HeaderName::FROM),
        "to": first(HeaderName::TO),
        "call_id": message.typed::<CallId<'_>>().ok().map(|c| c.as_str()),
        "cseq": message.typed::<CSeq<'_>>().ok().map(|c| json!({ "sequence": c.sequence(), "method": c.method_str() })),
        "max_forwards": message.typed::<MaxForwards>().ok().map(|m| m.0),
        "contact": message.typed_all::<Contact<'_>>().map(|c| c.map(contact).unwrap_or_else(error)).collect::<Vec<_>>(),
        "headers": headers,
        "body": body(message),
    })
}

fn error(error: impl std::fmt::Display) -> Value {
    json!({ "error": error.to_string() })
}

fn uri(uri: Result<UriRef<'_>, UriError>) -> Value {
    let uri = match uri {
        Ok(uri) => uri,
        Err(problem) => return error(problem),
    };
    json!({
        "text": uri.as_str(),
        "scheme": uri.scheme_str(),
        "user": uri.user_decoded(),
        "host": uri.host_str(),
        "host_is": uri.host().map(|h| match h {
            Host::Name(_) => "name",
            Host::V4(_) => "IPv4",
            Host::V6(_) => "IPv6",
        }),
        "port": uri.port(),
        "params": params(uri.params()),
        "headers": uri.headers().iter().map(|(n, v)| json!([n, v])).collect::<Vec<_>>(),
    })
}

fn params(params: Params<'_>) -> Value {
    let pairs = params.iter().map(|p| {
        (
            p.name().to_owned(),
            p.decoded().map_or(Value::Bool(true), |v| json!(v)),
        )
    });
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn address(address: NameAddrRef<'_>) -> Value {
    json!({ "display_name": address.display_name(), "uri": uri(address.uri()), "params": params(address.params()) })
}

fn contact(contact: Contact<'_>) -> Value {
    contact.address().map_or(json!("*"), |a| address(*a))
}

fn via(via: Via<'_>) -> Value {
    json!({
        "transport": via.transport(),
        "host": via.host_str(),
        "port": via.port(),
        "branch": via.branch(),
        "params": params(via.params()),
    })
}

fn body(message: MessageRef<'_>) -> Value {
    let bytes = message.body();
    if bytes.is_empty() {
        return Value::Null;
    }
    let content_type = message
        .typed::<ContentType<'_>>()
        .ok()
        .map(|t| t.to_string());
    let field = message.header(HeaderName::CONTENT_TYPE);
    let parts: Option<Vec<_>> = field.and_then(|f| Multipart::new(f.value(), bytes)).map(|parts| {
        parts
            .map(|p| json!({ "content_type": p.content_type().map(|t| t.to_string()), "length": p.body().len() }))
            .collect()
    });
    json!({ "content_type": content_type, "length": bytes.len(), "text": std::str::from_utf8(bytes).ok(), "parts": parts })
}
