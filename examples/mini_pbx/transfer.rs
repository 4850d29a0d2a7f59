//! Transfers: a REFER of one phone goes to the phone that it talks to, which then calls through us; what becomes of
//! that goes back as it comes.

use std::time::Instant;

use serde_json::json;
use sip_core::header::NameAddr;
use sip_core::{
    Body, CallId, Invite, Message, Refer, StatusCode, SubscriptionEnd, SubscriptionId, Terminated,
};

use crate::pbx::Pbx;

/// A REFER that was passed on.
pub(crate) struct Transfer {
    /// By which its sender hears what becomes of it.
    told: SubscriptionId,
    by: String,
    who: String,
    to: String,
}

impl Pbx {
    /// A phone wants the one that it talks to to call somebody else.
    pub(crate) fn refer(
        &mut self,
        now: Instant,
        asked: SubscriptionId,
        call: Option<CallId>,
        request: &Message,
    ) {
        if let Err(status) = self.pass_on(now, asked, call, request) {
            self.story.tell(
                &format!("a transfer is refused: {status}"),
                &json!({"event": "transfer", "status": status.code()}),
            );
            if let Ok(handle) = self.driver.endpoint().subscription(asked) {
                // Gone: whoever asked has hung up.
                let _ = handle.reject(now, status);
            }
        }
    }

    fn pass_on(
        &mut self,
        now: Instant,
        asked: SubscriptionId,
        call: Option<CallId>,
        request: &Message,
    ) -> Result<(), StatusCode> {
        const GONE: StatusCode = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let call = call.ok_or(GONE)?;
        let number = self.legs.get(&call).ok_or(GONE)?;
        let switched = self.calls.get(number).ok_or(GONE)?;
        let (caller, callee) = (switched.coupling.caller(), switched.coupling.callee());
        let other = match callee {
            Some(callee) if callee == call => caller,
            Some(callee) if caller == call => callee,
            _ => return Err(GONE),
        };
        let (by, _) = switched.parties.get(&call).ok_or(GONE)?.clone();
        let (who, transport) = switched.parties.get(&other).ok_or(GONE)?.clone();
        // The address that Refer-To names is ours as its sender reaches us; the other phone may need another.
        let nobody: NameAddr = self.places.address(transport, &who).ok_or(GONE)?;
        let wanted = Invite::referred(request, nobody).map_err(|_| StatusCode::BAD_REQUEST)?;
        let to = wanted
            .uri
            .as_ref()
            .user_decoded()
            .unwrap_or_default()
            .into_owned();
        if !self.users.contains(&to) && !self.groups.contains_key(&to) {
            return Err(StatusCode::NOT_FOUND);
        }
        let replaces = wanted.headers.iter().find(|(name, _)| name == "Replaces");
        let headers = replaces.map(|(_, value)| format!("?Replaces={}", escape(value)));
        let kind = if headers.is_some() {
            "attended"
        } else {
            "blind"
        };
        let uri = self
            .places
            .uri(transport, &to, &headers.unwrap_or_default())
            .ok_or(StatusCode::BAD_REQUEST)?;
        let mut refer = Refer::new(uri);
        refer.by = self.places.address(transport, &by);
        let endpoint = self.driver.endpoint();
        let passed = endpoint
            .call(other)
            .map_err(|_| GONE)?
            .refer(now, refer)
            .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let trying = Body::sipfrag(StatusCode::TRYING, StatusCode::TRYING.reason());
        if let Ok(handle) = endpoint.subscription(asked) {
            // Gone: whoever asked hears nothing of it.
            let _ = handle.accept(now, Some(trying));
        }
        self.story.tell(
            &format!("{by} transfers {who} to {to} ({kind})"),
            &json!({"event": "transfer", "by": by, "who": who, "to": to, "kind": kind}),
        );
        let told = asked;
        self.transfers
            .insert(passed, Transfer { told, by, who, to });
        Ok(())
    }

    /// The phone that was asked to call tells how that goes.
    pub(crate) fn notified(&mut self, now: Instant, passed: SubscriptionId, body: Option<Body>) {
        let Some(transfer) = self.transfers.get(&passed) else {
            return;
        };
        let status = body.as_ref().and_then(Body::sipfrag_status);
        let Some((status, _)) = status else { return };
        let Ok(handle) = self.driver.endpoint().subscription(transfer.told) else {
            return;
        };
        if status.is_final() {
            // Gone meanwhile: nobody is there to be told.
            let _ = handle.terminate(now, Terminated::NoResource, body);
            self.tell_transferred(passed, status);
        } else {
            let _ = handle.notify(now, body);
        }
    }

    /// No more will be heard of a transfer.
    pub(crate) fn transfer_over(
        &mut self,
        now: Instant,
        passed: SubscriptionId,
        end: &SubscriptionEnd,
    ) {
        let Some(transfer) = self.transfers.get(&passed) else {
            return;
        };
        let status = match end {
            SubscriptionEnd::Refused(status) => *status,
            SubscriptionEnd::Failed(cause) => cause.status.unwrap_or(StatusCode::REQUEST_TIMEOUT),
            // It hung up on us, or forgot to say: its sender shall not wait for ever.
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let fragment = Body::sipfrag(status, status.reason());
        if let Ok(handle) = self.driver.endpoint().subscription(transfer.told) {
            let _ = handle.terminate(now, Terminated::NoResource, Some(fragment));
        }
        self.tell_transferred(passed, status);
    }

    fn tell_transferred(&mut self, passed: SubscriptionId, status: StatusCode) {
        if let Some(Transfer { by, who, to, .. }) = self.transfers.remove(&passed) {
            self.story.tell(
                &format!("{who}, sent to {to} by {by}: {status}"),
                &json!({"event": "transferred", "by": by, "who": who, "to": to, "status": status.code()}),
            );
        }
    }
}

/// A header's value as it stands in a URI (RFC 3261 section 25.1).
fn escape(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b);
    value
        .bytes()
        .map(|b| match plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}
