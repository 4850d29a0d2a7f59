//! Sessions as the API knows them: names that last, and rooms that are open while somebody is in them.

use examples::chance::random;
use examples::opentok::{SessionName, SessionOrder};
use serde_json::json;
use signaling::engine::Voice;
use signaling::http::ApiError;
use signaling::net::{GatewayError, SessionId};
use signaling::session::{Join, Origin, SessionError, SessionOptions};
use token::Role;

use crate::builtin::talker_voice;
use crate::desk::{Desk, Done, unix_ms};
use crate::rules::MOST_SESSIONS;

/// A session.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// The name by which the project made it.
    pub(crate) project: String,
    /// Whether media passes through us.
    pub(crate) routed: bool,
    pub(crate) archive_always: bool,
    pub(crate) created_ms: u64,
    /// While somebody is in it.
    pub(crate) session: Option<SessionId>,
}

/// What a refusal of the gateway means to whoever asked.
pub(crate) fn refused(error: GatewayError) -> ApiError {
    use ::http::StatusCode;
    match error {
        GatewayError::Session(SessionError::Full(_)) => ApiError::new(StatusCode::CONFLICT, error),
        GatewayError::Session(SessionError::NoSuchParticipant(_))
        | GatewayError::NoSuchCall
        | GatewayError::NoSuchSession(_) => ApiError::not_found(error),
        GatewayError::Ports(_) | GatewayError::Busy(_) => ApiError::unavailable(error, 5),
        GatewayError::NoKeys | GatewayError::NotJoined => {
            ApiError::new(StatusCode::CONFLICT, error)
        }
        error => ApiError::bad_request(error),
    }
}

impl Desk {
    /// Makes a session that nobody is in yet.
    pub(crate) fn create_session(&mut self, order: &SessionOrder, project: &str) -> Done<String> {
        self.accept_new()?;
        if self.rooms.len() >= MOST_SESSIONS {
            self.forget_oldest()?;
        }
        let location = order.location.map(|ip| ip.to_string()).unwrap_or_default();
        let now = unix_ms();
        let name = SessionName::new(project, &location, now, random());
        let room = Room {
            project: project.to_owned(),
            routed: order.routed,
            archive_always: order.archive_always,
            created_ms: now,
            session: None,
        };
        let name = name.as_str().to_owned();
        self.rooms.insert(name.clone(), room);
        Ok(name)
    }

    /// Makes room for one more: the oldest session that nobody is in goes.
    fn forget_oldest(&mut self) -> Done<()> {
        let empty = self.rooms.iter().filter(|(_, room)| room.session.is_none());
        let oldest = empty.min_by_key(|(_, room)| room.created_ms);
        let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
            return Err(ApiError::unavailable("every session is in use", 60));
        };
        self.rooms.remove(&oldest);
        Ok(())
    }

    /// A session by the name that a request gives.
    pub(crate) fn room(&self, name: &str) -> Done<&Room> {
        let ours = SessionName::parse(name, &self.rules.api_key);
        match (&ours, &self.rules.application) {
            (Err(_), Some(application)) => SessionName::parse(name, application),
            _ => ours,
        }
        .map_err(ApiError::bad_request)?;
        let room = self.rooms.get(name);
        room.ok_or_else(|| ApiError::not_found("there is no such session"))
    }

    /// The name by which the project made a session.
    pub(crate) fn project_of(&self, room: &str) -> &str {
        let room = self.rooms.get(room);
        room.map_or(&self.rules.api_key, |room| &room.project)
    }

    /// The session behind a room that somebody is in.
    pub(crate) fn open_session(&self, name: &str) -> Done<SessionId> {
        let session = self.room(name)?.session;
        session.ok_or_else(|| ApiError::not_found("nobody is in this session"))
    }

    /// Opens a room for the first who comes.
    pub(crate) fn enter_room(&mut self, name: &str) -> Done<SessionId> {
        if let Some(session) = self.room(name)?.session {
            return Ok(session);
        }
        let session = self
            .gateway
            .open_session(name, SessionOptions::default())
            .map_err(refused)?;
        let mut archive = false;
        if let Some(room) = self.rooms.get_mut(name) {
            room.session = Some(session);
            archive = room.archive_always;
        }
        self.open.insert(session, name.to_owned());
        self.tell("session", "created", name, json!({}));
        if self.rules.talker {
            let join = Join::new(Role::Publisher)
                .name("built-in talker")
                .data("talker=true");
            self.join(name, session, join, talker_voice())?;
        }
        if archive {
            // The call goes on without a recording when there can be none; the operator sees that there is none.
            let _ = self.start_archive(name, None);
        }
        Ok(session)
    }

    /// Lets in whom the application itself speaks for.
    pub(crate) fn join(
        &mut self,
        room: &str,
        session: SessionId,
        join: Join,
        voice: Voice,
    ) -> Done<signaling::session::ParticipantId> {
        let id = self.gateway.join(session, join, voice).map_err(refused)?;
        self.note(room, session, id);
        Ok(id)
    }

    /// Closes a room that no phone is in any more.
    pub(crate) fn close_if_empty(&mut self, name: &str) {
        let phones = |room: &str| {
            let mut people = self.people.values();
            people.any(|one| one.room == room && one.origin == Origin::Phone)
        };
        if !phones(name) {
            self.close_room(name);
        }
    }

    /// Closes a room.
    pub(crate) fn close_room(&mut self, name: &str) {
        let Some(session) = self
            .rooms
            .get_mut(name)
            .and_then(|room| room.session.take())
        else {
            return;
        };
        self.stop_archives_of(name);
        self.open.remove(&session);
        // Fails when the engine takes no command, and then it closes what it can by itself.
        let _ = self.gateway.close_session(session);
        self.tell(
            "session",
            "destroyed",
            name,
            json!({"reason": "lastClientLeft"}),
        );
    }
}
