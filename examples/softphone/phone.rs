//! The phone: its loop, and what its commands do.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use examples::args::Keys;
use examples::chance::chance;
use examples::interrupt::Interrupt;
use examples::tls;
use serde_json::{Value, json};
use signaling::net::{Gateway, GatewayConfig, GatewayError};
use signaling::session::{Join, SessionOptions};
use signaling::{CallId, DialRequest, Ice, Secure};
use sip_core::{
    Body, Method, Outside, Referrals, RegistrationId, RequestId, StatusCode, Uninvited,
};
use token::Role;

use crate::args::{Cli, Identity};
use crate::command::{Command, HELP, Typed};
use crate::line::Line;
use crate::panel::Panel;
use crate::sound::Sounds;

/// How often sound is passed on and the live lines are drawn.
const BEAT: Duration = Duration::from_millis(20);
const DRAWN_EVERY: u32 = 10;

/// How long the others may take to confirm that we leave.
const GOODBYE: Duration = Duration::from_secs(3);

/// A phone.
pub(crate) struct Phone {
    pub(crate) gateway: Gateway,
    pub(crate) identity: Identity,
    pub(crate) panel: Panel,
    pub(crate) registration: Option<RegistrationId>,
    pub(crate) is_registered: bool,
    pub(crate) lines: Vec<Line>,
    pub(crate) sounds: Sounds,
    pub(crate) auto_answer: bool,
    secure: Secure,
    ice: Ice,
    codecs: Option<Vec<String>>,
    next: u32,
    /// MESSAGEs that are out.
    pub(crate) written: HashMap<RequestId, String>,
}

impl Phone {
    /// Opens sockets and files.
    ///
    /// # Errors
    /// A line that says what cannot be.
    pub(crate) async fn open(cli: &Cli) -> Result<Self, String> {
        let identity = Identity::new(cli)?;
        let sounds = Sounds::new(
            cli.play.as_deref(),
            cli.hold_music.as_deref(),
            cli.echo,
            cli.record.as_deref(),
        )?;
        let secure = cli.secure.map_or(Secure::Off, Keys::secure);
        let ice = match (cli.ice, secure) {
            (false, _) => Ice::Off,
            (true, Secure::Dtls) => Ice::Require,
            (true, _) => return Err("--ice goes with --secure=dtls".into()),
        };
        let names: Vec<String> = cli
            .codec
            .iter()
            .map(|codec| codec.name().to_owned())
            .collect();
        let mut config = GatewayConfig::new(identity.bind, chance());
        config.uninvited = Uninvited::Accept;
        config.user_agent = Some("Patchcord softphone".to_owned());
        config.endpoint.methods = vec![Method::Message];
        config.endpoint.referrals = Referrals::InCalls;
        // Safe to switch on: a stranger would have to guess the tags of a call.
        config.endpoint.replaces = true;
        if secure != Secure::Off {
            config.secure = secure;
        }
        let listed: Vec<&str> = names.iter().map(String::as_str).collect();
        if !listed.is_empty() {
            config.registry.prefer(&listed);
        }
        // Calls that come in may bring ICE whatever ours do.
        config.servers = cli.servers.find(identity.bind.ip()).await?;
        config.servers.reserve = 2;
        let mut gateway = Gateway::bind(config)
            .await
            .map_err(|error| error.to_string())?;
        if identity.transport.is_secure() {
            gateway
                .driver()
                .set_tls_client(tls::client(cli.ca.as_deref())?);
        }
        let mut phone = Self {
            gateway,
            identity,
            panel: Panel::new(cli.json),
            registration: None,
            is_registered: false,
            lines: Vec::new(),
            sounds,
            auto_answer: cli.auto_answer,
            secure,
            ice,
            codecs: (!names.is_empty()).then_some(names),
            next: 1,
            written: HashMap::new(),
        };
        phone.name_ourselves();
        let at = phone.gateway.sip_addr();
        let me = phone.me();
        phone.panel.tell(
            &format!("a phone at {at} for {me}; help lists the commands"),
            &json!({"event": "ready", "address": at.to_string(), "as": me}),
        );
        if cli.register {
            phone.register(now())?;
        }
        Ok(phone)
    }

    /// Does what is typed until that ends, then hangs up and unregisters.
    pub(crate) async fn run(mut self, interrupt: &Interrupt) {
        let mut typed = Typed::listen();
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut beats, mut ending) = (0u32, false);
        loop {
            tokio::select! {
                event = self.gateway.next_event() => self.handle(event),
                line = typed.next() => match line {
                    Some(line) => if self.obey(&line) { break },
                    None => ending = true,
                },
                () = interrupt.wait() => break,
                _ = beat.tick(), if !self.lines.is_empty() => {
                    beats = beats.wrapping_add(1);
                    self.beat(beats.is_multiple_of(DRAWN_EVERY));
                }
            }
            // After the last command a phone that answers by itself stays; another waits for its calls to end.
            if ending && !self.auto_answer && self.lines.is_empty() && self.written.is_empty() {
                break;
            }
        }
        self.leave().await;
    }

    fn beat(&mut self, draw: bool) {
        for line in &mut self.lines {
            if let Some(sound) = &mut line.sound {
                sound.pump();
            }
        }
        if draw && self.panel.is_live() {
            self.draw();
        }
    }

    /// Redraws the live lines.
    pub(crate) fn draw(&mut self) {
        let now = now();
        let shown = self.lines.iter().filter_map(|line| {
            let info = self.gateway.call(line.call)?;
            Some(line.live(&info, now))
        });
        self.panel.show(shown.collect());
    }

    /// Hangs up, unregisters, and waits a little for both.
    async fn leave(&mut self) {
        let now = now();
        for line in &self.lines {
            // Over already, if this fails.
            let _ = self.gateway.hang_up(line.call);
        }
        if let Some(id) = self.registration {
            let asked = self.gateway.driver().endpoint().unregister(now, id);
            if asked.is_err() || !self.is_registered {
                self.registration = None;
            }
        }
        let end = tokio::time::Instant::now() + GOODBYE;
        while !self.lines.is_empty() || self.registration.is_some() {
            tokio::select! {
                event = self.gateway.next_event() => self.handle(event),
                () = tokio::time::sleep_until(end) => break,
            }
        }
        self.panel.close();
        self.panel.tell("closed", &json!({"event": "closed"}));
    }

    /// Carries out one line; whether it was the last.
    fn obey(&mut self, line: &str) -> bool {
        self.panel.typed(line);
        let command = match Command::parse(line) {
            Ok(Some(Command::Quit)) => return true,
            Ok(Some(command)) => command,
            Ok(None) => return false,
            Err(why) => {
                self.complain(&why);
                return false;
            }
        };
        if let Err(why) = self.carry_out(command) {
            self.complain(&why);
        }
        self.draw();
        false
    }

    pub(crate) fn complain(&mut self, why: &str) {
        self.panel
            .tell(why, &json!({"event": "error", "text": why}));
    }

    fn carry_out(&mut self, command: Command) -> Result<(), String> {
        let now = now();
        match command {
            Command::Call(to) => {
                let uri = self.identity.uri(&to)?;
                let request = DialRequest::new(uri, self.identity.me.clone());
                self.dial(now, request).map(|_| ())
            }
            Command::Answer(which) => self.answer(which),
            Command::Reject(which) => {
                let call = self.line(which)?.call;
                let busy = StatusCode::BUSY_HERE;
                self.gateway.reject(call, busy, None).map_err(text)
            }
            Command::HangUp(which) => {
                let line = self.line(which)?;
                let (call, waits) = (line.call, line.incoming && !line.answered);
                match waits {
                    true => self.gateway.reject(call, StatusCode::BUSY_HERE, None),
                    false => self.gateway.hang_up(call),
                }
                .map_err(text)
            }
            Command::Hold(which) => {
                let call = self.line(which)?.call;
                let music = self.sounds.on_hold();
                self.gateway.hold_with(call, music).map_err(text)
            }
            Command::Resume(which) => {
                let call = self.line(which)?.call;
                self.gateway.resume(call).map_err(text)
            }
            Command::Dtmf(which, keys) => {
                let call = self.line(which)?.call;
                match self.gateway.send_dtmf(call, &keys) {
                    Err(GatewayError::NoKeys) => self.gateway.send_dtmf_by_info(call, &keys),
                    sent => sent,
                }
                .map_err(text)
            }
            Command::Transfer(which, to) => {
                let uri = self.identity.uri(&to)?;
                let call = self.line(which)?.call;
                self.gateway.transfer(call, uri).map_err(text)?;
                self.transferring(call, to);
                Ok(())
            }
            Command::TransferTo(which, other) => {
                let target = self.line(Some(other))?;
                let (to, with) = (target.call, target.with.clone());
                let which = which.or_else(|| {
                    let rest = self.lines.iter().rev().find(|line| line.number != other);
                    rest.map(|line| line.number)
                });
                let call = self.line(which)?.call;
                self.gateway.transfer_to(call, to).map_err(text)?;
                self.transferring(call, with);
                Ok(())
            }
            Command::Message(to, words) => self.write(now, &to, words),
            Command::Status => {
                self.status(now);
                Ok(())
            }
            Command::Help => {
                self.panel.say(HELP);
                Ok(())
            }
            Command::Quit => Ok(()),
        }
    }

    fn transferring(&mut self, call: CallId, to: String) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.call == call) {
            line.transferring = Some(to);
        }
    }

    /// The call of this number, or the newest.
    fn line(&self, which: Option<u32>) -> Result<&Line, String> {
        match which {
            Some(number) => {
                let found = self.lines.iter().find(|line| line.number == number);
                found.ok_or_else(|| format!("there is no call #{number}"))
            }
            None => self
                .lines
                .last()
                .ok_or_else(|| "there is no call".to_owned()),
        }
    }

    /// Calls, as the command line said how.
    pub(crate) fn dial(
        &mut self,
        now: Instant,
        mut request: DialRequest,
    ) -> Result<CallId, String> {
        let number = self.next;
        let (voice, sound) = self.sounds.open(number);
        let session = self
            .gateway
            .open_session(format!("call {number}"), SessionOptions::default())
            .map_err(text)?;
        let with = request.uri.as_str().to_owned();
        request.account.clone_from(&self.identity.account);
        request.secure = self.secure;
        request.ice = self.ice;
        request.codecs.clone_from(&self.codecs);
        match self.registration.filter(|_| self.is_registered) {
            Some(id) => request.registration = Some(id),
            None => request.route.extend(self.identity.proxy.clone()),
        }
        let joined = self
            .gateway
            .join(session, Join::new(Role::Publisher).name("handset"), voice)
            .and_then(|_| self.gateway.dial(session, &request));
        let call = match joined {
            Ok(call) => call,
            Err(error) => {
                let _ = self.gateway.close_session(session);
                return Err(text(error));
            }
        };
        self.next += 1;
        self.panel.tell(
            &format!("#{number} calls {with}"),
            &json!({"event": "calling", "call": number, "to": with}),
        );
        self.lines.push(Line {
            number,
            call,
            session: Some(session),
            with,
            incoming: false,
            answered: false,
            since: now,
            sound: Some(sound),
            transferring: None,
        });
        Ok(call)
    }

    /// A call that comes in gets a number.
    pub(crate) fn ringing(&mut self, call: CallId, with: String) -> u32 {
        let number = self.next;
        self.next += 1;
        self.lines.push(Line {
            number,
            call,
            session: None,
            with,
            incoming: true,
            answered: false,
            since: now(),
            sound: None,
            transferring: None,
        });
        number
    }

    pub(crate) fn answer(&mut self, which: Option<u32>) -> Result<(), String> {
        let waiting = |line: &&Line| line.incoming && !line.answered && line.session.is_none();
        let number = match which {
            Some(_) => self.line(which)?.number,
            None => {
                let found = self.lines.iter().rev().find(waiting);
                found.ok_or("nobody calls")?.number
            }
        };
        let call = self.line(Some(number))?.call;
        let (voice, sound) = self.sounds.open(number);
        let session = self
            .gateway
            .open_session(format!("call {number}"), SessionOptions::default())
            .map_err(text)?;
        let answered = self
            .gateway
            .join(session, Join::new(Role::Publisher).name("handset"), voice)
            .and_then(|_| {
                self.gateway
                    .answer(call, session, Join::new(Role::Publisher))
            });
        if let Err(error) = answered {
            let _ = self.gateway.close_session(session);
            return Err(text(error));
        }
        if let Some(line) = self.lines.iter_mut().find(|line| line.call == call) {
            (line.session, line.sound) = (Some(session), Some(sound));
        }
        Ok(())
    }

    fn write(&mut self, now: Instant, to: &str, words: String) -> Result<(), String> {
        let uri = self.identity.uri(to)?;
        let way = self.way();
        let mut outside = Outside::new(Method::Message, uri, self.identity.me.clone());
        outside.account.clone_from(&self.identity.account);
        outside.body = Some(Body::new("text/plain;charset=UTF-8", words));
        outside.target = way;
        let endpoint = self.gateway.driver().endpoint();
        let sent = endpoint.send_outside(now, outside).map_err(text)?;
        self.written.insert(sent, to.to_owned());
        Ok(())
    }

    fn status(&mut self, now: Instant) {
        let mut lines = Vec::new();
        let registered = match (self.registration, self.is_registered) {
            (Some(_), true) => format!("registered as {}", self.me()),
            (Some(_), false) => "not registered".to_owned(),
            (None, _) => "no registration".to_owned(),
        };
        let mut calls: Vec<Value> = Vec::new();
        for line in &self.lines {
            if let Some(info) = self.gateway.call(line.call) {
                lines.push(line.live(&info, now));
                calls.push(line.object(&info));
            }
        }
        let text = match lines.is_empty() {
            true => format!("{registered}; no calls"),
            false => format!("{registered}\n{}", lines.join("\n")),
        };
        let object = json!({"event": "status", "registered": self.is_registered, "calls": calls});
        self.panel.tell(&text, &object);
    }
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The application's clock.
#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
