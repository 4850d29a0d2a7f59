//! What requests do to those who are in a session: keys, mutes, signals, and the door.

use examples::opentok::{MuteOrder, SignalOrder};
use signaling::CallId;
use signaling::http::ApiError;
use signaling::net::SessionId;
use signaling::session::{Origin, ParticipantId};

use crate::desk::{Desk, Done};
use crate::people::{Person, StreamView};
use crate::rooms::refused;

impl Desk {
    /// The one in a room whom `is` describes; recorders are nobody.
    fn find(
        &self,
        room: &str,
        what: &str,
        is: impl Fn(&Person) -> bool,
    ) -> Done<(SessionId, ParticipantId)> {
        let session = self.open_session(room)?;
        let mut people = self.people.iter();
        let found = people
            .find(|((of, _), one)| *of == session && one.origin != Origin::Recorder && is(one));
        let (place, _) = found.ok_or_else(|| {
            ApiError::not_found(format!("there is no such {what} in this session"))
        })?;
        Ok(*place)
    }

    fn connection(&self, room: &str, id: &str) -> Done<(SessionId, ParticipantId)> {
        self.find(room, "connection", |one| one.connection_id == id)
    }

    fn stream(&self, room: &str, id: &str) -> Done<(SessionId, ParticipantId)> {
        self.find(room, "stream", |one| one.published && one.stream_id == id)
    }

    /// Presses keys on one phone.
    pub(crate) fn press_on(&mut self, room: &str, connection: &str, digits: &str) -> Done<()> {
        let (session, id) = self.connection(room, connection)?;
        let call = self.gateway.call_of(session, id);
        let call = call.ok_or_else(|| ApiError::not_found("this connection is no phone"))?;
        self.gateway.send_dtmf(call, digits).map_err(refused)
    }

    /// Presses keys on every phone of a session that has answered.
    pub(crate) fn press_on_all(&mut self, room: &str, digits: &str) -> Done<()> {
        let session = self.open_session(room)?;
        let calls: Vec<CallId> = self
            .dials
            .running()
            .filter(|dial| dial.place.0 == session)
            .map(|dial| dial.call)
            .collect();
        let mut pressed = Err(ApiError::not_found("no phone is in this session"));
        for call in calls {
            let done = self.gateway.send_dtmf(call, digits).map_err(refused);
            // One that took them is enough.
            pressed = if pressed.is_ok() { pressed } else { done };
        }
        pressed
    }

    /// Sends somebody away.
    pub(crate) fn disconnect(&mut self, room: &str, connection: &str) -> Done<()> {
        let (session, id) = self.connection(room, connection)?;
        self.gateway.disconnect(session, id).map_err(refused)
    }

    /// The voices of a session.
    pub(crate) fn streams(&self, room: &str) -> Done<Vec<StreamView>> {
        let Some(session) = self.room(room)?.session else {
            return Ok(Vec::new());
        };
        let people = self.people.iter();
        let heard = people.filter(|((of, _), one)| *of == session && one.published);
        Ok(heard.map(|(_, one)| one.stream_view()).collect())
    }

    /// One voice of a session.
    pub(crate) fn one_stream(&self, room: &str, stream: &str) -> Done<StreamView> {
        let place = self.stream(room, stream)?;
        let person = self.people.get(&place);
        let person = person.ok_or_else(|| ApiError::not_found("there is no such stream"))?;
        Ok(person.stream_view())
    }

    /// Silences one voice.
    pub(crate) fn mute_stream(&mut self, room: &str, stream: &str) -> Done<()> {
        let (session, id) = self.stream(room, stream)?;
        self.gateway.impose_mute(session, id, true).map_err(refused)
    }

    /// Silences a session, or lifts that.
    pub(crate) fn mute_all(&mut self, room: &str, order: &MuteOrder) -> Done<()> {
        let session = self.open_session(room)?;
        let mut except = Vec::with_capacity(order.excluded.len());
        for stream in &order.excluded {
            except.push(self.stream(room, stream)?.1);
        }
        self.gateway
            .impose_mute_on_all(session, order.active, &except)
            .map_err(refused)
    }

    /// Says something to one, or to all; callbacks of the group `signal` hear of it.
    pub(crate) fn signal(
        &mut self,
        room: &str,
        connection: Option<&str>,
        order: &SignalOrder,
    ) -> Done<()> {
        let to = match connection {
            Some(connection) => Some(self.connection(room, connection)?.1),
            None => None,
        };
        let session = self.open_session(room)?;
        self.gateway
            .signal(session, None, to, &order.kind, &order.data)
            .map_err(refused)
    }
}
