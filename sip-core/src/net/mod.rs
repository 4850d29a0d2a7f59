//! SIP over real sockets: UDP and TCP on tokio, TLS and WebSocket behind features, and the loop that drives an [`Endpoint`] over them.
//!
//! [`Driver`] owns one endpoint and its transports. It holds no protocol: bytes that a socket gave
//! become [`Input`]s, [`Transmit`](crate::Transmit)s go to the socket that they name, and deadlines
//! wake it. The application gives commands to [`Driver::endpoint`] and awaits
//! [`Driver::next_event`], which also carries out what earlier commands left in the outbox.
//!
//! ```no_run
//! # async fn run(chance: sip_core::Chance) -> Result<(), Box<dyn std::error::Error>> {
//! use sip_core::net::{Driver, Listen};
//! use sip_core::{Body, Config, Event, Invite, Transport, header::NameAddr};
//! use std::time::Instant;
//!
//! let mut driver = Driver::new(Config::default(), chance);
//! driver.listen(Listen::new(Transport::Udp, "127.0.0.1:0".parse()?)).await?;
//! let from = NameAddr::new(&"sip:alice@example.org".parse()?);
//! let invite = Invite::new("sip:bob@127.0.0.1:5060".parse()?, from).body(Body::sdp("v=0\r\n"));
//! let call = driver.endpoint().invite(Instant::now(), invite)?;
//! loop {
//!     match driver.next_event().await {
//!         Event::Answered { .. } => driver.endpoint().call(call)?.hang_up(Instant::now())?,
//!         Event::Ended { cause, .. } => break println!("{cause}"),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! One driver listens on as many sockets as it is told, of all transports together; each may tell peers another address
//! than the bound one ([`Listen::advertise`]).
//!
//! # More cores
//!
//! An endpoint uses one core. [`Transports`] can be shared by several, one a task or a thread, as one user agent: a
//! [`Front`] passes each message to the endpoint whose it is, as [`homes`](crate::homes) says, and a [`HomeDriver`] is to
//! each of them what a [`Driver`] is to one. Calls never meet but in the sockets; what the application keeps for all of
//! them (who is registered where, for instance: [`Event::Binding`](crate::Event::Binding) comes to the home of the user)
//! is the application's.
//!
//! ```no_run
//! # async fn run(key: u64, nonces: [u8; 32], chance: fn() -> sip_core::Chance) -> Result<(), Box<dyn std::error::Error>> {
//! use sip_core::homes::Homes;
//! use sip_core::net::{Listen, Transports};
//! use sip_core::{Config, DigestPolicy, Event, Limits, StatusCode, Transport};
//! use std::time::Instant;
//!
//! let mut transports = Transports::new(Limits::default());
//! transports.listen(Listen::new(Transport::Udp, "0.0.0.0:5060".parse()?)).await?;
//! transports.listen(Listen::new(Transport::Tcp, "0.0.0.0:5060".parse()?)).await?;
//! let (mut front, homes) = transports.share(Homes::new(4, key), |_| {
//!     let mut config = Config::default();
//!     config.digest = Some(DigestPolicy::new("example.org", nonces).user("alice", "secret"));
//!     (config, chance())
//! });
//! for mut home in homes {
//!     tokio::spawn(async move {
//!         loop {
//!             if let Event::Incoming { call, .. } = home.next_event().await
//!                 && let Ok(mut call) = home.endpoint().call(call)
//!             {
//!                 let _ = call.reject(Instant::now(), StatusCode::BUSY_HERE, None);
//!             }
//!         }
//!     });
//! }
//! front.run().await
//! # }
//! ```
//!
//! # Names
//!
//! Host names are looked up in the background, with the system's resolver: it knows A and AAAA only. With the feature
//! `dns` and `Driver::set_dns`, NAPTR and SRV records are asked for too, and the endpoint walks RFC 3263 with them. Who
//! knows better answers [`Question::Resolve`](crate::Question::Resolve) itself ([`Driver::resolve_yourself`]).
//!
//! # What a peer can do to it
//!
//! | a peer | meets |
//! |---|---|
//! | opens many connections, or none of them says anything | [`ConnectionLimits`]: how many, how many a source, how long idle |
//! | never finishes a handshake | [`Driver::set_connect_timeout`] |
//! | asks a WebSocket door for a page, or for anything else | an answer in HTTP (426 or 400), and the end of its connection |
//! | sends a message byte by byte, or half of one | [`Config::message_within`] |
//! | does not read | its queue and [`ConnectionLimits::write`]; its own connection closes, never this loop waits |
//! | sends faster than the endpoint works | the kernel's buffers: streams wait, datagrams are lost and repeated |
//! | brings more calls than there is time for | 503 with Retry-After for new ones ([`Driver::set_patience`]) |
//! | floods | [`Admission`]: nothing of that source is looked at for a while |
//!
//! On Linux an unconnected UDP socket hears of ICMP errors only where the kernel reports them with
//! the next send; a phone that is switched off is then noticed by timer B.
#![allow(clippy::disallowed_methods)]

mod admission;
mod backlog;
mod connection;
#[cfg(feature = "dns")]
mod dns;
#[cfg(feature = "tls")]
mod domain;
mod driver;
mod front;
mod home;
mod limits;
mod names;
mod pipe;
#[cfg(feature = "ws")]
mod plain_http;
mod send;
mod stream;
mod tap;
mod time;
#[cfg(feature = "tls")]
mod tls;
mod transports;
mod udp;
#[cfg(feature = "ws")]
mod ws;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

pub use admission::Admission;
#[cfg(feature = "dns")]
pub use dns::Dns;
#[cfg(feature = "tls")]
pub use domain::DomainVerifier;
pub use driver::Driver;
pub use front::Front;
pub use home::HomeDriver;
pub use limits::ConnectionLimits;
pub use tap::{Direction, Tap};
pub use transports::Transports;

#[cfg(doc)]
use crate::{Config, Endpoint};
use crate::{Flow, FlowError, Input, Transport};
use connection::Settings;

/// A socket to open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listen {
    /// How; TLS and WebSocket need their features.
    pub transport: Transport,
    /// The address to bind; port 0 takes any free one.
    pub bind: SocketAddr,
    /// Host and port that peers are told, when they differ from the bound ones. For a wildcard
    /// address without this, the address of the interface towards the default route is told.
    pub advertise: Option<(String, u16)>,
}

impl Listen {
    /// A socket whose peers are told its bound address.
    pub fn new(transport: Transport, bind: SocketAddr) -> Self {
        Self {
            transport,
            bind,
            advertise: None,
        }
    }

    /// Tells peers another host and port.
    pub fn advertise(mut self, host: impl Into<String>, port: u16) -> Self {
        self.advertise = Some((host.into(), port));
        self
    }
}

/// What a background task found out.
#[derive(Debug)]
pub(crate) enum Report {
    Network(Input),
    Accepted(TcpStream, Flow, Settings),
}

fn unspecified(like: &SocketAddr) -> SocketAddr {
    match like {
        SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0; 8], 0)),
    }
}

fn flow_error(error: &io::Error) -> FlowError {
    #[cfg(feature = "tls")]
    if let Some(cause) = tls::error(error) {
        return cause;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => FlowError::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            FlowError::Unreachable
        }
        io::ErrorKind::TimedOut => FlowError::TimedOut,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => FlowError::Reset,
        // A TLS peer that ends without a word; for a call it is an end like any other.
        io::ErrorKind::UnexpectedEof => FlowError::Closed,
        _ if is_exhausted(error) => FlowError::Exhausted,
        _ => FlowError::Other,
    }
}

/// Whether the process or the system has no descriptor left: ENFILE and EMFILE, which std has no kind for.
#[cfg(unix)]
fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

/// Whether the process has no descriptor left (WSAEMFILE).
#[cfg(not(unix))]
fn is_exhausted(error: &io::Error) -> bool {
    error.raw_os_error() == Some(10_024)
}
