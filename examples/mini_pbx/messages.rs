//! MESSAGE from one phone to another.

use std::time::Instant;

use serde_json::json;
use sip_core::header::digest::Credentials;
use sip_core::{
    Body, HeaderName, Message, Method, Outside, QuestionAnswer, QuestionId, RequestId, StatusCode,
    Target,
};

use crate::pbx::Pbx;
use crate::switch::{called, shown};

impl Pbx {
    /// A phone writes to a user; the user's phone that registered last gets it.
    pub(crate) fn message(&mut self, now: Instant, id: QuestionId, request: &Message) {
        let passed = self.write(now, id, request);
        if let Err(status) = passed {
            self.answer(now, id, status);
        }
    }

    fn write(&mut self, now: Instant, id: QuestionId, request: &Message) -> Result<(), StatusCode> {
        // The endpoint has checked these.
        let credentials = request
            .headers_named(HeaderName::AUTHORIZATION)
            .find_map(|field| Credentials::parse(field.value()).ok());
        let user = credentials.ok_or(StatusCode::FORBIDDEN)?.username;
        let to = called(request);
        if !self.users.contains(&to) {
            return Err(StatusCode::NOT_FOUND);
        }
        let endpoint = self.driver.endpoint();
        let phones = self.known.phones(now, endpoint, &to);
        let (aor, binding) = phones.first().ok_or(StatusCode::TEMPORARILY_UNAVAILABLE)?;
        let uri = binding.uri().map_err(|_| StatusCode::BAD_GATEWAY)?;
        let from = shown(request, &user, aor).ok_or(StatusCode::BAD_REQUEST)?;
        let mut outside = Outside::new(Method::Message, uri, from);
        outside.to = aor.uri().map(|uri| sip_core::header::NameAddr::new(&uri));
        outside.target = binding.flow.map(Target::Flow);
        let kind = request.header(HeaderName::CONTENT_TYPE);
        if let Some(kind) = kind {
            outside.body = Some(Body::new(kind.to_str().into_owned(), request.body_bytes()));
        }
        let sent = endpoint
            .send_outside(now, outside)
            .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        self.messages.insert(sent, id);
        self.story.tell(
            &format!("{user} writes to {to}"),
            &json!({"event": "message", "from": user, "to": to}),
        );
        Ok(())
    }

    /// What the phone says to it goes back.
    pub(crate) fn replied(&mut self, now: Instant, request: RequestId, response: Option<&Message>) {
        if let Some(id) = self.messages.remove(&request) {
            let status = response.and_then(|response| response.status());
            self.answer(now, id, status.unwrap_or(StatusCode::REQUEST_TIMEOUT));
        }
    }

    fn answer(&mut self, now: Instant, id: QuestionId, status: StatusCode) {
        let answer = QuestionAnswer::Respond {
            status,
            headers: Vec::new(),
            body: None,
        };
        // Too late, if this fails: the sender has its default answer.
        let _ = self.driver.endpoint().answer_question(now, id, answer);
    }
}
