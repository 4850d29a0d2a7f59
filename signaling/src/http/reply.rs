//! What a handler gives back: a whole answer, or an error that becomes one.

use ::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use ::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An answer.
pub type Reply = Response<Body>;

/// A body that is there as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body(Option<Bytes>);

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self(None)
    }

    /// What has not been sent yet.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        Self((!bytes.is_empty()).then_some(bytes))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.as_bytes().len() as u64)
    }
}

/// An answer of this type of content.
pub fn content(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Body::from(body));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// An answer of `application/json`; `json` is sent as it is.
pub fn json(status: StatusCode, json: impl Into<Bytes>) -> Reply {
    content(status, "application/json", json)
}

/// An answer of plain text.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Reply {
    content(status, "text/plain; charset=utf-8", text)
}

/// An answer without a body, such as 204.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = status;
    reply
}

/// Why a request failed, told as JSON: `{"code": 404, "message": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct ApiError {
    status: StatusCode,
    code: u32,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// A failure with this status; `message` says to a person what was wrong. The code is the status.
    pub fn new(status: StatusCode, message: impl fmt::Display) -> Self {
        Self {
            status,
            code: status.as_u16().into(),
            message: message.to_string(),
            headers: Vec::new(),
        }
    }

    /// 400: the request cannot be understood or carried out as it is.
    pub fn bad_request(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: what was named is not there.
    pub fn not_found(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 503 with Retry-After, whole seconds.
    pub fn unavailable(message: impl fmt::Display, retry_after_s: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
            .header(RETRY_AFTER, HeaderValue::from(retry_after_s))
    }

    /// Replaces the code: a number of the application's own for programs to look at.
    pub fn code(mut self, code: u32) -> Self {
        self.code = code;
        self
    }

    /// Adds a header to the answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What was wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The answer that tells it.
    pub fn into_reply(self) -> Reply {
        let body = serde_json::json!({"code": self.code, "message": self.message});
        let mut reply = json(self.status, body.to_string());
        for (name, value) in self.headers {
            reply.headers_mut().append(name, value);
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_json_whatever_its_message_holds() {
        let error = ApiError::unavailable("a \"quoted\"\nline", 3).code(1004);
        let reply = error.into_reply();
        assert_eq!(reply.status(), 503);
        assert_eq!(reply.headers()["retry-after"], "3");
        assert_eq!(reply.headers()["content-type"], "application/json");
        let body: serde_json::Value = serde_json::from_slice(reply.body().as_bytes()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({"code": 1004, "message": "a \"quoted\"\nline"})
        );
    }
}
