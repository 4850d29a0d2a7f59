//! Those who are in sessions, as the API shows them.

use serde::Serialize;
use serde_json::{Value, json};
use signaling::net::SessionId;
use signaling::session::{LeaveReason, Origin, ParticipantId, SessionEvent};

use crate::desk::{Desk, unix_ms};

/// Somebody in a session.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) room: String,
    pub(crate) connection_id: String,
    pub(crate) stream_id: String,
    pub(crate) data: String,
    pub(crate) name: String,
    pub(crate) created_ms: u64,
    pub(crate) origin: Origin,
    pub(crate) published: bool,
}

/// A stream as the API lists it. Sound has no type of video.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamView {
    id: String,
    video_type: &'static str,
    name: String,
    layout_class_list: Vec<String>,
}

impl Person {
    fn connection(&self) -> Value {
        json!({"id": self.connection_id, "createdAt": self.created_ms, "data": self.data})
    }

    fn stream(&self) -> Value {
        json!({
            "id": self.stream_id, "connection": self.connection(), "createdAt": self.created_ms,
            "name": self.name, "videoType": "", "hasAudio": true, "hasVideo": false,
        })
    }

    pub(crate) fn stream_view(&self) -> StreamView {
        StreamView {
            id: self.stream_id.clone(),
            video_type: "",
            name: self.name.clone(),
            layout_class_list: Vec::new(),
        }
    }
}

impl Desk {
    /// Notes who has joined, before the session tells of it.
    pub(crate) fn note(&mut self, room: &str, session: SessionId, id: ParticipantId) {
        let Ok(open) = self.gateway.session(session) else {
            return;
        };
        // Gone again already: then nobody hears of it.
        if let Ok(participant) = open.participant(id) {
            let person = Person {
                room: room.to_owned(),
                connection_id: participant.connection_id().to_owned(),
                stream_id: participant.stream_id().to_owned(),
                data: participant.data().to_owned(),
                name: participant.name().to_owned(),
                created_ms: unix_ms(),
                origin: participant.origin(),
                published: false,
            };
            self.people.insert((session, id), person);
        }
    }

    pub(crate) fn session_changed(&mut self, session: SessionId, event: SessionEvent) {
        let place = |id| (session, id);
        match event {
            SessionEvent::Joined(id) => self.tell_of(place(id), "connection", "created", None),
            SessionEvent::Published(id) => {
                if let Some(person) = self.people.get_mut(&place(id)) {
                    person.published = true;
                }
                self.tell_of(place(id), "stream", "created", None);
            }
            SessionEvent::Unpublished(id) => {
                // The reason comes with what follows: nobody stops publishing here and stays.
                self.tell_of(place(id), "stream", "destroyed", Some("clientDisconnected"));
            }
            SessionEvent::Left {
                participant,
                reason,
            } => {
                let reason = match reason {
                    LeaveReason::ForceDisconnected => "forceDisconnected",
                    LeaveReason::Lost => "networkDisconnected",
                    _ => "clientDisconnected",
                };
                self.tell_of(place(participant), "connection", "destroyed", Some(reason));
                if let Some(person) = self.people.remove(&place(participant)) {
                    self.close_if_empty(&person.room);
                }
            }
            SessionEvent::Signalled(signal) => {
                let to = signal.to.and_then(|id| self.people.get(&place(id)));
                let to = to.map(|person| person.connection_id.clone());
                let room = self.open.get(&session).cloned().unwrap_or_default();
                let body = json!({"type": signal.kind, "data": signal.text, "to": to});
                self.tell("signal", "sent", &room, json!({"signal": body}));
            }
            _ => {}
        }
    }

    /// Tells of somebody's connection or stream. Recorders are nobody.
    fn tell_of(
        &self,
        place: (SessionId, ParticipantId),
        group: &'static str,
        event: &'static str,
        reason: Option<&str>,
    ) {
        let Some(person) = self.people.get(&place) else {
            return;
        };
        if person.origin == Origin::Recorder {
            return;
        }
        let mut body = match group {
            "stream" => json!({"stream": person.stream()}),
            _ => json!({"connection": person.connection()}),
        };
        if let Some(reason) = reason {
            body["reason"] = reason.into();
        }
        self.tell(group, event, &person.room, body);
    }
}
