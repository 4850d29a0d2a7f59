//! The one answer to a caller whose plan nobody answered: RFC 3261 section 16.7, step 6.

use crate::{EndCause, EndKind, StatusCode};

/// Picks the better of two answers.
pub(super) fn better(a: EndCause, b: EndCause) -> EndCause {
    match rank(status(&b)) < rank(status(&a)) {
        true => b,
        false => a,
    }
}

/// Whether nobody else need be asked: 6xx says so for the person, not the phone.
pub(super) fn is_global(cause: &EndCause) -> bool {
    cause.status.is_some_and(|status| status.code() >= 600)
}

/// The status that the caller gets.
pub(super) fn status(cause: &EndCause) -> StatusCode {
    match (&cause.kind, cause.status.map_or(0, StatusCode::code)) {
        // The other side's challenge is for us, and we have failed it.
        (EndKind::AuthFailed { .. }, _) | (_, 401 | 407) => StatusCode::BAD_GATEWAY,
        // Where it went is the application's to follow.
        (_, 300..=399) => StatusCode::TEMPORARILY_UNAVAILABLE,
        // Ours was full or gone, which says nothing about us.
        (_, 503) => StatusCode::SERVER_INTERNAL_ERROR,
        // What we took back ourselves.
        (EndKind::Cancelled, _) | (_, 487) => StatusCode::TEMPORARILY_UNAVAILABLE,
        (_, code) if code >= 400 => cause.status.unwrap_or(StatusCode::BAD_GATEWAY),
        (EndKind::RingTimeout, _) => StatusCode::TEMPORARILY_UNAVAILABLE,
        (EndKind::TimedOut(_), _) => StatusCode::REQUEST_TIMEOUT,
        (EndKind::Unresolved, _) => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVER_INTERNAL_ERROR,
    }
}

/// Lower is better: 6xx; then 4xx, first those that tell the caller what to change, then what
/// tells of the person, then silence; then 5xx.
fn rank(status: StatusCode) -> u8 {
    match status.code() {
        600.. => 0,
        415 | 420 | 484 | 488 => 1,
        486 => 2,
        408 | 480 => 4,
        400..=499 => 3,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EndedBy;

    #[test]
    fn the_best_answer_row_by_row() {
        let of = |code: u16| {
            let status = StatusCode::new(code).unwrap();
            EndCause::new(EndedBy::Remote, EndKind::Rejected).with_status(status, "")
        };
        for (first, second, want) in [
            (486, 603, 603),
            (404, 486, 486),
            (480, 404, 404),
            (500, 480, 480),
            (503, 500, 500),
            (486, 488, 488),
            (302, 500, 480),
            (407, 408, 408),
        ] {
            for (a, b) in [(first, second), (second, first)] {
                assert_eq!(status(&better(of(a), of(b))).code(), want, "{a} and {b}");
            }
        }
        assert!(is_global(&of(603)) && !is_global(&of(486)));
        let silent = EndCause::new(EndedBy::Timer, EndKind::RingTimeout);
        assert_eq!(status(&silent).code(), 480);
    }
}
