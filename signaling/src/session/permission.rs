//! What a role may do: one table, read by every command.

use super::SessionError;
use std::fmt;
use token::Role;

/// Something that a participant's role allows or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Hear the others.
    Subscribe,
    /// Be heard by the others.
    Publish,
    /// Bring a phone into the session.
    Dial,
    /// Silence somebody else.
    ForceMute,
    /// Send somebody else away.
    ForceDisconnect,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subscribe => "hear the session",
            Self::Publish => "publish",
            Self::Dial => "dial a phone",
            Self::ForceMute => "mute somebody else",
            Self::ForceDisconnect => "disconnect somebody else",
        })
    }
}

/// Every action that `role` may take.
fn allowed(role: Role) -> &'static [Action] {
    use Action::{Dial, ForceDisconnect, ForceMute, Publish, Subscribe};
    match role {
        Role::Subscriber => &[Subscribe],
        Role::Publisher => &[Subscribe, Publish, Dial],
        Role::PublisherOnly => &[Publish],
        Role::Moderator => &[Subscribe, Publish, Dial, ForceMute, ForceDisconnect],
        // A role that a later version of `token` adds may do nothing until it has a row here.
        _ => &[],
    }
}

/// Checks that `role` allows `action`, for whoever is not in a session yet.
///
/// # Errors
/// [`SessionError::NotAllowed`].
pub fn check(role: Role, action: Action) -> Result<(), SessionError> {
    match allowed(role).contains(&action) {
        true => Ok(()),
        false => Err(SessionError::NotAllowed { role, action }),
    }
}
