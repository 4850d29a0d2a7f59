//! Phones that were dialled, and what became of them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use examples::opentok::{DialOrder, Secured};
use serde::Serialize;
use serde_json::json;
use signaling::call::CallEnd;
use signaling::http::ApiError;
use signaling::net::{CallInfo, SessionId};
use signaling::session::ParticipantId;
use signaling::{CallId, DialRequest, Secure};
use sip_core::StatusCode;
use sip_core::auth::Account;
use tokio::sync::watch;

use crate::desk::{Desk, Done, unix_ms};
use crate::rooms::refused;
use crate::rules::{MOST_ENDED, MOST_REASONS};

/// How far a dial is. The order is that of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    Created,
    Ringing,
    Early,
    Answered,
    Ended,
}

/// A SIP status and the phone's own words for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SipStatus {
    pub(crate) status: u16,
    pub(crate) reason: String,
}

/// A dial as the API shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DialView {
    pub(crate) id: String,
    pub(crate) connection_id: String,
    pub(crate) stream_id: String,
    pub(crate) session_id: String,
    pub(crate) project_id: String,
    pub(crate) to: String,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
    pub(crate) status: Stage,
    /// The last word of SIP, if there was one.
    pub(crate) sip: Option<SipStatus>,
    /// Why it ended, in a sentence.
    pub(crate) reason: Option<String>,
    /// From INVITE to answer, ms.
    pub(crate) setup_ms: Option<u64>,
    /// Of the answered call, seconds.
    pub(crate) duration: Option<f64>,
}

/// A dial.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) call: CallId,
    pub(crate) place: (SessionId, ParticipantId),
    pub(crate) view: watch::Sender<DialView>,
    /// Figures of the last minutes, for the operator.
    pub(crate) history: VecDeque<crate::operator::Sample>,
}

/// Every dial that is remembered.
#[derive(Debug, Default)]
pub(crate) struct Dials {
    pub(crate) by_id: HashMap<String, Dial>,
    by_call: HashMap<CallId, String>,
    /// Those that are over, oldest first.
    ended: VecDeque<String>,
    /// The last ends, newest first.
    pub(crate) reasons: VecDeque<DialView>,
}

impl Dials {
    /// A dial by its call.
    pub(crate) fn of_call(&self, call: CallId) -> Option<&Dial> {
        self.by_id.get(self.by_call.get(&call)?)
    }

    /// The dials that are not over.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Dial> {
        self.by_call.values().filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn running_mut(&mut self) -> impl Iterator<Item = &mut Dial> {
        let running = self.by_id.values_mut();
        running.filter(|dial| dial.view.borrow().status != Stage::Ended)
    }
}

impl Desk {
    /// Dials a phone into a session. The answer changes as the call goes on.
    pub(crate) fn dial(
        &mut self,
        order: DialOrder,
        data: Option<String>,
    ) -> Done<watch::Receiver<DialView>> {
        self.accept_new()?;
        if !self.room(&order.session_id)?.routed {
            return Err(ApiError::new(
                ::http::StatusCode::CONFLICT,
                "the session is not routed: create it with p2p.preference=disabled (mediaMode \"routed\")",
            ));
        }
        let room = order.session_id.clone();
        let to = order.uri.to_string();
        let request = self.request(order, data);
        let session = self.enter_room(&room)?;
        let call = match self.gateway.dial(session, &request) {
            Ok(call) => call,
            Err(error) => {
                self.close_if_empty(&room);
                return Err(refused(error));
            }
        };
        let Some(place) = self.gateway.place_of(call) else {
            return Err(ApiError::unavailable("the call is over before it began", 5));
        };
        self.note(&room, place.0, place.1);
        let person = self.people.get(&place);
        let now = unix_ms();
        let view = DialView {
            id: self.random.uuid(),
            connection_id: person
                .map(|one| one.connection_id.clone())
                .unwrap_or_default(),
            stream_id: person.map(|one| one.stream_id.clone()).unwrap_or_default(),
            project_id: self.project_of(&room).to_owned(),
            session_id: room,
            to,
            created_at: now,
            updated_at: now,
            status: Stage::Created,
            sip: None,
            reason: None,
            setup_ms: None,
            duration: None,
        };
        let id = view.id.clone();
        let (view, watch) = watch::channel(view);
        let dial = Dial {
            call,
            place,
            view,
            history: VecDeque::new(),
        };
        self.dials.by_call.insert(call, id.clone());
        self.dials.by_id.insert(id, dial);
        self.tell_status(call);
        Ok(watch)
    }

    fn request(&self, order: DialOrder, data: Option<String>) -> DialRequest {
        let rules = &self.rules;
        let from = order.from.unwrap_or_else(|| rules.from.clone());
        let mut request = DialRequest::new(order.uri, from);
        request.headers = order.headers;
        request.account = order
            .auth
            .map(|(user, password)| Account::with_password(&user, &password));
        // The transport comes from the URI; this is about the sound.
        request.secure = match order.secure {
            Secured::No => Secure::Off,
            Secured::Yes => rules.secure,
            Secured::Sdes => Secure::Require,
            Secured::Dtls => Secure::Dtls,
        };
        if request.secure == Secure::Dtls {
            request.ice = rules.ice;
        }
        request.early_media = rules.early_media;
        request.ring_timeout = rules.ring;
        request.max_duration = rules.max_call;
        request.media_timeout = rules.idle;
        request.codecs = (!rules.codecs.is_empty()).then(|| rules.codecs.clone());
        if let Some(data) = data {
            request.data = data;
        }
        request
    }

    /// A dial as it stands.
    pub(crate) fn dial_view(&self, id: &str) -> Done<DialView> {
        let dial = self.dials.by_id.get(id);
        let dial = dial.ok_or_else(|| ApiError::not_found(format!("there is no dial {id}")))?;
        Ok(dial.view.borrow().clone())
    }

    pub(crate) fn progressed(&mut self, call: CallId, status: StatusCode, reason: &str) {
        let stage = match status {
            StatusCode::SESSION_PROGRESS => Stage::Early,
            StatusCode::RINGING => Stage::Ringing,
            _ => Stage::Created,
        };
        self.change(call, |view| {
            // A 180 after a 183 does not take the early sound back.
            view.status = view.status.max(stage);
            view.sip = Some(SipStatus {
                status: status.code(),
                reason: reason.to_owned(),
            });
        });
    }

    pub(crate) fn answered(&mut self, call: CallId, setup: Duration) {
        self.change(call, |view| {
            view.status = Stage::Answered;
            view.setup_ms = u64::try_from(setup.as_millis()).ok();
            view.sip = Some(SipStatus {
                status: 200,
                reason: "OK".into(),
            });
        });
    }

    pub(crate) fn key_pressed(&self, call: CallId, digit: char) {
        if let Some(dial) = self.dials.of_call(call) {
            let view = dial.view.borrow();
            let body = json!({
                "key": digit.to_string(),
                "call": {"id": view.id, "connectionId": view.connection_id},
            });
            self.tell("call", "key", &view.session_id, body);
        }
    }

    pub(crate) fn ended(&mut self, call: CallId, end: &CallEnd, info: &CallInfo) {
        self.change(call, |view| {
            view.status = Stage::Ended;
            view.reason = Some(end.to_string());
            view.duration = view.setup_ms.map(|_| info.duration.as_secs_f64());
            view.sip = end.cause.status.map(|status| SipStatus {
                status: status.code(),
                reason: end.cause.phrase.clone().unwrap_or_default(),
            });
        });
        let Some(id) = self.dials.by_call.remove(&call) else {
            return;
        };
        if let Some(dial) = self.dials.by_id.get(&id) {
            self.dials.reasons.push_front(dial.view.borrow().clone());
            self.dials.reasons.truncate(MOST_REASONS);
        }
        self.dials.ended.push_back(id);
        if self.dials.ended.len() > MOST_ENDED
            && let Some(oldest) = self.dials.ended.pop_front()
        {
            self.dials.by_id.remove(&oldest);
        }
    }

    fn change(&mut self, call: CallId, change: impl FnOnce(&mut DialView)) {
        let Some(dial) = self.dials.of_call(call) else {
            return;
        };
        dial.view.send_modify(|view| {
            change(view);
            view.updated_at = unix_ms();
        });
        self.tell_status(call);
    }

    fn tell_status(&self, call: CallId) {
        if let Some(dial) = self.dials.of_call(call) {
            let view = dial.view.borrow();
            self.tell("call", "status", &view.session_id, json!({"call": &*view}));
        }
    }
}
