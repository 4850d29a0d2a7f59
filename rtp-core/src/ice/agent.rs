//! The machine.

mod choose;
mod receive;

use super::candidate::{self, Kind, Local};
use super::config::{Config, Names, Role};
use super::consent::Consent;
use super::error::IceError;
use super::event::{Event, Pair, State, Transmit};
use super::gather::Gather;
use super::names::{QuestionId, Questions};
use crate::Random;
use crate::negotiate::IceDescription;
use crate::sdp::Candidate;
use crate::stun::hmac_sha1;
use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Datagrams that wait to be sent. What is over is lost, as a network loses it.
const MAX_WAITING: usize = 128;

/// Events kept until they are polled; the oldest goes first when more come.
const MAX_EVENTS: usize = 128;

/// STUN servers that are asked.
const MAX_SERVERS: usize = 4;

/// What a check carries as USERNAME, both names and a colon, in bytes: the checklist's limit, not the RFC's.
const MAX_USERNAME: usize = 128;

/// How many checks go unanswered until a pair has failed (`Rc`, RFC 8489 §6.2.1).
const MAX_CHECKS: usize = 7;

/// The checklist's HMAC.
#[derive(Debug)]
struct Hmac;

impl is::Sha1HmacProvider for Hmac {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        hmac_sha1(key, payloads)
    }
}

/// One side of the search for a way. See the [module](super).
pub struct Agent {
    now: Instant,
    config: Config,
    random: Random,
    ours: IceDescription,
    theirs: Option<(String, String)>,
    checks: is::IceAgent,
    /// When the checklist wants to be called again.
    wake: Option<Instant>,
    locals: Vec<Local>,
    /// Addresses of ours that only answers know.
    mapped: Vec<SocketAddr>,
    /// The peer's addresses, and whether it told them itself.
    remotes: Vec<(SocketAddr, bool)>,
    gather: Gather,
    /// No more host candidates come.
    complete: bool,
    gathered: bool,
    questions: Questions,
    consent: Consent,
    selected: Option<Pair>,
    state: State,
    /// Until when a pair must be found.
    deadline: Option<Instant>,
    /// A list that began anew has its time before it does so again.
    fails_over_from: Instant,
    waiting: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("state", &self.state)
            .field("selected", &self.selected)
            .finish_non_exhaustive()
    }
}

impl Agent {
    /// An agent without candidates. `random` must be cryptographic: what a stranger can guess, a stranger can answer.
    #[must_use]
    pub fn new(now: Instant, config: Config, mut random: Random) -> Agent {
        let ours = IceDescription::draw(&mut random);
        Agent::with_credentials(now, config, &ours, random)
    }

    /// The same with credentials that were told the peer before, as the exchange of descriptions may be over by now; its
    /// candidates are not taken.
    #[must_use]
    pub fn with_credentials(
        now: Instant,
        config: Config,
        ours: &IceDescription,
        mut random: Random,
    ) -> Agent {
        let ours = IceDescription::new(&ours.ufrag, ours.pwd());
        let mut checks = is::IceAgent::with_hmac(creds(&ours.ufrag, ours.pwd()), &Hmac);
        let tie_breaker = config.tie_breaker.unwrap_or_else(|| {
            let mut drawn = [0; 8];
            random(&mut drawn);
            u64::from_be_bytes(drawn)
        });
        checks.set_control_tie_breaker(tie_breaker);
        checks.set_ice_lite(config.lite);
        checks.set_timing_advance(config.pacing);
        checks.set_max_stun_retransmits(MAX_CHECKS);
        checks.handle_timeout(now);
        Agent {
            now,
            config,
            random,
            ours,
            theirs: None,
            checks,
            wake: None,
            locals: Vec::new(),
            mapped: Vec::new(),
            remotes: Vec::new(),
            gather: Gather::default(),
            complete: false,
            gathered: false,
            questions: Questions::default(),
            consent: Consent::default(),
            selected: None,
            state: State::New,
            deadline: None,
            fails_over_from: now,
            waiting: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// What we tell the peer: credentials, the candidates so far, what we are.
    #[must_use]
    pub fn description(&self) -> IceDescription {
        let mut ours = self.ours.clone();
        ours.candidates = self.locals.iter().map(|local| local.told.clone()).collect();
        ours.lite = self.config.lite;
        ours.trickle = self.config.trickle;
        ours.complete = self.gathered;
        ours
    }

    /// An address of ours that datagrams are sent from and arrive at. The STUN servers are asked from there, too.
    ///
    /// # Errors
    /// When nobody can be found there, or there are too many.
    pub fn add_host(&mut self, now: Instant, address: SocketAddr) -> Result<(), IceError> {
        let now = self.advance(now);
        self.add_local(Kind::Host, address, address)?;
        if !self.config.lite {
            let servers = self.config.stun_servers.iter().take(MAX_SERVERS);
            for server in servers.filter(|server| server.is_ipv4() == address.is_ipv4()) {
                self.gather.ask(now, address, *server, &mut self.random);
            }
        }
        self.settle(now);
        Ok(())
    }

    /// An address that the host candidate `base` has on the other side of a NAT, which the application knows.
    ///
    /// # Errors
    /// When nobody can be found there, there are too many, or we are lite.
    pub fn add_reflexive(
        &mut self,
        now: Instant,
        address: SocketAddr,
        base: SocketAddr,
    ) -> Result<(), IceError> {
        let now = self.advance(now);
        self.add_local(Kind::Reflexive, address, base)?;
        self.settle(now);
        Ok(())
    }

    /// An address that a TURN server relays (RFC 8656). What is to be sent has it as `local`; what arrives there is given
    /// to [`Agent::receive`] with it as `local`.
    ///
    /// # Errors
    /// When nobody can be found there, there are too many, or we are lite.
    pub fn add_relayed(&mut self, now: Instant, address: SocketAddr) -> Result<(), IceError> {
        let now = self.advance(now);
        self.add_local(Kind::Relayed, address, address)?;
        self.settle(now);
        Ok(())
    }

    fn add_local(
        &mut self,
        kind: Kind,
        address: SocketAddr,
        base: SocketAddr,
    ) -> Result<(), IceError> {
        if self.config.lite && kind != Kind::Host {
            return Err(IceError::Lite);
        }
        if self.locals.iter().any(|known| known.address == address) {
            return Err(IceError::Known);
        }
        if self.locals.len() >= self.config.max_local {
            return Err(IceError::TooMany);
        }
        if kind != Kind::Host && address.is_ipv4() != base.is_ipv4() {
            return Err(IceError::Address);
        }
        let checked = Local::to_check(kind, address, base)?;
        let added = self.checks.add_local_candidate(checked);
        let priority = added.ok_or(IceError::Known)?.prio();
        let component = self.config.component;
        let local = Local::new(kind, (address, base), component, priority, &self.locals);
        let told = local.told.clone();
        self.locals.push(local);
        self.push_event(Event::Candidate(told));
        Ok(())
    }

    /// There will be no more addresses of ours: [`Event::Gathered`] follows when the STUN servers have answered, or do not.
    pub fn finish_gathering(&mut self, now: Instant) {
        let now = self.advance(now);
        self.complete = true;
        self.settle(now);
    }

    /// Whether all candidates of ours are known.
    #[must_use]
    pub fn is_gathered(&self) -> bool {
        self.gathered
    }

    /// The peer's description, and who decides. Call it for every one: the same credentials again only bring candidates;
    /// others begin anew with the peer (a restart of its own, or another one that answers). The role counts the first
    /// time; afterwards a conflict has been settled by the agents themselves.
    ///
    /// When the *peer* asks for a restart, [`Agent::restart`] comes first, so that our answer has new credentials.
    ///
    /// # Errors
    /// When the credentials are of no use. Candidates that are of none are passed over.
    pub fn set_remote(
        &mut self,
        now: Instant,
        remote: &IceDescription,
        role: Role,
    ) -> Result<(), IceError> {
        let now = self.advance(now);
        if remote.ufrag.len() + 1 + self.ours.ufrag.len() > MAX_USERNAME {
            return Err(IceError::Credentials);
        }
        let theirs = (remote.ufrag.clone(), remote.pwd().to_owned());
        if self.theirs.as_ref() != Some(&theirs) {
            if self.theirs.is_some() {
                self.flush();
            } else if self.state == State::New {
                // Two lite agents would never check; a full one may talk to either.
                self.checks.set_ice_lite(self.config.lite && !remote.lite);
                self.checks.set_controlling(role == Role::Controlling);
                self.checks.recreate_candidate_pairs();
            }
            self.checks
                .set_remote_credentials(creds(&remote.ufrag, remote.pwd()));
            self.theirs = Some(theirs);
            self.deadline = Some(now + self.config.connect_timeout);
            if self.selected.is_none() {
                self.set_state(State::Checking);
            }
        }
        for candidate in &remote.candidates {
            let _ = self.take_remote(now, candidate);
        }
        self.settle(now);
        Ok(())
    }

    /// A candidate of the peer's that trickled in.
    ///
    /// # Errors
    /// When it is of no use, known, or one too many.
    pub fn add_remote(&mut self, now: Instant, candidate: &Candidate) -> Result<(), IceError> {
        let now = self.advance(now);
        self.take_remote(now, candidate)?;
        self.settle(now);
        Ok(())
    }

    fn take_remote(&mut self, now: Instant, candidate: &Candidate) -> Result<(), IceError> {
        let ufrag = self.theirs.as_ref().map(|(ufrag, _)| &**ufrag);
        candidate::served(candidate, self.config.component, ufrag)?;
        let Some(ip) = candidate.ip() else {
            if self.config.names == Names::Ask {
                let timeout = self.config.name_timeout;
                let id = self.questions.ask(now, candidate, timeout);
                let id = id.ok_or(IceError::TooMany)?;
                let name = candidate.address.clone();
                self.push_event(Event::Ask { id, name });
            }
            return Ok(());
        };
        self.pair_with(candidate, ip)
    }

    /// The answer to [`Event::Ask`]; `None`: nobody has that name.
    pub fn answer(&mut self, now: Instant, id: QuestionId, address: Option<IpAddr>) {
        let now = self.advance(now);
        if let (Some(candidate), Some(ip)) = (self.questions.take(id), address) {
            let _ = self.pair_with(&candidate, ip);
        }
        self.settle(now);
    }

    fn pair_with(&mut self, candidate: &Candidate, ip: IpAddr) -> Result<(), IceError> {
        let checked = candidate::to_check(candidate, ip)?;
        let address = SocketAddr::new(ip, candidate.port);
        let known = self.remotes.iter().position(|(known, _)| *known == address);
        match known {
            Some(at) if self.remotes[at].1 => return Err(IceError::Known),
            // Its checks came first; now it has a foundation and a priority of the peer's choice.
            Some(at) => self.remotes[at].1 = true,
            None if self.remotes.len() >= self.config.max_remote => return Err(IceError::TooMany),
            None => self.remotes.push((address, true)),
        }
        self.checks.add_remote_candidate(checked);
        Ok(())
    }

    /// Begins anew with other credentials (RFC 8445 §9), which [`Agent::description`] has; the peer's are awaited. Media goes
    /// on where it went until another pair is selected, or consent runs out.
    pub fn restart(&mut self, now: Instant) {
        let ours = IceDescription::draw(&mut self.random);
        self.restart_with(now, &ours);
    }

    /// The same with credentials that were told the peer before.
    pub fn restart_with(&mut self, now: Instant, ours: &IceDescription) {
        let now = self.advance(now);
        self.ours = IceDescription::new(&ours.ufrag, ours.pwd());
        self.theirs = None;
        self.flush();
        self.settle(now);
    }

    /// Forgets the peer; our own addresses stay.
    fn flush(&mut self) {
        self.checks
            .ice_restart(creds(&self.ours.ufrag, self.ours.pwd()), false);
        for local in &self.locals {
            if let Ok(checked) = Local::to_check(local.kind, local.address, local.base) {
                let _ = self.checks.add_local_candidate(checked);
            }
        }
        self.mapped.clear();
        self.remotes.clear();
        self.questions.clear();
        self.consent.restart(self.selected);
        if self.selected.is_none() {
            self.set_state(State::Checking);
        }
    }

    /// Where media goes, as long as the peer agrees.
    #[must_use]
    pub fn selected(&self) -> Option<Pair> {
        self.selected
    }

    /// Whether the peer has shown on this way that it is there and may be sent to, selected or not: what else arrives from
    /// there may be the peer's, and from elsewhere it is a stranger's. A controlling peer's first DTLS flight may come before its
    /// nomination, so that who takes what comes on the selected way alone waits a second for it to be sent again.
    #[must_use]
    pub fn knows(&self, pair: Pair) -> bool {
        let verified = self.consent.verified(pair);
        verified
            .is_some_and(|at| self.now.saturating_duration_since(at) < self.config.consent_timeout)
            && !self.consent.is_lost(pair)
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Who decides, as far as is known.
    #[must_use]
    pub fn role(&self) -> Role {
        if self.checks.controlling() {
            Role::Controlling
        } else {
            Role::Controlled
        }
    }

    /// The time from the last check on the selected pair to its answer.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.selected?;
        self.checks.nominated_pair_rtt()
    }

    /// Lets timers expire. Harmless when none has.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        self.settle(now);
    }

    /// When to call [`Agent::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [
            self.gather.poll_timeout(),
            self.questions.poll_timeout(),
            self.wake,
            self.deadline.filter(|_| self.is_searching()),
            self.consent_ends(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.waiting.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Does everything that is due, and takes what the checklist has to say.
    fn settle(&mut self, now: Instant) {
        self.questions.handle_timeout(now);
        while let Some((local, to, bytes)) = self.gather.poll(now) {
            self.send(Transmit { local, to, bytes });
        }
        if self.complete && !self.gathered && self.gather.is_over() {
            self.gathered = true;
            self.push_event(Event::Gathered);
        }
        self.check(now);
        self.fail_over(now);
        if let (Some(pair), Some(end)) = (self.selected, self.consent_ends())
            && end <= now
        {
            self.consent.lose(pair);
            self.selected = None;
            self.deadline = Some(now + self.config.connect_timeout);
            self.push_event(Event::ConsentLost(pair));
            self.set_state(State::Disconnected);
        }
        if self.is_searching() && self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
            self.set_state(State::Failed);
        }
        let checking = self.theirs.is_some() && self.state != State::Failed;
        self.wake = checking.then(|| self.checks.poll_timeout()).flatten();
    }

    fn is_searching(&self) -> bool {
        self.selected.is_none() && self.theirs.is_some()
    }

    fn send(&mut self, transmit: Transmit) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(transmit);
        }
    }

    fn set_state(&mut self, state: State) {
        if self.state != state {
            self.state = state;
            self.push_event(Event::State(state));
        }
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Time only goes on: an earlier `now` counts as the last one.
    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }
}

fn creds(ufrag: &str, pwd: &str) -> is::IceCreds {
    is::IceCreds {
        ufrag: ufrag.to_owned(),
        pass: pwd.to_owned(),
    }
}
