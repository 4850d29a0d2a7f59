//! What a handler is given.

use super::reply::ApiError;
use ::http::request::Parts;
use ::http::{HeaderMap, Method, Uri};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The named parts of a path.
pub(super) type Params = Vec<(String, String)>;

/// A request that found its route: its head, the parts of its path, and its whole body.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) parts: Parts,
    pub(super) params: Params,
    pub(super) body: Bytes,
}

impl Request {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.parts.method
    }

    /// The target as it came.
    pub fn uri(&self) -> &Uri {
        &self.parts.uri
    }

    /// Every header.
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// A header's value, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// What the server put beside the request, such as the address of the client.
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.parts.extensions.get()
    }

    /// What stands in the path where the route's template has `{name}`, decoded; empty when it has no such part.
    pub fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// The first value of a parameter of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query()?;
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The body, at most as long as the router's limit.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The fields of a body that is `application/x-www-form-urlencoded`, in order.
    pub fn form(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(&self.body)
    }
}

/// A part of a path without its percent signs.
///
/// # Errors
/// 400 when it is not UTF-8.
pub(super) fn decode(part: &str) -> Result<String, ApiError> {
    match percent_decode_str(part).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(ApiError::bad_request("a part of the path is not UTF-8")),
    }
}
