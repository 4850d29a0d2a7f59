//! Questions and their answers.

use std::time::Instant;

use super::deadlines::Waiter;
use super::event::{Event, Question, QuestionAnswer, QuestionId};
use super::flow::Flow;
use super::table::Key;
use super::{Endpoint, Gone};
use crate::Message;
use crate::auth::Ha1;
use crate::header::digest::Credentials;
use crate::transaction::after;

/// What the answer is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// The addresses for a call's INVITE.
    Call(Key),
    /// The HA1 for a caller's credentials.
    Caller(Box<Caller>),
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

    fn answered(&mut self, now: Instant, asked: Asked, answer: Option<QuestionAnswer>) {
        match asked.purpose {
            Purpose::Call(key) => {
                let targets = match answer {
                    Some(QuestionAnswer::Targets(targets)) => targets,
                    _ => Vec::new(),
                };
                self.with_call(key, |endpoint, call| endpoint.resolved(now, call, targets));
            }
            Purpose::Caller(caller) => {
                let ha1: Option<Ha1> = match answer {
                    Some(QuestionAnswer::Ha1(ha1)) => ha1,
                    _ => None,
                };
                self.judge(now, *caller, ha1.as_ref());
            }
        }
    }
}
