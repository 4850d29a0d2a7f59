//! Who sends.

use super::Attributes;
use std::fmt;

/// The direction of a medium, seen from the side that wrote it (RFC 8866 §6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both ways: what no attribute means.
    #[default]
    SendRecv,
    /// The writer only sends.
    SendOnly,
    /// The writer only receives.
    RecvOnly,
    /// Neither sends; RTCP goes on (RFC 3264 §5.1).
    Inactive,
}

impl Direction {
    /// All four.
    pub const ALL: [Direction; 4] = [
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ];

    /// From who sends and who receives.
    #[must_use]
    pub const fn new(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// The last direction attribute of a section, when there is one.
    #[must_use]
    pub fn of(attributes: &Attributes) -> Option<Direction> {
        attributes.iter().rev().find_map(|attribute| {
            Direction::ALL
                .into_iter()
                .find(|direction| attribute.name.eq_ignore_ascii_case(direction.name()))
        })
    }

    /// The attribute's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// Whether the side that wrote it sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the side that wrote it receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same stream seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Direction {
        Direction::new(self.receives(), self.sends())
    }

    /// What both allow, seen from the same side: an answer is `offered.reversed().and(wanted)`
    /// (RFC 3264 §6.1).
    #[must_use]
    pub const fn and(self, other: Direction) -> Direction {
        Direction::new(
            self.sends() && other.sends(),
            self.receives() && other.receives(),
        )
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{self, *};

    #[test]
    fn mirrors_and_meets() {
        for (ours, mirrored) in [
            (SendRecv, SendRecv),
            (SendOnly, RecvOnly),
            (RecvOnly, SendOnly),
            (Inactive, Inactive),
        ] {
            assert_eq!(ours.reversed(), mirrored);
            assert_eq!(ours.and(SendRecv), ours);
            assert_eq!(ours.and(Inactive), Inactive);
        }
        assert_eq!(SendOnly.and(RecvOnly), Inactive);
        assert_eq!(Direction::default(), SendRecv);
    }
}
