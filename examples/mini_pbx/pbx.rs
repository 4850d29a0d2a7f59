//! The loop: what the network says goes to whom it concerns.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant, SystemTime};

use examples::interrupt::Interrupt;
use serde_json::json;
use sip_core::net::Driver;
use sip_core::{CallId, Drain, Epoch, Event, Question, QuestionId, RequestId, SubscriptionId};

use crate::bindings::Known;
use crate::commands::{Command, Commands};
use crate::places::Places;
use crate::relay::Relays;
use crate::story::Story;
use crate::switch::Switched;
use crate::transfer::Transfer;

/// How long phones may take to confirm that a call is over.
const GOODBYE: Duration = Duration::from_secs(3);

/// When commands are given again for which there was no room.
const AGAIN: Duration = Duration::from_millis(20);

/// The switchboard.
pub(crate) struct Pbx {
    pub(crate) driver: Driver,
    pub(crate) users: BTreeSet<String>,
    pub(crate) groups: BTreeMap<String, Vec<String>>,
    pub(crate) places: Places,
    /// How long a phone rings.
    pub(crate) ring: Duration,
    pub(crate) story: Story,
    pub(crate) known: Known,
    /// Conversations by number.
    pub(crate) calls: BTreeMap<u64, Switched>,
    /// Which conversation a leg belongs to.
    pub(crate) legs: HashMap<CallId, u64>,
    pub(crate) next: u64,
    /// What became of a REFER that we passed on is told to whom it came from.
    pub(crate) transfers: HashMap<SubscriptionId, Transfer>,
    /// MESSAGEs on their way, and whose they are.
    pub(crate) messages: HashMap<RequestId, QuestionId>,
    /// What carries sound and video, with `--relay`.
    pub(crate) relays: Option<Relays>,
    epoch: Epoch,
}

impl Pbx {
    pub(crate) fn new(
        driver: Driver,
        users: BTreeSet<String>,
        groups: BTreeMap<String, Vec<String>>,
        places: Places,
        ring: Duration,
        story: Story,
        relays: Option<Relays>,
    ) -> Self {
        Self {
            driver,
            users,
            groups,
            places,
            ring,
            story,
            known: Known::default(),
            calls: BTreeMap::new(),
            legs: HashMap::new(),
            next: 1,
            transfers: HashMap::new(),
            messages: HashMap::new(),
            relays,
            epoch: epoch(),
        }
    }

    /// The wall clock, for what is left of bindings.
    pub(crate) fn wall(&self, now: Instant) -> SystemTime {
        self.epoch.wall_at(now)
    }

    /// Serves until somebody wants it to end, then lets calls go on for `drain`, and ends them.
    pub(crate) async fn run(mut self, interrupt: &Interrupt, drain: Duration) {
        let mut commands = Commands::listen();
        loop {
            tokio::select! {
                event = self.driver.next_event() => self.handle(event),
                command = commands.next() => match command {
                    Command::Who => self.show_who(now()),
                    Command::Calls => self.show_calls(now()),
                    Command::Quit => break,
                    Command::Unknown(line) => self.story.tell(
                        &format!("{line:?} is no command; who, calls or quit"),
                        &json!({"event": "error", "text": format!("no command: {line}")}),
                    ),
                },
                () = interrupt.wait() => break,
                () = tokio::time::sleep(AGAIN), if self.calls.values().any(Switched::waits) => {
                    self.try_again();
                }
            }
        }
        let left = self.calls.len();
        self.story.tell(
            &format!("no new calls; {left} still up"),
            &json!({"event": "draining", "calls": left}),
        );
        self.driver.endpoint().drain(now(), Drain::new(drain));
        self.serve_until_drained(drain + GOODBYE).await;
        self.driver.flush();
        self.story.tell("closed", &json!({"event": "closed"}));
    }

    async fn serve_until_drained(&mut self, patience: Duration) {
        let end = tokio::time::Instant::now() + patience;
        loop {
            tokio::select! {
                event = self.driver.next_event() => match event {
                    Event::Drained => return,
                    event => self.handle(event),
                },
                () = tokio::time::sleep(AGAIN), if self.calls.values().any(Switched::waits) => {
                    self.try_again();
                }
                () = tokio::time::sleep_until(end) => return,
            }
        }
    }

    fn try_again(&mut self) {
        let now = now();
        for call in self.calls.values_mut() {
            call.try_again(now, self.driver.endpoint());
        }
    }

    fn handle(&mut self, event: Event) {
        let now = now();
        match event {
            Event::Binding { aor, event } => self.bound(now, &aor, &event),
            Event::Incoming { .. } => self.incoming(now, event),
            Event::Ask {
                id,
                question:
                    Question::Request {
                        call: None,
                        request,
                    },
                ..
            } => self.message(now, id, &request),
            Event::Replied { request, result } => self.replied(now, request, result.as_ref().ok()),
            Event::ReferRequested {
                subscription,
                call,
                request,
                ..
            } => self.refer(now, subscription, call, &request),
            Event::Notified {
                subscription, body, ..
            } => self.notified(now, subscription, body),
            Event::SubscriptionEnded {
                subscription, end, ..
            } => self.transfer_over(now, subscription, &end),
            event => self.inside(now, event),
        }
    }
}

/// The application's clock.
#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods)]
fn epoch() -> Epoch {
    Epoch {
        instant: Instant::now(),
        wall: SystemTime::now(),
    }
}
