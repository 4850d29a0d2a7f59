//! What the network and the other phones have to say.

use serde_json::json;
use signaling::CallId;
use signaling::call::{CallEnd, Side, Transfer, TransferRequest};
use signaling::net::{CallInfo, Event};
use sip_core::header::{self, NameAddr};
use sip_core::{EndKind, Event as Sip, Message, Question, QuestionAnswer, QuestionId, StatusCode};

use crate::phone::{Phone, now};

/// Calls that a phone can be in at once; more are told that it is busy.
const MOST_CALLS: usize = 8;

impl Phone {
    /// One event.
    pub(crate) fn handle(&mut self, event: Event) {
        match event {
            Event::Incoming {
                call,
                replaces,
                request,
                ..
            } => self.incoming(call, replaces, &request),
            Event::Progress {
                call,
                status,
                reason,
            } => self.tell_call(
                call,
                &format!("{} {reason}", status.code()),
                json!({"event": "progress", "status": status.code(), "reason": reason}),
            ),
            Event::FellBack { call, status, .. } => self.tell_call(
                call,
                &format!(
                    "that encryption is refused: {}; offering less",
                    status.code()
                ),
                json!({"event": "fell_back", "status": status.code()}),
            ),
            Event::Answered { call, setup } => self.answered(call, setup.as_secs_f64()),
            Event::Held { call, by } => self.tell_call(
                call,
                &format!("held by {}", name(by)),
                json!({"event": "held", "by": name(by)}),
            ),
            Event::Resumed { call, by } => self.tell_call(
                call,
                &format!("resumed by {}", name(by)),
                json!({"event": "resumed", "by": name(by)}),
            ),
            Event::ChangeRefused {
                call,
                status,
                reason,
            } => self.tell_call(
                call,
                &format!("the other side refuses: {} {reason}", status.code()),
                json!({"event": "refused", "status": status.code(), "reason": reason}),
            ),
            Event::Key { call, digit, .. } => self.tell_call(
                call,
                &format!("key {digit}"),
                json!({"event": "key", "key": digit.to_string()}),
            ),
            Event::KeysRefused { call, status } => self.tell_call(
                call,
                &format!("keys refused: {}", status.code()),
                json!({"event": "keys_refused", "status": status.code()}),
            ),
            Event::Transfer { call, step } => self.transfer_told(call, &step),
            Event::TransferAsked { call, transfer } => self.referred(call, &transfer),
            Event::MediaFailed { call, error } => self.tell_call(
                call,
                &format!("no sound: {error}"),
                json!({"event": "error", "text": error.to_string()}),
            ),
            Event::Ended { call, end, info } => self.ended(call, &end, &info),
            Event::Sip(event) => self.outside_calls(*event),
            _ => {}
        }
        if self.panel.is_live() {
            self.draw();
        }
    }

    fn tell_call(&mut self, call: CallId, line: &str, mut object: serde_json::Value) {
        let found = self.lines.iter().find(|known| known.call == call);
        let Some(number) = found.map(|line| line.number) else {
            return;
        };
        object["call"] = number.into();
        self.panel.tell(&format!("#{number} {line}"), &object);
    }

    fn incoming(&mut self, call: CallId, replaces: Option<CallId>, request: &Message) {
        let (with, name) = caller(request);
        if self.lines.len() >= MOST_CALLS {
            // Over already, if this fails.
            let _ = self.gateway.reject(call, StatusCode::BUSY_HERE, None);
            return;
        }
        let number = self.ringing(call, with.clone());
        let place = replaces.and_then(|old| {
            let line = self.lines.iter().find(|line| line.call == old)?;
            Some(line.number)
        });
        let shown = match &name {
            Some(name) => format!("{name} ({with})"),
            None => with.clone(),
        };
        let in_place = place.map_or(String::new(), |place| format!(" in place of #{place}"));
        self.panel.tell(
            &format!("#{number} {shown} calls{in_place}"),
            &json!({"event": "incoming", "call": number, "from": with, "name": name, "replaces": place}),
        );
        // Whoever takes the place of somebody we talk to need not ring (RFC 3891 section 3).
        if self.auto_answer || place.is_some() {
            if let Err(why) = self.answer(Some(number)) {
                self.complain(&why);
            }
        } else {
            // Over already, if this fails.
            let _ = self.gateway.ring(call);
        }
    }

    fn answered(&mut self, call: CallId, setup: f64) {
        let Some(line) = self.lines.iter_mut().find(|line| line.call == call) else {
            return;
        };
        line.answered = true;
        let wants = line.sound.as_ref().and_then(|sound| sound.wants());
        let mut failed = None;
        if let (Some(rate), Some(sound)) = (wants, &mut line.sound) {
            let heard = self.gateway.tap_received(call, rate);
            failed = match heard {
                Ok(ear) => sound.hear(ear).err(),
                Err(error) => Some(error.to_string()),
            };
        }
        let codec = self.gateway.call(call).map(|info| info.codec);
        let codec = codec.unwrap_or_default();
        self.tell_call(
            call,
            &format!("up after {setup:.1} s, {codec}"),
            json!({"event": "answered", "setup": (setup * 1000.0).round() / 1000.0, "codec": codec}),
        );
        if let Some(why) = failed {
            self.complain(&why);
        }
    }

    fn ended(&mut self, call: CallId, end: &CallEnd, info: &CallInfo) {
        let Some(index) = self.lines.iter().position(|line| line.call == call) else {
            return;
        };
        let line = self.lines.remove(index);
        if let Some(session) = line.session {
            // Closed already, if this fails.
            let _ = self.gateway.close_session(session);
        }
        let mut object = line.object(info);
        object["event"] = "ended".into();
        object["cause"] = end.to_string().into();
        object["status"] = end.cause.status.map(|status| status.code()).into();
        object["replaced"] = matches!(end.cause.kind, EndKind::Replaced { .. }).into();
        let file = line.sound.and_then(|sound| sound.finish());
        object["recording"] = json!(file);
        let kept = file.map_or(String::new(), |file| format!("; {}", file.display()));
        let seconds = info.duration.as_secs_f64();
        self.panel.tell(
            &format!("#{} over after {seconds:.1} s: {end}{kept}", line.number),
            &object,
        );
    }

    /// Registrations, messages.
    fn outside_calls(&mut self, event: Sip) {
        match event {
            Sip::Registration { state, .. } => self.registered(&state),
            Sip::Ask {
                id,
                question: Question::Request { request, .. },
                ..
            } => self.read(id, &request),
            Sip::Replied { request, result } => {
                if let Some(to) = self.written.remove(&request) {
                    let status = result.as_ref().ok().and_then(|message| message.status());
                    let why = match &result {
                        Ok(_) => status.map(|s| s.to_string()).unwrap_or_default(),
                        Err(cause) => cause.to_string(),
                    };
                    self.panel.tell(
                        &format!("message to {to}: {why}"),
                        &json!({"event": "message_sent", "to": to, "status": status.map(|s| s.code()), "text": why}),
                    );
                }
            }
            _ => {}
        }
    }

    /// The other side wants us to call somebody else.
    fn referred(&mut self, call: CallId, transfer: &TransferRequest) {
        let dialled = match transfer.dial(self.identity.me.clone()) {
            Ok(request) => {
                let to = request.uri.as_str().to_owned();
                self.tell_call(
                    call,
                    &format!("sends us to {to}"),
                    json!({"event": "referred", "to": to}),
                );
                self.dial(now(), request).map(|_| ())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = dialled {
            self.complain(&why);
            // Gone: whoever asked has hung up.
            let _ = self
                .gateway
                .refuse_transfer(transfer, StatusCode::BAD_REQUEST);
        }
    }

    /// What became of a transfer of ours.
    fn transfer_told(&mut self, call: CallId, step: &Transfer) {
        let (status, reason) = match step {
            Transfer::Progress { status, reason } | Transfer::Failed { status, reason } => {
                (*status, reason.as_str())
            }
            _ => (StatusCode::OK, StatusCode::OK.reason()),
        };
        let found = self.lines.iter().find(|line| line.call == call);
        let to = found.and_then(|line| line.transferring.clone());
        let to = to.unwrap_or_default();
        self.tell_call(
            call,
            &format!("transfer to {to}: {} {reason}", status.code()),
            json!({"event": "transfer", "to": to, "status": status.code(), "reason": reason}),
        );
    }

    /// Somebody writes.
    fn read(&mut self, id: QuestionId, request: &Message) {
        let (from, _) = caller(request);
        let words = String::from_utf8_lossy(request.body()).into_owned();
        // What a stranger writes may hold what a terminal obeys.
        let words: String = words.chars().filter(|c| !c.is_control()).collect();
        self.panel.tell(
            &format!("{from} writes: {words}"),
            &json!({"event": "message", "from": from, "text": words}),
        );
        let answer = QuestionAnswer::Respond {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: None,
        };
        // Too late, if this fails: the sender has its default answer.
        let _ = self
            .gateway
            .driver()
            .endpoint()
            .answer_question(now(), id, answer);
    }
}

/// Who sends a request: its address, and the name that it gives itself.
fn caller(request: &Message) -> (String, Option<String>) {
    let from = request.typed::<header::From<'_>>().ok();
    let Some(from) = from.map(|from| from.to_name_addr()) else {
        return (String::new(), None);
    };
    let name = from.as_ref().display_name().map(|name| name.into_owned());
    let shown = name.filter(|name| !name.is_empty() && !name.contains(char::is_control));
    (address(&from), shown)
}

fn address(of: &NameAddr) -> String {
    of.uri()
        .map(|uri| uri.as_str().to_owned())
        .unwrap_or_default()
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Us => "us",
        Side::Peer => "the other side",
    }
}
