//! Questions and their answers.

use std::time::Instant;

use super::deadlines::Waiter;
use super::event::{CallId, Event, Question, QuestionAnswer, QuestionId};
use super::flow::Flow;
use super::registrar::Registering;
use super::table::Key;
use super::{Endpoint, Gone, wire};
use crate::auth::Ha1;
use crate::header::digest::Credentials;
use crate::registrar::Change;
use crate::transaction::after;
use crate::{HeaderName, Message, StatusCode};

/// What the answer is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// The addresses for a call's INVITE.
    Call(Key),
    /// The HA1 for a caller's credentials.
    Caller(Box<Caller>),
    /// The response to a request.
    Request(Key, Box<Message>),
    /// The addresses for one flow of a registration.
    Registration(Key, usize),
    /// The addresses for a request outside any call.
    Standalone(Key),
    /// The addresses for what begins a subscription.
    Subscription(Key),
    /// The addresses for a response.
    Answer(Key),
    /// The bindings that a REGISTER changes.
    Load(Box<Registering>),
    /// Whether the bindings that a REGISTER made are kept.
    Store(Box<(Registering, Change)>),
}

/// An INVITE whose credentials wait to be judged.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) server: Key,
    pub(crate) flow: Flow,
    pub(crate) request: Message,
    pub(crate) credentials: Credentials,
}

#[derive(Debug)]
pub(crate) struct Asked {
    purpose: Purpose,
    armed: Option<Instant>,
}

impl Endpoint {
    /// Answers a question. An answer of the wrong kind counts as the default.
    ///
    /// # Errors
    /// [`Gone`] when its deadline passed or what asked is over.
    pub fn answer_question(
        &mut self,
        now: Instant,
        id: QuestionId,
        answer: QuestionAnswer,
    ) -> Result<(), Gone> {
        let now = self.advance(now);
        let asked = self.take_question(id.0).ok_or(Gone)?;
        self.answered(now, asked, Some(answer));
        Ok(())
    }

    /// `None` when as many questions are open as may be.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        question: Question,
        purpose: Purpose,
    ) -> Option<Key> {
        let deadline = after(now, self.config.bounds.question);
        let key = self
            .questions
            .insert(Asked {
                purpose,
                armed: None,
            })
            .ok()?;
        if let Some(asked) = self.questions.get_mut(key) {
            self.deadlines
                .arm(Waiter::Question(key), &mut asked.armed, Some(deadline));
        }
        self.out.tell(Event::Ask {
            id: QuestionId(key),
            question,
            deadline,
        });
        Some(key)
    }

    pub(crate) fn take_question(&mut self, key: Key) -> Option<Asked> {
        let mut asked = self.questions.remove(key)?;
        self.deadlines
            .arm(Waiter::Question(key), &mut asked.armed, None);
        Some(asked)
    }

    pub(crate) fn question_due(&mut self, now: Instant, key: Key) -> bool {
        match self.take_question(key) {
            Some(asked) => {
                self.answered(now, asked, None);
                true
            }
            None => false,
        }
    }

    /// A request of a method that the application answers.
    pub(crate) fn ask_for_response(
        &mut self,
        now: Instant,
        server: Key,
        call: Option<CallId>,
        request: &Message,
    ) {
        let question = Question::Request {
            call,
            request: request.clone(),
        };
        let purpose = Purpose::Request(server, Box::new(request.clone()));
        if self.ask(now, question, purpose).is_none() {
            self.counters.overload += 1;
            let status = StatusCode::SERVICE_UNAVAILABLE;
            self.respond_status(now, server, request, status, |builder| {
                builder.header(HeaderName::RETRY_AFTER, "10")
            });
        }
    }

    fn respond_as_told(
        &mut self,
        now: Instant,
        server: Key,
        request: &Message,
        answer: Option<QuestionAnswer>,
    ) {
        let failed = StatusCode::SERVER_INTERNAL_ERROR;
        let Some(QuestionAnswer::Respond {
            status,
            headers,
            body,
        }) = answer
        else {
            self.respond_status(now, server, request, failed, |builder| builder);
            return;
        };
        let tag = self.server_tag(server);
        let status = if status.is_final() { status } else { failed };
        let mut builder = self.identify(request.reply(status)).to_tag(&tag);
        for (name, value) in &headers {
            if !wire::is_reserved(HeaderName::from(name)) {
                builder = builder.header(name, value);
            }
        }
        if let Some(body) = &body {
            builder = wire::response_with_body(builder, body);
        }
        match builder.build() {
            Ok(response) => {
                self.respond(now, server, &response);
            }
            Err(_) => {
                self.respond_status(now, server, request, failed, |builder| builder);
            }
        }
    }

    fn answered(&mut self, now: Instant, asked: Asked, answer: Option<QuestionAnswer>) {
        match asked.purpose {
            Purpose::Call(key) => {
                self.with_call(key, |endpoint, call| endpoint.resolved(now, call, answer));
            }
            Purpose::Caller(caller) => {
                let ha1: Option<Ha1> = match answer {
                    Some(QuestionAnswer::Ha1(ha1)) => ha1,
                    _ => None,
                };
                self.judge(now, *caller, ha1.as_ref());
            }
            Purpose::Request(server, request) => {
                self.respond_as_told(now, server, &request, answer)
            }
            Purpose::Registration(key, flow) => self.register_resolved(now, key, flow, answer),
            Purpose::Standalone(key) => self.standalone_resolved(now, key, answer),
            Purpose::Subscription(key) => self.begin_resolved(now, key, answer),
            Purpose::Answer(key) => self.answer_resolved(now, key, answer),
            Purpose::Load(registering) => self.loaded(now, *registering, answer),
            Purpose::Store(store) => {
                let (registering, change) = *store;
                self.stored(now, registering, &change, answer);
            }
        }
    }
}
