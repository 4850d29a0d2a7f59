//! INFO and further requests on their way to the other side, and their answers back.

use std::time::Instant;

use super::coupling::{Coupling, Stage};
use super::crossing;
use super::policy::Infos;
use crate::endpoint::wire;
use crate::{
    Body, CallId, Endpoint, Event, HeaderName, Message, Method, Question, QuestionAnswer,
    QuestionId, StatusCode,
};

/// A request of ours on one leg that waits for its answer.
#[derive(Debug)]
pub(super) struct Relayed {
    method: Method,
    /// What its answer answers.
    question: QuestionId,
    /// The leg that asked.
    from: CallId,
}

impl Coupling {
    /// INFO, relayed requests and their answers.
    pub(super) fn request(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        event: Event,
    ) -> Option<Event> {
        match event {
            Event::Info {
                call, ref request, ..
            } if self.has(call) => {
                let body = wire::body(request);
                match self.crosses(request, body.as_ref()) {
                    true => {
                        self.relay(now, endpoint, call, Method::Info, request, body, None);
                        None
                    }
                    false => Some(event),
                }
            }
            Event::RequestAnswered {
                call,
                ref method,
                ref response,
                status,
            } if self.has(call) => {
                if *method == Method::Info && self.info_answered(call) {
                    // Its own was answered when it came.
                    return None;
                }
                let Some(side) = self.side(call) else {
                    return Some(event);
                };
                let ours = |relayed: &mut Relayed| relayed.method == *method;
                let Some(relayed) = self.relayed[side.index()].take_if(ours) else {
                    return Some(event);
                };
                let answer = match response {
                    Some(response) => QuestionAnswer::Respond {
                        status,
                        headers: crossing::headers(response, &self.policy.headers),
                        body: wire::body(response),
                    },
                    None => respond(StatusCode::REQUEST_TIMEOUT),
                };
                // Gone when its deadline passed.
                let _ = endpoint.answer_question(now, relayed.question, answer);
                None
            }
            Event::Ask {
                id,
                question:
                    Question::Request {
                        call: Some(call),
                        ref request,
                    },
                ..
            } if self.has(call) => {
                let method = request.method().filter(|m| self.policy.methods.contains(m));
                let Some(method) = method else {
                    return Some(event);
                };
                let body = wire::body(request);
                self.relay(now, endpoint, call, method, request, body, Some(id));
                None
            }
            other => Some(other),
        }
    }

    fn crosses(&self, info: &Message, body: Option<&Body>) -> bool {
        match self.policy.info {
            Infos::Nothing => false,
            Infos::All => true,
            Infos::Dtmf => body.is_some_and(|body| {
                let media = body
                    .content_type
                    .split(';')
                    .next()
                    .unwrap_or_default()
                    .trim();
                let keys = ["application/dtmf-relay", "application/dtmf"];
                info.header(HeaderName::from("Info-Package")).is_none()
                    && keys.iter().any(|key| media.eq_ignore_ascii_case(key))
            }),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn relay(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        from: CallId,
        method: Method,
        request: &Message,
        body: Option<Body>,
        question: Option<QuestionId>,
    ) {
        let to = self
            .side(from)
            .filter(|_| self.stage == Stage::Joined)
            .and_then(|side| Some((side.other(), self.leg(side.other())?)));
        let mut headers = crossing::headers(request, &self.policy.headers);
        let package = HeaderName::from("Info-Package");
        if let Some(field) = request.header(package).filter(|_| method == Method::Info) {
            headers.retain(|(name, _)| HeaderName::from(name) != package);
            headers.push((package.to_string(), field.to_str().into_owned()));
        }
        let sent = to.is_some_and(|(side, call)| {
            // One at a time with an answer to bring back: responses do not say which they answer.
            let busy = question.is_some() && self.relayed[side.index()].is_some();
            let sent = !busy
                && endpoint.call(call).is_ok_and(|handle| {
                    handle.request(now, method.clone(), &headers, body).is_ok()
                });
            match question {
                Some(question) if sent => {
                    self.relayed[side.index()] = Some(Relayed {
                        method,
                        question,
                        from,
                    });
                }
                None if sent => self.info_sent(call),
                _ => {}
            }
            sent
        });
        if let (false, Some(id)) = (sent, question) {
            let _ = endpoint.answer_question(now, id, respond(StatusCode::REQUEST_PENDING));
        }
    }

    fn info_sent(&mut self, call: CallId) {
        match self.infos.iter_mut().find(|(leg, _)| *leg == call) {
            Some((_, out)) => *out += 1,
            None => self.infos.push((call, 1)),
        }
    }

    /// Whether an INFO of ours was out on this leg, which may have lost its place since.
    fn info_answered(&mut self, call: CallId) -> bool {
        let found = self.infos.iter().position(|(leg, _)| *leg == call);
        let Some(index) = found else { return false };
        self.infos[index].1 -= 1;
        if self.infos[index].1 == 0 {
            self.infos.swap_remove(index);
        }
        true
    }

    /// A leg ended: nobody answers what it was asked.
    pub(super) fn drop_questions(&mut self, now: Instant, endpoint: &mut Endpoint, call: CallId) {
        let asked_of = self.side(call).map(|side| side.index());
        for index in [0, 1] {
            let gone = |relayed: &mut Relayed| asked_of == Some(index) || relayed.from == call;
            if let Some(relayed) = self.relayed[index].take_if(gone) {
                let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
                let _ = endpoint.answer_question(now, relayed.question, respond(status));
            }
        }
    }
}

fn respond(status: StatusCode) -> QuestionAnswer {
    QuestionAnswer::Respond {
        status,
        headers: Vec::new(),
        body: None,
    }
}
