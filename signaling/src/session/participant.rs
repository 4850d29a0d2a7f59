//! One who is in a session: its role, what others see of it, and whether it is heard.

use std::fmt;
use std::time::Instant;
use token::Role;

/// Names a participant within its session; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantId(pub(super) u64);

impl fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a participant comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Origin {
    /// The application feeds and hears it.
    #[default]
    Application,
    /// A phone call.
    Phone,
    /// A recorder: it hears everybody and is nobody.
    Recorder,
}

/// How someone joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    pub(super) role: Role,
    pub(super) data: String,
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) connection_id: String,
    pub(super) stream_id: String,
}

impl Join {
    /// Joins with `role`, no data, no name, from the application.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            data: String::new(),
            name: String::new(),
            origin: Origin::Application,
            connection_id: String::new(),
            stream_id: String::new(),
        }
    }

    /// Text that everyone in the session may read, such as `sip=true`.
    pub fn data(mut self, data: impl Into<String>) -> Self {
        self.data = data.into();
        self
    }

    /// What to call the participant.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Where it comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// What the outside calls its connection and its voice. They should be random: who knows them can name the
    /// participant in requests. A gateway draws them for whoever has none.
    pub fn ids(mut self, connection: impl Into<String>, stream: impl Into<String>) -> Self {
        self.connection_id = connection.into();
        self.stream_id = stream.into();
        self
    }

    /// Draws the ids that are not set.
    #[cfg(feature = "net")]
    pub(crate) fn drawn(mut self, random: &crate::Random) -> Self {
        for id in [&mut self.connection_id, &mut self.stream_id] {
            if id.is_empty() {
                *id = random.uuid();
            }
        }
        self
    }
}

/// One who is in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    id: ParticipantId,
    join: Join,
    joined: Instant,
    pub(super) published: bool,
    pub(super) muted: bool,
    pub(super) force_muted: bool,
}

impl Participant {
    pub(super) fn new(id: ParticipantId, join: Join, joined: Instant) -> Self {
        Self {
            id,
            join,
            joined,
            published: false,
            muted: false,
            force_muted: false,
        }
    }

    /// Its name in the session's commands and events.
    pub fn id(&self) -> ParticipantId {
        self.id
    }

    /// What it may do.
    pub fn role(&self) -> Role {
        self.join.role
    }

    /// Text that everyone in the session may read.
    pub fn data(&self) -> &str {
        &self.join.data
    }

    /// What to call it; may be empty.
    pub fn name(&self) -> &str {
        &self.join.name
    }

    /// Where it comes from.
    pub fn origin(&self) -> Origin {
        self.join.origin
    }

    /// What the outside calls its connection; empty where nobody gave it a name.
    pub fn connection_id(&self) -> &str {
        &self.join.connection_id
    }

    /// What the outside calls its voice; empty where nobody gave it a name.
    pub fn stream_id(&self) -> &str {
        &self.join.stream_id
    }

    /// When it joined.
    pub fn joined(&self) -> Instant {
        self.joined
    }

    /// Whether it was silenced by others, so that it cannot undo it.
    pub fn is_force_muted(&self) -> bool {
        self.force_muted
    }

    /// Whether it has a voice in the session.
    pub fn is_published(&self) -> bool {
        self.published
    }

    /// Whether its voice is silenced, by itself or by a moderator.
    pub fn is_muted(&self) -> bool {
        self.muted || self.force_muted
    }
}
