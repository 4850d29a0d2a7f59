//! Transfers (RFC 3515, 3892, 4488, 5589): REFER asked for and carried out.
//!
//! | role | begins with | goes on with |
//! |---|---|---|
//! | transferor | [`CallHandle::refer`](crate::CallHandle::refer), [`transfer_to`](crate::CallHandle::transfer_to) | [`Event::Notified`] with [`Body::sipfrag_status`], then `hang_up` |
//! | transferee | [`Event::ReferRequested`] | [`Endpoint::follow`]: 202, the INVITE, and a NOTIFY for each of its responses |
//! | target | [`Event::Incoming`] with `replaces` | `answer`, and the call replaced ends (RFC 3891) |
//!
//! Left out: Target-Dialog (RFC 4538), REFERs of other methods than INVITE (the application can
//! still accept them and report by [`SubscriptionHandle::notify`](crate::SubscriptionHandle::notify)).

use std::time::Instant;

use super::call::{Call, CallState};
use super::clients::Purpose;
use super::command::{CommandError, Invite};
use super::event::{CallId, Event};
use super::outgoing::check_headers;
use super::subscription::{
    Refer, Sub, SubscriptionEnd, SubscriptionId, SubscriptionState, Terminated,
};
use super::table::Key;
use super::{Body, Endpoint, wire};
use crate::header::{self, NameAddr, NameAddrRef, TypedHeader as _};
use crate::transaction::after;
use crate::{HeaderName, Message, Method, StatusCode, Uri, text};

/// Whose REFER is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Referrals {
    /// Nobody's: 405, and Allow does not name REFER.
    #[default]
    Never,
    /// The peer's of an answered call, in its dialog: who may talk to us may send us elsewhere.
    InCalls,
    /// Anybody's: also outside any dialog, behind the digest policy if there is one.
    Anywhere,
}

/// Why a REFER cannot be turned into an INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferError {
    /// Refer-To is absent, there twice, or no URI: answer 400.
    #[error("no usable Refer-To")]
    ReferTo,
    /// Refer-To asks for another method than INVITE: answer 501, or do it otherwise.
    #[error("Refer-To asks for another method")]
    Method,
    /// The values cannot stand in an INVITE: answer 400.
    #[error("Refer-To holds what no INVITE may hold")]
    Build,
}

impl Invite {
    /// The INVITE that a REFER asks for, by `from`: Refer-To's URI without its method and headers,
    /// the Replaces among those headers (RFC 3891 section 4), and the REFER's Referred-By
    /// (RFC 3892). Other headers of the URI are dropped (RFC 3261 section 19.1.5).
    pub fn referred(refer: &Message, from: NameAddr) -> Result<Self, ReferError> {
        let (uri, replaces) = refer_to(refer)?;
        let mut invite = Self::new(uri, from);
        if let Some(replaces) = replaces {
            if replaces.contains(['\r', '\n', '\0']) {
                return Err(ReferError::Build);
            }
            invite = invite.header("Replaces", replaces);
        }
        if let Some(by) = refer.header(HeaderName::REFERRED_BY) {
            invite = invite.header("Referred-By", by.to_str().into_owned());
        }
        Ok(invite)
    }
}

/// The URI to call, and the Replaces that goes with it.
fn refer_to(refer: &Message) -> Result<(Uri, Option<String>), ReferError> {
    let mut fields = refer.headers_named(HeaderName::REFER_TO);
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return Err(ReferError::ReferTo);
    };
    let to = NameAddrRef::parse(field.value()).map_err(|_| ReferError::ReferTo)?;
    let uri = to.uri().map_err(|_| ReferError::ReferTo)?;
    if let Some(method) = uri.param("method").and_then(|param| param.value())
        && !method.eq_ignore_ascii_case("INVITE")
    {
        return Err(ReferError::Method);
    }
    let replaces = uri
        .headers()
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("Replaces"))
        .map(|(_, value)| text::lossy(&text::unescape(value.as_bytes())).into_owned());
    let whole = uri.as_str();
    let plain = whole.split_once('?').map_or(whole, |(plain, _)| plain);
    let plain: Vec<&str> = plain
        .split(';')
        .enumerate()
        .filter(|(at, part)| {
            let name = part.split('=').next().unwrap_or_default();
            *at == 0 || !name.eq_ignore_ascii_case("method")
        })
        .map(|(_, part)| part)
        .collect();
    let uri = Uri::parse(plain.join(";")).map_err(|_| ReferError::ReferTo)?;
    Ok((uri, replaces))
}

/// A header's value as it stands in a URI: all but unreserved characters escaped (RFC 3261
/// section 25.1).
pub(crate) fn escape(value: &str) -> String {
    use std::fmt::Write as _;
    value.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                text.push(char::from(byte));
            }
            // Writing to a String does not fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}

impl Endpoint {
    /// Sends REFER in a call's dialog.
    pub(crate) fn send_refer(
        &mut self,
        now: Instant,
        call: &mut Call,
        refer: &Refer,
    ) -> Result<SubscriptionId, CommandError> {
        if !matches!(call.state, CallState::Established | CallState::Accepted) {
            return Err(CommandError::State("an answered call"));
        }
        check_headers(&refer.headers)?;
        let contact = self.local_contact(call);
        let Some(dialog) = call.dialogs.first() else {
            return Err(CommandError::State("an answered call"));
        };
        let (branch, ours) = (dialog.remote_tag().to_owned(), dialog.local().to_owned());
        let by = match &refer.by {
            _ if !refer.name_ourselves => None,
            Some(by) => Some(by.without_tag().to_string()),
            None => NameAddr::parse(ours)
                .ok()
                .map(|own| own.without_tag().to_string()),
        };
        let Some(key) = self.new_sub(call) else {
            return Err(CommandError::Full("subscription table"));
        };
        let purpose = Purpose::Usage(key);
        let sent = self.send_request_inside(now, call, Method::Refer, purpose, |builder| {
            let mut builder = builder
                .header(HeaderName::CONTACT, contact)
                .header(HeaderName::REFER_TO, format!("<{}>", refer.to));
            if let Some(by) = by {
                builder = builder.header(HeaderName::REFERRED_BY, by);
            }
            if !refer.report {
                builder = builder
                    .header(HeaderName::REFER_SUB, "false")
                    .header(HeaderName::SUPPORTED, "norefersub");
            }
            for (name, value) in &refer.headers {
                builder = builder.header(name, value);
            }
            builder
        });
        let (_, seq) = sent.inspect_err(|_| {
            self.subscriptions.remove(key);
        })?;
        let mut sub = Sub::new(key, false, "refer", None);
        (sub.refer, sub.quiet, sub.out, sub.seq) = (true, !refer.report, true, seq);
        sub.branch = Some(branch.into());
        // Timer F ends the request; after its 2xx a NOTIFY is due within as much again.
        sub.wait = Some(after(now, self.config.timers.f.saturating_mul(2)));
        call.subs.push(sub);
        Ok(SubscriptionId(key))
    }

    /// A REFER came, in a call's dialog or in one of its own.
    pub(crate) fn referred(
        &mut self,
        now: Instant,
        server: Key,
        call: &mut Call,
        request: &Message,
        user: Option<String>,
    ) {
        let mut fields = request.headers_named(HeaderName::REFER_TO);
        let to = fields.next().and_then(|field| {
            let to = NameAddrRef::parse(field.value()).ok()?;
            to.uri().ok().map(|_| to.to_name_addr())
        });
        let (Some(to), None) = (to, fields.next()) else {
            let status = StatusCode::BAD_REQUEST;
            self.respond_status(now, server, request, status, |builder| builder);
            return;
        };
        if let Some(lacking) = self.unsupported(request) {
            self.respond_status(now, server, request, StatusCode::BAD_EXTENSION, |builder| {
                builder.header(HeaderName::UNSUPPORTED, lacking)
            });
            return;
        }
        let Some(key) = self.new_sub(call) else {
            self.no_room(now, server, request);
            return;
        };
        if let Some(at) = call.dialogs.iter().position(|dialog| {
            wire::from_tag(request).is_some_and(|from| dialog.remote_tag() == from)
        }) {
            call.dialogs[at].refresh_target(request);
        }
        // RFC 3515 section 2.4.6: from the second on, a REFER is named by its CSeq.
        let seq = wire::cseq(request).map_or(0, |(seq, _)| seq);
        let id = call.referred.then(|| seq.to_string());
        call.referred = true;
        let mut sub = Sub::new(key, true, "refer", id.as_deref());
        sub.refer = true;
        sub.quiet = request
            .header(HeaderName::REFER_SUB)
            .is_some_and(|field| field.value().eq_ignore_ascii_case(b"false"));
        sub.branch = wire::from_tag(request).map(Into::into);
        self.ask_to_subscribe(now, call, sub, server, request, 0);
        self.out.tell(Event::ReferRequested {
            subscription: SubscriptionId(key),
            call: call.beside(),
            user,
            to,
            referred_by: request
                .header(HeaderName::REFERRED_BY)
                .map(|by| by.to_str().into_owned()),
            request: request.clone(),
        });
    }

    /// Carries out what a REFER asks for: sends `invite` (see [`Invite::referred`]), accepts the
    /// REFER with 202, and reports each response to the INVITE to the transferor until the final
    /// one. The new call is a call like any other.
    ///
    /// # Errors
    /// When the REFER is not waiting any more, or the INVITE cannot be sent; the REFER then still
    /// waits, to be rejected.
    pub fn follow(
        &mut self,
        now: Instant,
        refer: SubscriptionId,
        invite: Invite,
    ) -> Result<CallId, CommandError> {
        let now = self.advance(now);
        let owner = *self.subscriptions.get(refer.0).ok_or(super::Gone)?;
        let asked = self.calls.get_mut(owner).is_some_and(|call| {
            call.sub(refer.0)
                .is_some_and(|sub| sub.refer && sub.state == SubscriptionState::Asked)
        });
        if !asked {
            return Err(CommandError::State("a REFER that is asked for"));
        }
        let call = self.invite(now, invite)?;
        if let Some(call) = self.calls.get_mut(call.0) {
            call.refer = Some(refer.0);
        }
        let trying = Body::sipfrag(StatusCode::TRYING, StatusCode::TRYING.reason());
        self.with_call(owner, |endpoint, transferor| {
            // A server transaction that just ended leaves nobody to tell.
            let _ = endpoint.accept_sub(now, transferor, refer.0, false, Some(trying));
        });
        Ok(call)
    }

    /// Tells the transferor what became of the INVITE that it asked for.
    pub(crate) fn report(&mut self, call: &mut Call, status: StatusCode, reason: &str) {
        let Some(key) = call.refer else { return };
        if status.is_final() {
            call.refer = None;
        }
        let Some(owner) = self.subscriptions.get(key).copied() else {
            call.refer = None;
            return;
        };
        let now = self.now;
        let body = Body::sipfrag(status, reason);
        self.with_call(owner, |endpoint, transferor| {
            let Some(sub) = transferor.sub(key) else {
                return;
            };
            if !matches!(
                sub.state,
                SubscriptionState::Pending | SubscriptionState::Active
            ) {
                return;
            }
            sub.body = Some(body);
            if status.is_final() {
                let reason = Terminated::NoResource;
                let end = SubscriptionEnd::Told(reason.clone());
                endpoint.finish_sub(now, transferor, key, reason, end);
            } else {
                let _ = endpoint.send_notify(now, transferor, key);
            }
        });
    }

    /// The call that a REFER asked for ended before an answer.
    pub(crate) fn report_end(&mut self, call: &mut Call, cause: &super::EndCause) {
        if call.refer.is_none() {
            return;
        }
        let status = match cause.kind {
            super::EndKind::Cancelled => StatusCode::REQUEST_TERMINATED,
            super::EndKind::RingTimeout | super::EndKind::TimedOut(_) => {
                StatusCode::REQUEST_TIMEOUT
            }
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let status = cause
            .status
            .filter(|status| status.code() >= 300)
            .unwrap_or(status);
        let phrase = cause.phrase.clone();
        self.report(call, status, phrase.as_deref().unwrap_or(status.reason()));
    }

    /// The call that an INVITE shall take the place of, or the status with which the INVITE is
    /// refused (RFC 3891 section 3).
    pub(crate) fn replaced(&mut self, request: &Message) -> Result<Option<Key>, StatusCode> {
        const NONE: StatusCode = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        if !self.config.replaces || request.header(HeaderName::REPLACES).is_none() {
            return Ok(None);
        }
        if request.headers_named(HeaderName::REPLACES).count() > 1
            || request.header(HeaderName::JOIN).is_some()
        {
            return Err(StatusCode::BAD_REQUEST);
        }
        let replaces: header::Replaces<'_> =
            request.typed().map_err(|_| StatusCode::BAD_REQUEST)?;
        let key = self
            .find_call(replaces.call_id(), replaces.to_tag())
            .ok_or(NONE)?;
        let call = self.calls.get(key).ok_or(NONE)?;
        let known = call
            .dialogs
            .iter()
            .any(|dialog| dialog.remote_tag() == replaces.from_tag());
        match call.state {
            _ if !known => Err(NONE),
            CallState::Accepted | CallState::Established if replaces.is_early_only() => {
                Err(StatusCode::BUSY_HERE)
            }
            CallState::Accepted | CallState::Established => Ok(Some(key)),
            // An early dialog can be replaced by whom we called only.
            CallState::Calling => Ok(Some(key)),
            CallState::Leaving | CallState::Cancelling => Err(StatusCode::DECLINE),
            _ => Err(NONE),
        }
    }

    /// Whether an INVITE would take the place of a call of this endpoint's own.
    pub(crate) fn would_replace(&mut self, invite: &Invite) -> bool {
        let replaces = invite
            .headers
            .iter()
            .find(|(name, _)| HeaderName::from(name.as_str()) == HeaderName::REPLACES);
        replaces.is_some_and(|(_, value)| {
            header::Replaces::decode(value.as_bytes()).is_ok_and(|replaces| {
                self.find_call(replaces.call_id(), replaces.to_tag())
                    .is_some()
            })
        })
    }

    /// The call that took this one's place was answered.
    pub(crate) fn give_way(&mut self, now: Instant, old: Key, by: Option<Key>) {
        let Some(by) = by else { return };
        self.with_call(old, |endpoint, call| {
            let kind = super::EndKind::Replaced { by: CallId(by) };
            let cause = super::EndCause::new(super::EndedBy::Remote, kind);
            // One that is over already has given way.
            let _ = endpoint.leave(now, call, cause, None);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refer(to: &str) -> Message {
        Message::parse(format!(
            "REFER sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REFER\r\n\
             {to}Referred-By: <sip:a@x>\r\nContent-Length: 0\r\n\r\n"
        ))
        .unwrap()
    }

    #[test]
    fn a_refer_becomes_an_invite_or_an_error() {
        let from = NameAddr::new(&"sip:b@x".parse().unwrap());
        let rows = [
            ("Refer-To: <sip:c@y>\r\n", Ok(("sip:c@y", None))),
            ("Refer-To: sip:c@y\r\n", Ok(("sip:c@y", None))),
            (
                "Refer-To: <sip:c@y;method=INVITE;transport=tcp?Replaces=7%40z%3Bto-tag%3Db%3Bfrom-tag%3Da&X-Evil=1>\r\n",
                Ok(("sip:c@y;transport=tcp", Some("7@z;to-tag=b;from-tag=a"))),
            ),
            ("", Err(ReferError::ReferTo)),
            (
                "Refer-To: <sip:c@y>\r\nRefer-To: <sip:d@y>\r\n",
                Err(ReferError::ReferTo),
            ),
            (
                "Refer-To: <sip:c@y;method=BYE>\r\n",
                Err(ReferError::Method),
            ),
            (
                "Refer-To: <sip:c@y?Replaces=a%0D%0AX:1>\r\n",
                Err(ReferError::Build),
            ),
        ];
        for (to, want) in rows {
            let got = Invite::referred(&refer(to), from.clone());
            match (got, want) {
                (Ok(invite), Ok((uri, replaces))) => {
                    assert_eq!(invite.uri.as_str(), uri);
                    let mut headers = Vec::new();
                    if let Some(replaces) = replaces {
                        headers.push(("Replaces".to_owned(), replaces.to_owned()));
                    }
                    headers.push(("Referred-By".to_owned(), "<sip:a@x>".to_owned()));
                    assert_eq!(invite.headers, headers, "{to}");
                }
                (Err(got), Err(want)) => assert_eq!(got, want, "{to}"),
                (got, want) => panic!("{to}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn what_is_escaped_comes_back() {
        let value = "12@a.b;to-tag=x;from-tag=y%z";
        assert_eq!(escape(value), "12%40a.b%3Bto-tag%3Dx%3Bfrom-tag%3Dy%25z");
        assert_eq!(text::unescape(escape(value).as_bytes()), value.as_bytes());
    }
}
