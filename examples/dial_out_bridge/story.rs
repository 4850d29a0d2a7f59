//! What a person or a program is told while a call goes on.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use examples::screen::Screen;
use serde::Serialize;
use signaling::capture::{Captured, Ladder, LadderLine};
use sip_core::{Message, Method};

/// SIP messages that a call's story remembers: more than a call of this program has.
const REMEMBERED: usize = 256;

/// Tells one call's story, as it happens.
#[derive(Clone)]
pub(crate) struct Story(Arc<Inner>);

struct Inner {
    screen: Arc<Screen>,
    /// Whether it is told, or only remembered: many calls at once are not told.
    told: bool,
    /// The time since the Unix epoch at which the story begins.
    start: Duration,
    ladder: Mutex<Messages>,
}

struct Messages {
    ladder: Ladder,
    /// Our addresses: where we listen, and the port that a connection to the phone began from.
    ours: Vec<SocketAddr>,
    /// Where the first message went.
    phone: Option<SocketAddr>,
    /// What went over the wire, in short: `INVITE`, `401`.
    seen: VecDeque<String>,
    /// Lines that wait for the story to be opened: what fails before there is a call is told in one line of its own.
    waiting: Option<Vec<LadderLine>>,
}

/// A SIP message, for programs.
#[derive(Serialize)]
struct Sip<'a> {
    event: &'static str,
    seconds: f64,
    from: &'a str,
    to: &'a str,
    message: &'a str,
}

/// What the story is about, for programs.
#[derive(Serialize)]
struct About<'a> {
    event: &'static str,
    what: &'static str,
    text: &'a str,
}

/// Something else that happened, for programs.
#[derive(Serialize)]
struct Note<'a> {
    event: &'static str,
    seconds: f64,
    text: &'a str,
}

impl Story {
    /// A story that begins at `start`, a time since the Unix epoch.
    pub(crate) fn new(screen: Arc<Screen>, told: bool, start: Duration) -> Self {
        let messages = Messages {
            ladder: Ladder::new(start),
            ours: Vec::new(),
            phone: None,
            seen: VecDeque::new(),
            waiting: Some(Vec::new()),
        };
        Self(Arc::new(Inner {
            screen,
            told,
            start,
            ladder: Mutex::new(messages),
        }))
    }

    /// Where it is told.
    pub(crate) fn screen(&self) -> &Arc<Screen> {
        &self.0.screen
    }

    /// Whether anyone is told.
    pub(crate) fn is_told(&self) -> bool {
        self.0.told
    }

    /// Says which address is our own; messages from there point right.
    pub(crate) fn ours(&self, address: SocketAddr) {
        let mut messages = self.messages();
        messages.ladder.name(address, "bridge");
        messages.ours = vec![address];
    }

    /// Begins to tell: headings first, then the messages that went so far.
    pub(crate) fn open(&self, heads: &[(&'static str, String)]) {
        let waiting = self.messages().waiting.take();
        if self.0.told {
            for (what, text) in heads {
                self.0.screen.say(format_args!("  {what:<9} {text}"));
                self.0.screen.object(&About {
                    event: "about",
                    what,
                    text,
                });
            }
            self.0.screen.say("");
        }
        waiting
            .into_iter()
            .flatten()
            .for_each(|line| self.tell(&line));
    }

    /// Something that happened at `now`, a time since the Unix epoch.
    pub(crate) fn note(&self, now: Duration, text: &str) {
        if self.0.told {
            let seconds = rounded(now.saturating_sub(self.0.start));
            let ink = self.0.screen.ink();
            self.0
                .screen
                .say(ink.quiet(&format!("{seconds:8.3} s  · {text}")));
            self.0.screen.object(&Note {
                event: "note",
                seconds,
                text,
            });
        }
    }

    /// A SIP message.
    pub(crate) fn message(&self, packet: &Captured<'_>) {
        let mut messages = self.messages();
        let packet = messages.by_name(packet);
        let Some(mut line) = messages.ladder.line(&packet) else {
            return;
        };
        let Some((short, detail)) = in_short(packet.bytes) else {
            return;
        };
        if messages.seen.len() == REMEMBERED {
            messages.seen.pop_front();
        }
        messages.seen.push_back(short);
        if let Some(detail) = detail {
            line.what = format!("{}  [{detail}]", line.what);
        }
        match &mut messages.waiting {
            Some(waiting) => waiting.push(line),
            None => {
                drop(messages);
                self.tell(&line);
            }
        }
    }

    fn tell(&self, line: &LadderLine) {
        if self.0.told {
            self.0.screen.say(line);
            let (from, to) = match line.rightwards {
                true => (&line.left, &line.right),
                false => (&line.right, &line.left),
            };
            let seconds = rounded(line.after);
            self.0.screen.object(&Sip {
                event: "sip",
                seconds,
                from,
                to,
                message: &line.what,
            });
        }
    }

    /// The methods and statuses that went over the wire so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.messages().seen.iter().cloned().collect()
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.0.ladder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Messages {
    /// The packet as if it went between the two addresses that have names: a call has two sides, even where a
    /// connection has ports of its own or the phone answers from elsewhere.
    fn by_name<'a>(&mut self, packet: &Captured<'a>) -> Captured<'a> {
        let phone = *self.phone.get_or_insert_with(|| {
            // The first message is our INVITE.
            self.ladder.name(packet.destination, "phone");
            if !self.ours.contains(&packet.source) {
                self.ours.push(packet.source);
            }
            packet.destination
        });
        let Some(&us) = self.ours.first() else {
            return *packet;
        };
        let to_phone = packet.destination == phone && packet.source != phone;
        let (source, destination) = match to_phone || self.ours.contains(&packet.source) {
            true => (us, phone),
            false => (phone, us),
        };
        Captured {
            source,
            destination,
            ..*packet
        }
    }
}

/// Seconds, to the millisecond.
fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// A message as `INVITE` or `401`, and what its session description says of the sound.
fn in_short(bytes: &[u8]) -> Option<(String, Option<String>)> {
    let message = Message::parse(bytes.to_vec()).ok()?;
    let message = message.as_ref();
    let short = match (message.method(), message.status()) {
        (_, Some(status)) => status.to_string(),
        (Some(method), None) => method.to_string(),
        (None, None) => return None,
    };
    let cseq = message
        .header("CSeq")
        .map(|field| field.to_str().into_owned())
        .unwrap_or_default();
    let about_invite = message.method() == Some(Method::Invite) || cseq.ends_with("INVITE");
    Some((
        short,
        if about_invite {
            media(message.body())
        } else {
            None
        },
    ))
}

/// The direction of the sound in a session description, where it is not both ways.
fn media(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let port = text
        .lines()
        .find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next())?;
    if port == "0" {
        return Some("port 0".into());
    }
    let direction = ["sendonly", "recvonly", "inactive"];
    text.lines()
        .filter_map(|line| line.strip_prefix("a="))
        .find(|attribute| direction.contains(attribute))
        .map(str::to_owned)
}
