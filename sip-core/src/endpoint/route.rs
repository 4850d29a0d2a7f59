//! The way of an INVITE from address to address: RFC 3263 section 4.3 (see [`crate::resolve`]).
//! Requests outside calls walk theirs in `standalone`, subscriptions in `subscription::begin`,
//! responses in `answers`.

use std::time::{Duration, Instant};

use super::call::{Call, CallState};
use super::clients::Failure;
use super::command::CommandError;
use super::event::{Question, QuestionAnswer};
use super::flow::{FlowError, Target};
use super::{EndCause, EndKind, EndedBy, Endpoint, questions};
use crate::Message;
use crate::header::RetryAfter;
use crate::resolve::{DnsQuery, Next, Resolution};

/// The longest Retry-After that is believed: a server must not talk itself away for good.
const LONGEST_AVOIDED: Duration = Duration::from_secs(3600);

impl Endpoint {
    /// Begins to look for the addresses of a new call.
    pub(crate) fn begin_way(
        &mut self,
        now: Instant,
        call: &mut Call,
        mut way: Box<Resolution>,
    ) -> Result<(), CommandError> {
        let asked = match way.next(now, &self.avoided) {
            Next::Ask(query) => self.ask_the_way(now, call, &way, query),
            // A name that is nobody's: the call has an end, as where the DNS knows nothing.
            _ => {
                let cause = EndCause::new(EndedBy::Transport, EndKind::Unresolved);
                let cause = cause.with_host(Some(call.host.clone()));
                self.end(call, cause, None);
                return Ok(());
            }
        };
        let Some(outgoing) = call.outgoing.as_deref_mut() else {
            return Ok(());
        };
        if asked.is_none() {
            // The command fails as a whole: no event for a call that never was.
            call.state = CallState::Ended;
            return Err(CommandError::Full("question table"));
        }
        call.state = CallState::Resolving;
        outgoing.question = asked;
        outgoing.way = Some(way);
        Ok(())
    }

    fn ask_the_way(
        &mut self,
        now: Instant,
        call: &Call,
        way: &Resolution,
        query: DnsQuery,
    ) -> Option<super::Key> {
        self.ask_way(now, way, query, questions::Purpose::Call(call.key?))
    }

    /// Asks what a way needs to know.
    pub(crate) fn ask_way(
        &mut self,
        now: Instant,
        way: &Resolution,
        query: DnsQuery,
        purpose: questions::Purpose,
    ) -> Option<super::Key> {
        let question = Question::Resolve {
            host: way.domain().to_owned(),
            port: way.port(),
            transport: way.transport(),
            secure: way.is_secure(),
            query,
        };
        self.ask(now, question, purpose)
    }

    /// What we asked on the way was answered, or not in time.
    pub(crate) fn resolved(
        &mut self,
        now: Instant,
        call: &mut Call,
        answer: Option<QuestionAnswer>,
    ) {
        let Some(outgoing) = call.outgoing.as_deref_mut() else {
            return;
        };
        outgoing.question = None;
        if call.state != CallState::Resolving {
            return;
        }
        if let Some(way) = outgoing.way.as_deref_mut() {
            hear(way, answer, &mut self.draw.chance);
        }
        let (last, message) = match outgoing.last.take() {
            Some(last) => *last,
            None => {
                let cause = EndCause::new(EndedBy::Transport, EndKind::Unresolved);
                (cause.with_host(Some(call.host.clone())), None)
            }
        };
        self.try_next(now, call, last, message);
    }

    /// Tries the next address, or ends the call with what the last one said.
    pub(crate) fn try_next(
        &mut self,
        now: Instant,
        call: &mut Call,
        mut last: EndCause,
        message: Option<Message>,
    ) {
        while let Some(outgoing) = call.outgoing.as_deref_mut()
            && let Some(mut way) = outgoing.way.take()
        {
            outgoing.client = None;
            let next = way.next(now, &self.avoided);
            let asked = match &next {
                Next::Ask(query) => self.ask_the_way(now, call, &way, query.clone()),
                _ => None,
            };
            let Some(outgoing) = call.outgoing.as_deref_mut() else {
                break;
            };
            match next {
                Next::Target(target) => {
                    outgoing.way = Some(way);
                    // Early dialogs and reliable responses were the last address's.
                    call.dialogs.clear();
                    if self.place_target(&target).is_ok()
                        && self.send_invite(now, call, target).is_ok()
                    {
                        return;
                    }
                    if last.kind == EndKind::Unresolved {
                        let none = Failure::Transport(FlowError::NoTransport);
                        last = none.cause(call.host.clone());
                    }
                }
                Next::Ask(_) if asked.is_some() => {
                    outgoing.question = asked;
                    outgoing.last = Some(Box::new((last, message)));
                    outgoing.way = Some(way);
                    call.state = CallState::Resolving;
                    return;
                }
                _ => break,
            }
        }
        self.end(call, last, message);
    }

    /// Notes that an address failed, so that others are tried before it for a while. One flow's
    /// failure says nothing about an address that could be opened anew.
    pub(crate) fn avoid(&mut self, now: Instant, target: &Target, span: Option<Duration>) {
        if let Target::Open {
            transport, remote, ..
        } = target
        {
            let span = span.unwrap_or(self.config.avoid_failed);
            self.avoided
                .add(now, *transport, *remote, span.min(LONGEST_AVOIDED));
        }
    }

    /// Notes what a final response says about the address that it came from.
    pub(crate) fn judge_address(&mut self, now: Instant, target: &Target, response: &Message) {
        let code = response.status().map_or(0, |status| status.code());
        if code == 503 {
            let after = response.typed::<RetryAfter<'_>>().ok();
            let span = after.map(|after| Duration::from_secs(after.seconds().into()));
            self.avoid(now, target, span);
        } else if !self.avoided.is_empty() {
            self.avoided.remove(target.transport(), target.remote());
        }
    }
}

/// Tells a way what became of its question.
pub(crate) fn hear(
    way: &mut Resolution,
    answer: Option<QuestionAnswer>,
    chance: &mut dyn FnMut(&mut [u8]),
) {
    match answer {
        Some(QuestionAnswer::Dns(answer)) => way.answer(answer, chance),
        Some(QuestionAnswer::Targets(targets)) => way.replace(targets),
        _ => way.unanswered(),
    }
}
