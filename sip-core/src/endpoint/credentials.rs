//! Challenged requests of ours: credentials for them, and sending them again (RFC 3261 section 22).

use std::time::Instant;

use super::call::Call;
use super::clients::{Purpose, Reply};
use super::command::CommandError;
use super::table::Key;
use super::{EndKind, Endpoint, wire};
use crate::auth::{Attempt, AuthError, Challenger, ClientAuth, DigestRequest};
use crate::header::digest::Challenge;
use crate::{HeaderName, Message, Method};

impl Endpoint {
    /// Credentials for the same request once more, or why there is no point.
    pub(crate) fn authorize(
        &mut self,
        call: &mut Call,
        reply: &Reply<'_>,
    ) -> Result<Attempt, EndKind> {
        self.authorize_with(call.auth.as_deref_mut(), reply)
    }

    /// The same with credentials that are not a call's.
    pub(crate) fn authorize_with(
        &mut self,
        auth: Option<&mut ClientAuth>,
        reply: &Reply<'_>,
    ) -> Result<Attempt, EndKind> {
        let mut challenges = Vec::new();
        for challenger in [Challenger::Server, Challenger::Proxy] {
            for field in reply.response.headers_named(challenger.challenge_header()) {
                if let Ok(challenge) = Challenge::parse(field.value()) {
                    challenges.push((challenger, challenge));
                }
            }
        }
        let realm = challenges
            .first()
            .map(|(_, challenge)| challenge.realm.clone());
        let Some(auth) = auth else {
            return Err(EndKind::AuthFailed {
                realm: realm.unwrap_or_default(),
                user: String::new(),
            });
        };
        let user = auth.account().username().to_owned();
        with_digest_request(reply.request, |request| {
            auth.retry(&reply.attempt, &challenges, request, &mut *self.draw.chance)
        })
        .map_err(|error| EndKind::AuthFailed {
            realm: match error {
                AuthError::Rejected { realm, .. }
                | AuthError::Unsupported { realm, .. }
                | AuthError::NoSecret { realm, .. }
                | AuthError::TooManyRounds { realm } => realm,
                _ => realm.unwrap_or_default(),
            },
            user,
        })
    }

    /// Sends a refused request again with credentials: a new transaction, the next CSeq (8.1.3.5).
    pub(crate) fn resend_authorized(
        &mut self,
        now: Instant,
        call: &mut Call,
        reply: &Reply<'_>,
        attempt: Attempt,
        purpose: Purpose,
    ) -> Result<(Key, u32), CommandError> {
        let (seq, method) =
            wire::cseq(reply.request).ok_or(CommandError::State("a request with CSeq"))?;
        // The INVITE that begins a call stands outside any dialog; its early ones go with it.
        let tag = wire::to_tag(reply.request).unwrap_or_default();
        let dialog = call
            .dialogs
            .iter_mut()
            .find(|dialog| dialog.remote_tag() == tag);
        let seq = match dialog.filter(|_| purpose != Purpose::Invite) {
            Some(dialog) => dialog.next_seq(),
            None => seq.saturating_add(1),
        };
        let via = self.via(&reply.target);
        let request = again(reply, via, (seq, method), &attempt)?;
        let target = reply.target.clone();
        let key = self.start_client(now, request, target, call.key, purpose, attempt)?;
        Ok((key, seq))
    }
}

/// A refused request once more, as a transaction of its own, with these credentials in place of those that it had.
pub(super) fn again(
    reply: &Reply<'_>,
    via: String,
    (seq, method): (u32, Method),
    attempt: &Attempt,
) -> Result<Message, CommandError> {
    let mut editor = reply
        .request
        .edit()
        .set(HeaderName::VIA, via)
        .set(HeaderName::CSEQ, format!("{seq} {method}"))
        .remove(HeaderName::AUTHORIZATION)
        .remove(HeaderName::PROXY_AUTHORIZATION);
    for (name, value) in attempt.headers() {
        editor = editor.append(name, value);
    }
    Ok(editor.build()?)
}

/// Runs `f` with what a digest covers of a request.
pub(crate) fn with_digest_request<R>(
    request: &Message,
    f: impl FnOnce(&DigestRequest<'_>) -> R,
) -> R {
    let method = request
        .method()
        .map_or_else(String::new, |method| method.to_string());
    let uri = String::from_utf8_lossy(request.uri_bytes().unwrap_or_default());
    f(&DigestRequest {
        method: &method,
        uri: &uri,
        body: request.body(),
    })
}
