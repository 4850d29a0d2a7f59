//! A phone of our own: a second user agent, with sockets, sessions and threads that the first knows nothing of.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use media_mix::Rate;
use signaling::CallId;
use signaling::engine::{PcmReader, Voice};
use signaling::net::{Gateway, GatewayConfig};
use signaling::session::{Join, SessionOptions};
use sip_core::{DigestPolicy, Uninvited, Uri};
use token::Role;

use crate::hearing::tones;
use crate::line::{Line, Log};
use examples::args::Transport;
use examples::chance::{chance, random};

/// The user that it knows.
pub(crate) const USER: &str = "bridge";

/// That user's password.
pub(crate) const PASSWORD: &str = "patchcord";

/// What it asks a password for.
pub(crate) const REALM: &str = "phone.patchcord.example";

/// What it says, in Hz. At 1000 Hz eight samples would make a period at 8 kHz, and put the error of µ-law into the
/// harmonics.
pub(crate) const SAYS: usize = 1020;

/// How long it rings.
const RINGS: Duration = Duration::from_millis(500);

/// A phone that waits for its call.
pub(crate) struct Phone {
    line: Line,
    address: SocketAddr,
}

/// A phone that has answered.
pub(crate) struct Answered {
    /// Its call.
    pub(crate) call: CallId,
    /// What it hears.
    pub(crate) ear: PcmReader,
}

impl Phone {
    /// Binds a port on `ip`.
    ///
    /// # Errors
    /// A line that says what failed.
    pub(crate) async fn start(ip: Option<IpAddr>) -> Result<Self, String> {
        let ip = ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut config = GatewayConfig::new(SocketAddr::new(ip, 0), chance());
        config.uninvited = Uninvited::Accept;
        config.digest = Some(DigestPolicy::new(REALM, random()).user(USER, PASSWORD));
        let gateway = Gateway::bind(config)
            .await
            .map_err(|error| error.to_string())?;
        let address = gateway.sip_addr();
        Ok(Self {
            line: Line::start(gateway, None),
            address,
        })
    }

    /// Where it is called.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it is called.
    ///
    /// # Errors
    /// Never: an address makes a URI.
    pub(crate) fn uri(&self, transport: Transport) -> Result<Uri, String> {
        let transport = match transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
        };
        format!("sip:desk@{}{transport}", self.address)
            .parse()
            .map_err(|error| format!("{error}"))
    }

    /// Waits for the call, rings, and answers with a voice of its own.
    ///
    /// # Errors
    /// A line that says why there is no call.
    pub(crate) async fn answer(&self) -> Result<Answered, String> {
        let (log, came) = self
            .line
            .until(Duration::from_secs(10), |log| log.incoming.is_some())
            .await;
        let Some((call, _)) = log.incoming.filter(|_| came) else {
            return Err("the phone was not called".into());
        };
        self.line
            .with(move |gateway| gateway.ring(call))
            .await?
            .map_err(|error| error.to_string())?;
        let (_, gone) = self.line.until(RINGS, |log| log.ended.is_some()).await;
        if gone {
            return Err("the caller gave up".into());
        }
        self.line
            .with(move |gateway| {
                let desk = gateway
                    .open_session("desk", SessionOptions::default())
                    .map_err(|error| error.to_string())?;
                let voice = Voice::tone(tones(Rate::Khz48, &[SAYS]));
                let handset = gateway
                    .join(desk, Join::new(Role::Publisher).name("handset"), voice)
                    .map_err(|error| error.to_string())?;
                let ear = gateway
                    .listen(desk, handset, Rate::Khz48)
                    .map_err(|error| error.to_string())?;
                gateway
                    .answer(call, desk, Join::new(Role::Publisher))
                    .map_err(|error| error.to_string())?;
                Ok(Answered { call, ear })
            })
            .await?
    }

    /// What has happened to it.
    pub(crate) fn log(&self) -> Log {
        self.line.log()
    }

    /// Its gateway.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// Switches it off.
    pub(crate) async fn close(self) {
        self.line.close().await;
    }
}
