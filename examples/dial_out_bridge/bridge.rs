//! Our side of a call: a session with its talkers, a phone dialled into it, and what is kept of it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use examples::screen::Screen;
use media_mix::Rate;
use signaling::CallId;
use signaling::call::CallEnd;
use signaling::engine::Voice;
use signaling::net::{CapturedPacket, Gateway, SessionId};
use signaling::session::{Join, ParticipantId, SessionOptions};
use sip_core::Uri;
use token::Role;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::figures::Figures;
use crate::files::{Files, Sound};
use crate::line::{Line, Watcher};
use crate::setup::Setup;
use crate::story::Story;
use crate::tape::{Tape, roll};
use crate::ticket::Ticket;

/// How long a BYE or CANCEL may take to be answered.
const GOODBYE: Duration = Duration::from_secs(3);

/// A session that can dial.
pub(crate) struct Bridge {
    pub(crate) line: Line,
    pub(crate) session: SessionId,
    /// Each talker, by its name.
    pub(crate) talkers: Vec<(String, ParticipantId)>,
    /// The call, once it is dialled.
    pub(crate) call: Option<CallId>,
    story: Story,
    tasks: Vec<JoinHandle<()>>,
    files: Files,
    sounds: Vec<Tape>,
}

/// A side of a call's sound.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tapped {
    /// What comes from the phone.
    Received,
    /// What is made for it.
    Sent,
}

/// What is left of a call.
pub(crate) struct Left {
    /// How it ended, if anyone said so.
    pub(crate) end: Option<CallEnd>,
    /// The files, or why there are none.
    pub(crate) files: Result<Vec<PathBuf>, String>,
}

impl Bridge {
    /// Opens the ticket's session, with these voices in it.
    ///
    /// # Errors
    /// A line that says what failed.
    pub(crate) async fn open(
        setup: &Setup,
        ticket: &Ticket,
        bind: IpAddr,
        voices: Vec<(String, Voice)>,
        story: Story,
    ) -> Result<Self, String> {
        let files = Files::create(&setup.places)?;
        let mut gateway = setup.gateway(bind, true).await?;
        story.ours(gateway.sip_addr());
        let (session, talkers) = populate(&mut gateway, ticket, voices)?;
        let (capture, told) = (files.capture(), story.clone());
        let watcher: Watcher = Box::new(move |packet: &CapturedPacket| {
            capture.write(&packet.captured());
            if packet.is_sip {
                told.message(&packet.captured());
            }
        });
        let line = Line::start(gateway, Some(watcher));
        Ok(Self {
            line,
            session,
            talkers,
            call: None,
            story,
            tasks: Vec::new(),
            files,
            sounds: Vec::new(),
        })
    }

    /// The call's story.
    pub(crate) fn story(&self) -> &Story {
        &self.story
    }

    /// Sends the INVITE.
    ///
    /// # Errors
    /// A line that says why it was not sent.
    pub(crate) async fn dial(
        &mut self,
        setup: &Setup,
        ticket: &Ticket,
        uri: Uri,
    ) -> Result<CallId, String> {
        let (session, request) = (self.session, setup.request(uri, ticket));
        let call = self
            .line
            .with(move |gateway| gateway.dial(session, &request))
            .await?;
        let call = call.map_err(|error| error.to_string())?;
        self.call = Some(call);
        self.tasks.push(tokio::spawn(live(
            self.line.handle(),
            call,
            self.story.clone(),
        )));
        Ok(call)
    }

    /// A tape of one side of the call, kept in a file of `name`.
    ///
    /// # Errors
    /// A line that says why not.
    pub(crate) async fn tape_call(
        &mut self,
        setup: &Setup,
        call: CallId,
        side: Tapped,
        rate: Rate,
        name: &str,
    ) -> Result<Tape, String> {
        let file = self.file(setup, name, rate)?;
        let reader = self
            .line
            .with(move |gateway| match side {
                Tapped::Received => gateway.tap_received(call, rate),
                Tapped::Sent => gateway.tap_sent(call, rate),
            })
            .await?;
        Ok(self.keep(Tape::new(
            reader.map_err(|error| error.to_string())?,
            Some(file),
        )))
    }

    /// A tape of what a talker hears.
    ///
    /// # Errors
    /// A line that says why not.
    pub(crate) async fn tape_talker(
        &mut self,
        talker: ParticipantId,
        rate: Rate,
    ) -> Result<Tape, String> {
        let session = self.session;
        let reader = self
            .line
            .with(move |gateway| gateway.listen(session, talker, rate))
            .await?;
        Ok(self.keep(Tape::new(reader.map_err(|error| error.to_string())?, None)))
    }

    /// A file for a sound.
    ///
    /// # Errors
    /// A line that names it and says why it cannot be written.
    pub(crate) fn file(&mut self, setup: &Setup, name: &str, rate: Rate) -> Result<Sound, String> {
        self.files.sound(&setup.places, name, rate)
    }

    /// Lets a tape run, and keeps it to the end.
    pub(crate) fn keep(&mut self, tape: Tape) -> Tape {
        self.tasks.push(tokio::spawn(roll(tape.clone())));
        self.sounds.push(tape.clone());
        tape
    }

    /// Waits until the call is over without an answer, and says why.
    pub(crate) async fn refusal(&self) -> String {
        loop {
            let (log, over) = self
                .line
                .until(Duration::from_secs(3600), |log| log.ended.is_some())
                .await;
            if let (Some(end), true) = (log.ended, over) {
                return end.to_string();
            }
        }
    }

    /// The call's figures now.
    pub(crate) async fn figures(&self, call: CallId) -> Option<Figures> {
        let info = self
            .line
            .with(move |gateway| gateway.call(call))
            .await
            .ok()
            .flatten()?;
        Some(Figures::from(&info))
    }

    /// Hangs up (CANCEL or BYE), if nobody has, and waits for the answer.
    pub(crate) async fn hang_up(&self, call: CallId) -> Option<CallEnd> {
        // Fails when the call is over, which is what is wanted.
        let _ = self.line.with(move |gateway| gateway.hang_up(call)).await;
        self.line
            .until(GOODBYE, |log| log.ended.is_some())
            .await
            .0
            .ended
    }

    /// Closes the gateway and the files.
    pub(crate) async fn finish(self) -> Left {
        let end = self.line.log().ended;
        self.stop_tasks();
        // The last ACKs and reports belong into the capture.
        sleep(Duration::from_millis(50)).await;
        self.line.close().await;
        let sounds = self.sounds.iter().filter_map(Tape::stop).collect();
        Left {
            end,
            files: self.files.finish(sounds),
        }
    }

    /// Closes the gateway; nothing is left of its files.
    pub(crate) async fn discard(self) {
        self.stop_tasks();
        self.line.close().await;
    }

    fn stop_tasks(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.story.screen().end_live();
    }
}

/// The session and who talks in it.
fn populate(
    gateway: &mut Gateway,
    ticket: &Ticket,
    voices: Vec<(String, Voice)>,
) -> Result<(SessionId, Vec<(String, ParticipantId)>), String> {
    let session = gateway
        .open_session(&ticket.session, SessionOptions::default())
        .map_err(|error| error.to_string())?;
    let mut talkers = Vec::new();
    for (name, voice) in voices {
        let join = Join::new(Role::Publisher).name(&name);
        let id = gateway
            .join(session, join, voice)
            .map_err(|error| error.to_string())?;
        talkers.push((name, id));
    }
    Ok((session, talkers))
}

/// Shows the call until the future is dropped.
async fn live(line: crate::line::Handle, call: CallId, story: Story) {
    let screen: &Arc<Screen> = story.screen();
    if !story.is_told() || !(screen.is_json() || screen.has_live_line()) {
        return;
    }
    let dialled = Instant::now();
    let period = Duration::from_millis(if screen.is_json() { 500 } else { 100 });
    loop {
        let Ok(info) = line.with(move |gateway| gateway.call(call)).await else {
            return;
        };
        let Some(info) = info else {
            return screen.end_live();
        };
        let live = Figures::from(&info).live(dialled.elapsed());
        screen.live(&live);
        screen.object(&live);
        sleep(period).await;
    }
}

/// The wall clock, as time since the Unix epoch.
#[allow(clippy::disallowed_methods)]
pub(crate) fn wall() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
