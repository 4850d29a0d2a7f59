//! Who called in, who was let in, and who was turned away.

use std::sync::Arc;

use examples::screen::Screen;
use serde::Serialize;
use signaling::CallId;
use signaling::net::{Event, Gateway, SessionId};
use signaling::session::{Join, ParticipantId};
use sip_core::Message;
use token::Role;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::door::Door;

/// How much of a caller's name is shown.
const NAME: usize = 60;

/// A phone in the room.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    pub(crate) call: CallId,
    pub(crate) participant: ParticipantId,
    pub(crate) name: String,
    /// The codec, once the call is up.
    pub(crate) codec: Option<String>,
}

/// Everyone who called so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guests {
    pub(crate) inside: Vec<Guest>,
    /// How many were let in, and how many of them have left.
    pub(crate) came: usize,
    pub(crate) left: usize,
    /// How many were turned away after the password was right.
    pub(crate) refused: usize,
}

#[derive(Serialize)]
struct Note<'a> {
    event: &'static str,
    seconds: f64,
    text: &'a str,
}

/// Stands at the door and keeps the list.
pub(crate) struct Host {
    pub(crate) door: Option<Door>,
    pub(crate) session: SessionId,
    pub(crate) guests: watch::Sender<Guests>,
    pub(crate) story: Story,
}

/// Says what happens, and when.
#[derive(Clone)]
pub(crate) struct Story {
    screen: Arc<Screen>,
    start: Instant,
}

impl Story {
    pub(crate) fn new(screen: Arc<Screen>) -> Self {
        Self {
            screen,
            start: Instant::now(),
        }
    }

    /// Since the room was opened, seconds.
    pub(crate) fn seconds(&self) -> f64 {
        (self.start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
    }

    pub(crate) fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Something that happened now.
    pub(crate) fn note(&self, text: &str) {
        let seconds = self.seconds();
        self.screen.say(format_args!("  {seconds:7.3} s  · {text}"));
        self.screen.object(&Note {
            event: "note",
            seconds,
            text,
        });
    }
}

impl Host {
    /// Deals with one event.
    pub(crate) fn deal(&self, gateway: &mut Gateway, event: Event) {
        match event {
            Event::Incoming {
                call,
                user,
                request,
                ..
            } => self.receive(gateway, call, user, &request),
            Event::Answered { call, .. } => {
                let codec = gateway.call(call).map(|info| info.codec);
                self.guests.send_modify(|guests| {
                    if let Some(guest) = guests.inside.iter_mut().find(|guest| guest.call == call) {
                        guest.codec.clone_from(&codec);
                    }
                });
            }
            Event::MediaFailed { call, error } => {
                self.story
                    .note(&format!("a phone cannot be heard: {error}"));
                let _ = gateway.hang_up(call);
            }
            Event::Ended { call, end, .. } => {
                let mut gone = None;
                self.guests.send_modify(|guests| {
                    if let Some(at) = guests.inside.iter().position(|guest| guest.call == call) {
                        gone = Some(guests.inside.swap_remove(at));
                        guests.left += 1;
                    }
                });
                if let Some(guest) = gone {
                    self.story.note(&format!("{} leaves: {end}", guest.name));
                }
            }
            _ => {}
        }
    }

    fn receive(&self, gateway: &mut Gateway, call: CallId, user: Option<String>, invite: &Message) {
        let name = shown(invite);
        let inside = self.guests.borrow().inside.len();
        let verdict = match &self.door {
            Some(door) => door.judge(invite, inside),
            None => Err((sip_core::StatusCode::FORBIDDEN, "Nobody May Call")),
        };
        if let Err((status, phrase)) = verdict {
            self.guests.send_modify(|guests| guests.refused += 1);
            self.story
                .note(&format!("{name} is turned away: {status} {phrase}"));
            // Fails when the caller has hung up meanwhile.
            let _ = gateway.reject(call, status, Some(phrase));
            return;
        }
        let join = Join::new(Role::Publisher).name(&name);
        match gateway.answer(call, self.session, join) {
            Ok(participant) => {
                let proof = user.map_or(String::new(), |user| format!(", proved to be {user:?}"));
                self.story.note(&format!("{name} comes in{proof}"));
                self.guests.send_modify(|guests| {
                    guests.came += 1;
                    guests.inside.push(Guest {
                        call,
                        participant,
                        name,
                        codec: None,
                    });
                });
            }
            Err(error) => {
                self.story.note(&format!("{name} cannot come in: {error}"));
                let _ = gateway.reject(call, sip_core::StatusCode::SERVICE_UNAVAILABLE, None);
            }
        }
    }
}

/// Who calls, as it says, without what would move a cursor.
fn shown(invite: &Message) -> String {
    let from = invite.as_ref().header("From");
    let text = from.map_or(String::new(), |from| from.to_str().into_owned());
    let text = text.split(";tag=").next().unwrap_or_default();
    text.chars()
        .filter(|c| !c.is_control())
        .take(NAME)
        .collect()
}
