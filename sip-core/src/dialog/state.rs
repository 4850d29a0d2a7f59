//! The state of a dialog: RFC 3261 section 12.

use std::sync::Arc;

use crate::header::{CSeq, CallId, Contact, From, NameAddrRef, To};
use crate::message::RequestBuilder;
use crate::{HeaderError, HeaderName, Message, Method, Scheme, Uri};

/// One dialog, early or confirmed.
///
/// Route set and remote target are what the messages said; [`request`](Self::request) turns them
/// into Request-URI and Route headers (12.2.1.1), for loose and for strict routers.
#[derive(Clone, Debug)]
pub struct Dialog {
    call_id: Arc<str>,
    local: Arc<str>,
    remote: Box<str>,
    local_tag: Arc<str>,
    remote_tag: Box<str>,
    target: Uri,
    routes: Vec<Box<str>>,
    local_seq: u32,
    remote_seq: Option<u32>,
    secure: bool,
}

/// Why a message makes no dialog, or does not belong into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialogError {
    /// A header is absent or cannot be read; a request gets 400.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// No Contact with a SIP URI, so there is no remote target (12.1.1); a request gets 400.
    #[error("no usable Contact")]
    Contact,
    /// CSeq is not above the last one (12.2.2); a request gets 500.
    #[error("CSeq goes back")]
    OutOfOrder,
}

impl Dialog {
    /// The caller's dialog, from its request and a response with a To tag (12.1.2).
    pub fn uac(request: &Message, response: &Message) -> Result<Self, DialogError> {
        let from: From<'_> = request.typed()?;
        let to: To<'_> = response.typed()?;
        let mut routes = record_route(response);
        routes.reverse();
        Ok(Self {
            call_id: request.typed::<CallId<'_>>()?.as_str().into(),
            local: line(from.as_bytes()).into(),
            remote: line(to.as_bytes()).into(),
            local_tag: from.tag().unwrap_or_default().into(),
            remote_tag: to.tag().unwrap_or_default().into(),
            // A response without a Contact breaks 12.1.2; who answered is still behind the URI.
            target: match contact(response) {
                Ok(target) => target,
                Err(_) => request.uri().map_err(|_| DialogError::Contact)?.to_uri(),
            },
            routes,
            local_seq: request.typed::<CSeq<'_>>()?.sequence(),
            remote_seq: None,
            secure: request.uri().is_ok_and(|uri| uri.scheme() == Scheme::Sips),
        })
    }

    /// The callee's dialog, from the request and the tag that our responses bear (12.1.1).
    pub fn uas(request: &Message, local_tag: &Arc<str>) -> Result<Self, DialogError> {
        let from: From<'_> = request.typed()?;
        let to: To<'_> = request.typed()?;
        Ok(Self {
            call_id: request.typed::<CallId<'_>>()?.as_str().into(),
            local: format!("{};tag={local_tag}", line(to.as_bytes())).into(),
            remote: line(from.as_bytes()).into(),
            local_tag: local_tag.clone(),
            remote_tag: from.tag().unwrap_or_default().into(),
            target: contact(request)?,
            routes: record_route(request),
            local_seq: 0,
            remote_seq: Some(request.typed::<CSeq<'_>>()?.sequence()),
            secure: request.uri().is_ok_and(|uri| uri.scheme() == Scheme::Sips),
        })
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        &self.local_tag
    }

    /// The peer's tag; empty for a peer of RFC 2543 that has none.
    pub fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// Our From or To value, tag included.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The peer's From or To value, tag included.
    pub fn remote(&self) -> &str {
        &self.remote
    }

    /// The remote target: where requests end.
    pub fn target(&self) -> &Uri {
        &self.target
    }

    /// Whether the dialog was made by a `sips:` request (12.1.1).
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The CSeq number of the last request we sent.
    pub fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// Route set and target once more from the 2xx that confirms an early dialog (13.2.2.4).
    pub fn confirm(&mut self, response: &Message) {
        let mut routes = record_route(response);
        routes.reverse();
        self.routes = routes;
        self.refresh_target(response);
    }

    /// A message that may move the remote target did (12.2.1.2, 12.2.2): re-INVITE, UPDATE, their 2xx.
    pub fn refresh_target(&mut self, message: &Message) {
        if let Ok(target) = contact(message) {
            self.target = target;
        }
    }

    /// Takes the next CSeq number for a request that is built elsewhere.
    pub(crate) fn next_seq(&mut self) -> u32 {
        // 2^31 requests in one dialog do not happen; wrapping would make the peer refuse them all.
        self.local_seq = self.local_seq.saturating_add(1);
        self.local_seq
    }

    /// Judges and notes the CSeq of a request of the peer's. ACK and CANCEL bear that of their
    /// INVITE and are not asked for here.
    pub fn admit(&mut self, request: &Message) -> Result<(), DialogError> {
        let sequence = request.typed::<CSeq<'_>>()?.sequence();
        if self.remote_seq.is_some_and(|last| sequence <= last) {
            return Err(DialogError::OutOfOrder);
        }
        self.remote_seq = Some(sequence);
        Ok(())
    }

    /// Where the next request goes first: the first route, or else the remote target.
    pub fn next_hop(&self) -> Uri {
        self.routes
            .first()
            .and_then(|route| route_uri(route))
            .unwrap_or_else(|| self.target.clone())
    }

    /// Starts a request in this dialog with the next CSeq number: Request-URI, Route, From, To,
    /// Call-ID, CSeq, Max-Forwards. The caller puts its Via in front of these.
    pub fn request(&mut self, method: Method, via: &str) -> RequestBuilder {
        let sequence = self.next_seq();
        self.build(method, sequence, via)
    }

    /// Starts the ACK for the 2xx to the INVITE with this CSeq number (13.2.2.4).
    pub fn ack(&self, sequence: u32, via: &str) -> RequestBuilder {
        self.build(Method::Ack, sequence, via)
    }

    fn build(&self, method: Method, sequence: u32, via: &str) -> RequestBuilder {
        let strict = self
            .routes
            .first()
            .and_then(|route| route_uri(route))
            .filter(|uri| !uri.is_loose_router());
        let target = strict.as_ref().unwrap_or(&self.target);
        let mut builder = Message::request(method, target).header(HeaderName::VIA, via);
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            builder = builder.header(HeaderName::ROUTE, route.as_bytes());
        }
        if strict.is_some() {
            // 12.2.1.1: behind a strict router the remote target is the last route.
            builder = builder.header(HeaderName::ROUTE, format!("<{}>", self.target));
        }
        builder
            .max_forwards(70)
            .header(HeaderName::FROM, self.local.as_bytes())
            .header(HeaderName::TO, self.remote.as_bytes())
            .header(HeaderName::CALL_ID, self.call_id.as_bytes())
            .cseq(sequence)
    }
}

fn route_uri(route: &str) -> Option<Uri> {
    NameAddrRef::parse(route.as_bytes())
        .ok()?
        .uri()
        .ok()
        .map(|uri| uri.to_uri())
}

fn record_route(message: &Message) -> Vec<Box<str>> {
    message
        .values(HeaderName::RECORD_ROUTE)
        .map(|value| line(value).into())
        .collect()
}

/// The first Contact; a SIP URI, as 12.1.1 demands of requests and responses that make dialogs.
fn contact(message: &Message) -> Result<Uri, DialogError> {
    let contact: Contact<'_> = message.typed().map_err(|_| DialogError::Contact)?;
    let uri = contact
        .uri()
        .and_then(Result::ok)
        .ok_or(DialogError::Contact)?;
    match uri.scheme() {
        Scheme::Sip | Scheme::Sips => Ok(uri.to_uri()),
        _ => Err(DialogError::Contact),
    }
}

/// A value on one line: folds become one space.
fn line(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    if text.contains(['\r', '\n']) {
        text.split(['\r', '\n'])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    } else {
        text.into_owned()
    }
}
