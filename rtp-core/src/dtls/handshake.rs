//! One DTLS association, from its first datagram to SRTP keys.

use super::certificate::Certificate;
use super::engine::{Backend, Engine, Said};
use super::error::DtlsError;
use super::fingerprint;
use crate::sdp::{Fingerprint, Setup};
use crate::srtp::{MasterKey, Suite};
use crate::transport::Keys;
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The largest datagram that the machine makes, whatever the MTU says.
const MAX_DATAGRAM: usize = 16 * 1024;

/// Larger ones are nobody's handshake.
const MAX_TAKEN: usize = 4096;

/// Datagrams that an engine keeps until a message is whole.
pub(super) const MAX_KEPT: usize = 30;

/// Certificates larger than this are refused, so that a stranger's costs nothing.
const MAX_CERTIFICATE: usize = 16 * 1024;

/// Datagrams that wait to be sent: more than two flights. What is over is lost, as a network loses it.
const MAX_WAITING: usize = 32;

/// How often a handshake that broke before the peer showed a certificate begins again. What breaks it so early needs no
/// proof, so it may be a stranger's.
const MAX_RESTARTS: u8 = 8;

/// Which end of the association we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// We start: our description says `a=setup:active`.
    Client,
    /// The peer starts: our description says `a=setup:passive`.
    Server,
}

impl Role {
    /// The role of who says this in its own description (RFC 5763 §5); `None` for what decides nothing.
    pub fn of(setup: Setup) -> Option<Role> {
        match setup {
            Setup::Active => Some(Role::Client),
            Setup::Passive => Some(Role::Server),
            Setup::ActPass | Setup::HoldConn => None,
        }
    }
}

/// How a handshake is made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HandshakeConfig {
    /// How long it may take, from its start as a client and from the peer's first datagram as a server. Default: 30 s.
    pub timeout: Duration,
    /// The largest datagram that is sent, bytes. Default: 1200, which passes every path that WebRTC passes.
    pub mtu: usize,
    /// The SRTP suites that may come of it. Default: all that have a DTLS profile.
    pub suites: Vec<Suite>,
    /// Whose DTLS it is. Default: [`Backend::default`].
    pub backend: Backend,
}

impl Default for HandshakeConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            mtu: 1200,
            suites: Suite::ALL
                .iter()
                .copied()
                .filter(|suite| suite.profile().is_some() && suite.key_len() > 0)
                .collect(),
            backend: Backend::default(),
        }
    }
}

/// What came of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The peer is who its description says; these are the SRTP keys.
    Keys(Keys),
    /// There will be no keys; nothing more comes.
    Failed(DtlsError),
    /// The peer closed the association.
    Closed,
}

/// A handshake with one peer. See the [module](super).
///
/// Bytes and time go in; [`poll_transmit`](Self::poll_transmit), [`poll_event`](Self::poll_event) and
/// [`poll_timeout`](Self::poll_timeout) say what comes of it. What arrives garbled, late or twice is passed over. Keep it
/// for as long as the call lives: the peer may have lost our last flight and ask again.
pub struct Handshake {
    engine: Box<dyn Engine>,
    config: HandshakeConfig,
    role: Role,
    ours: Certificate,
    /// The peer's hello has come.
    greeted: bool,
    restarts: u8,
    /// Bytes that the engine has taken.
    taken: usize,
    expected: Option<Vec<Fingerprint>>,
    certificate: Option<Vec<u8>>,
    keys: Option<Keys>,
    stage: Stage,
    deadline: Option<Instant>,
    wake: Option<Instant>,
    waiting: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Shaking,
    /// Keys are handed out.
    Up,
    Over,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("role", &self.role)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl Handshake {
    /// Begins. A client has its first datagram to send at once.
    ///
    /// # Errors
    /// When the [`Backend`] cannot use the certificate's key, or the MTU or the time limit is of no use.
    pub fn new(
        now: Instant,
        certificate: &Certificate,
        role: Role,
        config: HandshakeConfig,
    ) -> Result<Handshake, DtlsError> {
        let engine = Backend::start(now, certificate, role, &config)?;
        let mut handshake = Handshake {
            engine,
            role,
            ours: certificate.clone(),
            greeted: false,
            restarts: 0,
            taken: 0,
            expected: None,
            certificate: None,
            keys: None,
            stage: Stage::Shaking,
            deadline: (role == Role::Client).then(|| now + config.timeout),
            wake: None,
            waiting: VecDeque::new(),
            events: VecDeque::new(),
            config,
        };
        handshake.drain();
        Ok(handshake)
    }

    /// Which end we are.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What the peer's description says of its certificate. Without it no key comes out; an empty list is a peer that
    /// proves nothing, and fails.
    pub fn expect(&mut self, fingerprints: &[Fingerprint]) {
        if self.stage == Stage::Shaking {
            self.expected = Some(fingerprints.to_vec());
            self.judge();
        }
    }

    /// Takes a datagram from the peer.
    pub fn receive(&mut self, now: Instant, datagram: &[u8]) {
        let is_ours = datagram.len() <= MAX_TAKEN && is_record(datagram);
        if self.stage == Stage::Over || !is_ours || !self.may_follow(datagram) {
            return;
        }
        self.taken = self.taken.saturating_add(datagram.len());
        // The server's time begins with the peer's first datagram.
        self.deadline.get_or_insert(now + self.config.timeout);
        let taken = self.engine.receive(now, datagram);
        self.after(now, taken);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Shaking => self.wake.into_iter().chain(self.deadline).min(),
            Stage::Up => self.wake,
            Stage::Over => None,
        }
    }

    /// Does what time asks for: sends a lost flight again, gives up.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.stage == Stage::Over {
            return;
        }
        if self.stage == Stage::Shaking && self.deadline.is_some_and(|deadline| now >= deadline) {
            self.fail(DtlsError::Timeout(self.config.timeout));
            return;
        }
        if self.wake.is_some_and(|wake| now >= wake) {
            let done = self.engine.handle_timeout(now);
            self.after(now, done);
        }
    }

    /// The next datagram for the peer.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.waiting.pop_front()
    }

    /// What came of it.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Says goodbye to the peer; [`poll_transmit`](Self::poll_transmit) has the last datagram.
    pub fn close(&mut self) {
        if self.stage != Stage::Over {
            self.engine.close();
            self.drain();
            self.stage = Stage::Over;
        }
    }

    /// Nothing comes before the peer's hello: a record of later is a stranger's, or out of order and sent again.
    fn may_follow(&mut self, record: &[u8]) -> bool {
        let hello = match (self.role, record) {
            (Role::Server, [22, _, _, 0, 0, rest @ ..]) => rest.get(8) == Some(&1),
            (Role::Client, [22, _, _, 0, 0, rest @ ..]) => matches!(rest.get(8), Some(2 | 3)),
            // No cipher in common, says the server.
            (Role::Client, [21, _, _, 0, 0, ..]) => true,
            _ => false,
        };
        self.greeted |= hello;
        self.greeted
    }

    fn after(&mut self, now: Instant, result: Result<(), DtlsError>) {
        // What a broken engine has to say, an alert, still goes out.
        self.drain();
        let Err(error) = result else { return };
        let unproved = self.stage == Stage::Shaking && self.certificate.is_none();
        // Nothing else will be shown next time.
        let settled = matches!(error, DtlsError::PeerCertificate(_) | DtlsError::NoProfile);
        if unproved && !settled && self.restarts < MAX_RESTARTS {
            self.restarts += 1;
            self.greeted = false;
            match Backend::start(now, &self.ours, self.role, &self.config) {
                Ok(engine) => {
                    self.engine = engine;
                    self.drain();
                }
                Err(error) => self.fail(error),
            }
        } else {
            self.fail(error);
        }
    }

    /// Takes all that the engine has to say.
    fn drain(&mut self) {
        // The peer's certificate is put there whatever its size, and `dimpl` panics where it does not fit: so it is as large
        // as any that can have come. A leg that kept it would keep it for the whole call.
        let room = match self.certificate {
            Some(_) => MAX_DATAGRAM,
            None => self.taken.clamp(MAX_DATAGRAM, MAX_TAKEN * MAX_KEPT),
        };
        let mut buffer = vec![0; room];
        loop {
            match self.engine.poll(&mut buffer) {
                Said::Datagram(datagram) => {
                    if self.waiting.len() < MAX_WAITING {
                        self.waiting.push_back(datagram.to_vec());
                    }
                }
                Said::Certificate(der) if der.len() <= MAX_CERTIFICATE => {
                    self.certificate = Some(der.to_vec());
                }
                Said::Certificate(der) => {
                    self.fail(DtlsError::PeerCertificate(format!(
                        "it has {} bytes",
                        der.len()
                    )));
                    break;
                }
                Said::Keys(material, profile) => match self.divide(&material, profile) {
                    Some(keys) => self.keys = Some(keys),
                    None => self.fail(DtlsError::NoProfile),
                },
                Said::Closed => {
                    if self.stage == Stage::Up {
                        self.events.push_back(Event::Closed);
                        self.stage = Stage::Over;
                    } else {
                        self.fail(DtlsError::Handshake("the peer closed it".to_owned()));
                    }
                }
                Said::Nothing => {}
                Said::Wait(at) => {
                    self.wake = at;
                    break;
                }
            }
        }
        self.judge();
    }

    /// Hands the keys out once the peer has proved to be who its description says.
    fn judge(&mut self) {
        if self.stage != Stage::Shaking {
            return;
        }
        let (Some(expected), Some(certificate)) = (&self.expected, &self.certificate) else {
            return;
        };
        if !fingerprint::matches(certificate, expected) {
            self.fail(DtlsError::WrongFingerprint);
        } else if let Some(keys) = self.keys.take() {
            self.stage = Stage::Up;
            self.events.push_back(Event::Keys(keys));
        }
    }

    fn fail(&mut self, error: DtlsError) {
        if self.stage == Stage::Over {
            return;
        }
        let event = match self.stage {
            // An association that broke after its keys were drawn does not take them back.
            Stage::Up => Event::Closed,
            _ => Event::Failed(error),
        };
        self.stage = Stage::Over;
        self.keys = None;
        self.events.push_back(event);
    }

    /// The client's key, the server's key, the client's salt, the server's salt (RFC 5764 §4.2).
    fn divide(&self, material: &[u8], profile: u16) -> Option<Keys> {
        let suite = Suite::from_profile(profile).filter(|it| self.config.suites.contains(it))?;
        let (key, salt) = (suite.key_len(), suite.salt_len());
        if material.len() != 2 * (key + salt) {
            return None;
        }
        let (keys, salts) = material.split_at(2 * key);
        let of = |n: usize| {
            let joined: Zeroizing<Vec<u8>> = Zeroizing::new(
                [
                    &keys[n * key..(n + 1) * key],
                    &salts[n * salt..(n + 1) * salt],
                ]
                .concat(),
            );
            MasterKey::from_key_salt(suite, &joined).ok()
        };
        let (client, server) = (of(0)?, of(1)?);
        Some(match self.role {
            Role::Client => Keys {
                send: client,
                receive: server,
            },
            Role::Server => Keys {
                send: server,
                receive: client,
            },
        })
    }
}

/// Whether a datagram begins with a DTLS record (RFC 6347 §4.1, RFC 9147 §4) that is all there.
fn is_record(datagram: &[u8]) -> bool {
    match datagram {
        // Change cipher spec, alert, handshake, application data, acknowledgement; versions 1.0 and 1.2.
        [
            20..=23 | 26,
            0xfe,
            0xff | 0xfd,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            high,
            low,
            body @ ..,
        ] => body.len() >= usize::from(u16::from_be_bytes([*high, *low])),
        // The unified header of 1.3.
        [32..=63, rest @ ..] => rest.len() > 16,
        _ => false,
    }
}
