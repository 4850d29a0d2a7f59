//! Simulated participants: each says a noise of its own, without a pause, and hears everyone else.
//!
//! All of them talk at once, so that every one is summed, measured and has a mix of its own: more work than as many
//! people make, of whom most listen.

use std::time::Duration;

use media_mix::{Clip, Rate};
use signaling::engine::Voice;
use signaling::net::GatewayError;
use signaling::session::{Join, ParticipantId};
use token::Role;
use tokio::time::sleep;

use crate::room::Room;

/// How many are let in before anyone else has a turn.
const AT_ONCE: usize = 50;

/// Half a second of noise of its own for each number, at about -70 dBov: a thousand at once stay far under a voice.
fn noise(number: usize) -> Clip {
    let mut state = number as u64 * 2 + 1;
    let pcm: Vec<i16> = (0..Rate::Khz16.samples(500))
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as i16 % 18
        })
        .collect();
    Clip::new(Rate::Khz16, pcm)
}

/// Brings `count` of them in; gives the first of them.
///
/// # Errors
/// A line that says why they cannot come in.
pub(crate) async fn join(room: &Room, count: usize) -> Result<Vec<ParticipantId>, String> {
    let mut crowd = Vec::new();
    while crowd.len() < count {
        let (session, from) = (room.session, crowd.len());
        let to = count.min(from + AT_ONCE);
        let joined = room.desk.with(move |gateway| {
            let mut joined = Vec::new();
            for number in from..to {
                let join = Join::new(Role::Publisher).name(format!("simulated {number}"));
                match gateway.join(session, join, Voice::clip(noise(number), true)) {
                    Ok(id) => joined.push(id),
                    // The media thread takes what waits within a tick.
                    Err(GatewayError::Busy(_)) => break,
                    Err(error) => return Err(error.to_string()),
                }
            }
            Ok(joined)
        });
        let joined = joined.await??;
        if joined.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        crowd.extend(joined);
    }
    Ok(crowd)
}
