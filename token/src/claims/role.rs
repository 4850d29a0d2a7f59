//! Roles in a session.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What its holder may do in a session. The words on the wire are those of the OpenTok family.
///
/// The order is that of what is allowed, but for `PublisherOnly`, which may send and not receive; use a table of what
/// each may do rather than `<`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Receives.
    Subscriber,
    /// Sends and receives.
    #[default]
    Publisher,
    /// Sends.
    PublisherOnly,
    /// Sends, receives, mutes and disconnects others.
    Moderator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [
        Self::Subscriber,
        Self::Publisher,
        Self::PublisherOnly,
        Self::Moderator,
    ];

    /// The word on the wire: `publisheronly`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subscriber => "subscriber",
            Self::Publisher => "publisher",
            Self::PublisherOnly => "publisheronly",
            Self::Moderator => "moderator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The word is no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of subscriber, publisher, publisheronly and moderator")]
pub struct ParseRoleError;

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(name: &str) -> Result<Self, ParseRoleError> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or(ParseRoleError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_json_and_parsing_agree() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!("Publisher".parse::<Role>(), Err(ParseRoleError));
    }
}
