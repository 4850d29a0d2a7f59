//! What a failed request destroys where a dialog has several usages: RFC 5057 section 5.1.
//!
//! A call and the subscriptions in its dialog share tags, sequence numbers, route set and target,
//! and nothing else: each begins and ends by itself, and the dialog lives as long as any of them.

use crate::StatusCode;

/// How far a final response to a request inside a dialog reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The request failed, nothing else did.
    Transaction,
    /// The usage that sent it is over; others in the dialog go on.
    Usage,
    /// The path or the peer is gone, and with it every usage of the dialog.
    Dialog,
}

impl Effect {
    /// The effect of a response of 300 to 699, by RFC 5057 section 5.1; a timeout counts as 408. Statuses that it does
    /// not know fail the transaction alone.
    ///
    /// Two statuses deviate: 403, which the RFC lets end the usage, fails the transaction alone, as RFC 3261 section
    /// 14.1 has it for sessions and RFC 6665 sections 4.1.2.2 and 4.2.2 for subscriptions; and 501, where the RFC leaves
    /// it open, ends the usage, as RFC 6665 says.
    pub fn of(status: StatusCode) -> Self {
        match status.code() {
            404 | 410 | 416 | 482..=485 | 502 | 604 => Self::Dialog,
            405 | 408 | 480 | 481 | 489 | 501 => Self::Usage,
            _ => Self::Transaction,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_rfc_5057_section_5_1() {
        let rows: [(&[u16], Effect); 3] = [
            (
                &[
                    300, 301, 302, 305, 380, 400, 401, 402, 403, 406, 407, 412, 413, 414, 415, 417,
                    420, 421, 422, 423, 428, 429, 436, 437, 438, 486, 487, 488, 491, 493, 494, 500,
                    503, 504, 505, 513, 580, 600, 603, 606,
                ],
                Effect::Transaction,
            ),
            (&[405, 408, 480, 481, 489, 501], Effect::Usage),
            (
                &[404, 410, 416, 482, 483, 484, 485, 502, 604],
                Effect::Dialog,
            ),
        ];
        for (codes, want) in rows {
            for code in codes {
                let status = StatusCode::new(*code).unwrap();
                assert_eq!(Effect::of(status), want, "{code}");
            }
        }
    }
}
