//! The state of a dialog: RFC 3261 section 12.

use std::sync::Arc;

use crate::header::{CSeq, CallId, Contact, From, NameAddrRef, To};
use crate::message::RequestBuilder;
use crate::{HeaderError, HeaderName, Message, Method, Scheme, Uri, text};

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

    /// The subscriber's dialog, from the NOTIFY that makes it (RFC 6665 section 4.4.1) and the CSeq
    /// number of its SUBSCRIBE or REFER.
    pub fn from_notify(request: &Message, local_seq: u32) -> Result<Self, DialogError> {
        let from: From<'_> = request.typed()?;
        let to: To<'_> = request.typed()?;
        Ok(Self {
            call_id: request.typed::<CallId<'_>>()?.as_str().into(),
            local: line(to.as_bytes()).into(),
            remote: line(from.as_bytes()).into(),
            local_tag: to.tag().unwrap_or_default().into(),
            remote_tag: from.tag().unwrap_or_default().into(),
            target: contact(request)?,
            routes: record_route(request),
            local_seq,
            // Judged when the NOTIFY is admitted.
            remote_seq: None,
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
            builder = builder.unjudged(HeaderName::ROUTE, route.as_bytes());
        }
        if strict.is_some() {
            // 12.2.1.1: behind a strict router the remote target is the last route.
            builder = builder.header(HeaderName::ROUTE, format!("<{}>", self.target));
        }
        builder
            .max_forwards(70)
            .unjudged(HeaderName::FROM, self.local.as_bytes())
            .unjudged(HeaderName::TO, self.remote.as_bytes())
            .unjudged(HeaderName::CALL_ID, self.call_id.as_bytes())
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
    text::lossy(&text::unfolded(value)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StatusCode;

    fn invite(routes: &str) -> Message {
        let text = format!(
            "INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\n{routes}From: Alice <sip:alice@atlanta.com>;tag=al\r\n\
             To: Bob <sip:bob@biloxi.com>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n\
             Contact: <sip:alice@pc33>\r\nContent-Length: 0\r\n\r\n"
        );
        Message::parse(text).unwrap()
    }

    fn lines(message: &Message, name: HeaderName<'static>) -> Vec<String> {
        message.values(name).map(line).collect()
    }

    /// What section 12.2.1.1 makes of a route set, for both roles.
    #[test]
    fn route_sets_are_followed_by_role_and_kind_of_router() {
        let loose = "Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\n";
        let strict = "Record-Route: <sip:p2>\r\nRecord-Route: <sip:p1;lr>\r\n";
        // Callee: as they stand.
        let tag: Arc<str> = "bo".into();
        let rows = [
            ("", "sip:alice@pc33", vec![], "sip:alice@pc33"),
            (
                loose,
                "sip:alice@pc33",
                vec!["<sip:p2;lr>", "<sip:p1;lr>"],
                "sip:p2;lr",
            ),
            (
                strict,
                "sip:p2",
                vec!["<sip:p1;lr>", "<sip:alice@pc33>"],
                "sip:p2",
            ),
        ];
        for (routes, uri, route, hop) in rows {
            let mut dialog = Dialog::uas(&invite(routes), &tag).unwrap();
            assert_eq!(dialog.next_hop().as_str(), hop);
            let via = "SIP/2.0/UDP b;branch=z9hG4bK2";
            let bye = dialog.request(Method::Bye, via).build().unwrap();
            assert_eq!(bye.uri_bytes().unwrap(), uri.as_bytes());
            assert_eq!(lines(&bye, HeaderName::ROUTE), route);
            assert_eq!(
                lines(&bye, HeaderName::FROM),
                ["Bob <sip:bob@biloxi.com>;tag=bo"]
            );
            assert_eq!(
                lines(&bye, HeaderName::TO),
                ["Alice <sip:alice@atlanta.com>;tag=al"]
            );
            assert_eq!(lines(&bye, HeaderName::CSEQ), ["1 BYE"]);
        }
        // Caller: turned round.
        let request = invite("");
        let response = request
            .reply(StatusCode::OK)
            .to_tag("bo")
            .header(HeaderName::RECORD_ROUTE, "<sip:p2;lr>, <sip:p1;lr>")
            .header(HeaderName::CONTACT, "<sip:bob@desk>")
            .build()
            .unwrap();
        let mut dialog = Dialog::uac(&request, &response).unwrap();
        let ack = dialog
            .ack(7, "SIP/2.0/UDP a;branch=z9hG4bK3")
            .build()
            .unwrap();
        assert_eq!(
            lines(&ack, HeaderName::ROUTE),
            ["<sip:p1;lr>", "<sip:p2;lr>"]
        );
        assert_eq!(ack.uri_bytes().unwrap(), b"sip:bob@desk");
        assert_eq!(lines(&ack, HeaderName::CSEQ), ["7 ACK"]);
        let bye = dialog
            .request(Method::Bye, "SIP/2.0/UDP a;branch=z9hG4bK4")
            .build()
            .unwrap();
        assert_eq!(lines(&bye, HeaderName::CSEQ), ["8 BYE"]);
        assert_eq!((dialog.local_tag(), dialog.remote_tag()), ("al", "bo"));
    }

    #[test]
    fn the_2xx_replaces_what_the_early_dialog_knew() {
        let request = invite("");
        let reply = |status, routes: &str, contact: &str| {
            let builder = request
                .reply(status)
                .to_tag("bo")
                .header(HeaderName::CONTACT, contact);
            match routes {
                "" => builder.build().unwrap(),
                routes => builder
                    .header(HeaderName::RECORD_ROUTE, routes)
                    .build()
                    .unwrap(),
            }
        };
        let ringing = reply(StatusCode::RINGING, "<sip:p1;lr>", "<sip:bob@hall>");
        let mut dialog = Dialog::uac(&request, &ringing).unwrap();
        assert_eq!(dialog.next_hop().as_str(), "sip:p1;lr");
        dialog.confirm(&reply(StatusCode::OK, "", "<sip:bob@desk>"));
        assert_eq!(dialog.next_hop().as_str(), "sip:bob@desk");
    }

    #[test]
    fn sequence_numbers_go_up_and_never_back() {
        let mut dialog = Dialog::uas(&invite(""), &"bo".into()).unwrap();
        let next = |seq: &str| {
            let edited = invite("")
                .edit()
                .set(HeaderName::CSEQ, format!("{seq} INVITE"));
            edited.build().unwrap()
        };
        for (seq, want) in [
            ("7", Err(DialogError::OutOfOrder)),
            ("6", Err(DialogError::OutOfOrder)),
            ("8", Ok(())),
            ("100", Ok(())),
            ("99", Err(DialogError::OutOfOrder)),
        ] {
            assert_eq!(dialog.admit(&next(seq)), want, "{seq}");
        }
    }

    #[test]
    fn without_a_sip_contact_a_request_makes_no_dialog() {
        for contact in ["<tel:+1>", "*", "<mailto:a@b>"] {
            let request = invite("")
                .edit()
                .set(HeaderName::CONTACT, contact)
                .build()
                .unwrap();
            let made = Dialog::uas(&request, &"bo".into());
            assert!(matches!(made, Err(DialogError::Contact)), "{contact}");
        }
    }
}
