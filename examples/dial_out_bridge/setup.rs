//! From arguments to what a call is made with.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use examples::args::{CallArgs, Codec, Header, Keys, Transport, caller};
use examples::chance::chance;
use examples::ice::ServerArgs;
use media_mix::Registry;
use rtp_core::srtp::Suite;
use signaling::net::{Gateway, GatewayConfig};
use signaling::{DialRequest, Ice, Secure};
use sip_core::Uri;
use sip_core::auth::Account;
use sip_core::header::NameAddr;

use crate::args::Cli;
use crate::files::Places;
use crate::phone;
use crate::ticket::{Brought, Ticket};

/// Who calls, where nobody says.
const CALLER: &str = "\"Patchcord\" <sip:bridge@patchcord.example>";

/// What a call is made with.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) from: NameAddr,
    pub(crate) headers: Vec<Header>,
    pub(crate) credentials: Option<(String, String)>,
    /// Codecs to offer, most preferred first; empty for all.
    pub(crate) codecs: Vec<Codec>,
    pub(crate) keys: Option<Keys>,
    /// Whether ICE finds the way.
    pub(crate) ice: bool,
    /// Who helps it.
    pub(crate) servers: ServerArgs,
    /// The one suite to offer; `None` for what every phone has.
    pub(crate) suite: Option<Suite>,
    pub(crate) transport: Transport,
    pub(crate) bind: Option<IpAddr>,
    pub(crate) advertise: Option<IpAddr>,
    pub(crate) rtp_ports: Option<RangeInclusive<u16>>,
    pub(crate) max_call: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) early_media: bool,
    pub(crate) brought: Option<Brought>,
    pub(crate) places: Places,
}

impl Setup {
    /// As the command line says.
    ///
    /// # Errors
    /// When ICE is to go with something else than DTLS, or servers without ICE.
    pub(crate) fn new(cli: &Cli) -> Result<Self, String> {
        let CallArgs {
            from,
            username,
            password,
            secure,
            ice,
            servers,
            transport,
            codec,
            header,
            ..
        } = cli.call.clone();
        let CallArgs {
            rtp_ports,
            advertise,
            bind,
            max_call,
            idle,
            early_media,
            record,
            pcap,
            ..
        } = cli.call.clone();
        if ice && secure != Some(Keys::Dtls) {
            return Err("--ice goes with --secure=dtls".into());
        }
        if !ice && !servers.is_empty() {
            return Err("--stun and --turn go with --ice".into());
        }
        let from = from.map_or_else(|| caller(CALLER), Ok)?;
        Ok(Self {
            from,
            headers: header,
            credentials: username.zip(password),
            codecs: codec,
            keys: secure,
            ice,
            servers,
            suite: None,
            transport: transport.unwrap_or(Transport::Udp),
            bind,
            advertise,
            rtp_ports,
            max_call,
            idle,
            early_media,
            brought: cli
                .token
                .clone()
                .zip(cli.token_secret.clone())
                .map(|(token, secret)| Brought { token, secret }),
            places: Places::new(&cli.out, record.as_deref(), pcap.as_deref()),
        })
    }

    /// With what the demo needs where nobody says: the phone's password, and headers to be found there.
    pub(crate) fn for_demo(mut self) -> Self {
        self.credentials
            .get_or_insert_with(|| (phone::USER.into(), phone::PASSWORD.into()));
        if self.headers.is_empty() {
            let header = |name: &str, value: &str| Header {
                name: name.into(),
                value: value.into(),
            };
            self.headers = vec![header("X-Room", "42"), header("X-Greeting", "Patchcord")];
        }
        self
    }

    /// A gateway on `bind`, with a port that the system chooses.
    ///
    /// # Errors
    /// A line that says what cannot be bound, or which server is not there.
    pub(crate) async fn gateway(&self, bind: IpAddr, capture: bool) -> Result<Gateway, String> {
        let mut config = GatewayConfig::new(SocketAddr::new(bind, 0), chance());
        config.advertise = self.advertise;
        if let Some(ports) = &self.rtp_ports {
            config.rtp_ports = ports.clone();
        }
        config.registry = self.registry();
        config.capture = capture;
        config.servers = self.servers.find(bind).await?;
        // One call, one way.
        config.servers.reserve = 1;
        Gateway::bind(config)
            .await
            .map_err(|error| error.to_string())
    }

    /// The codec that a phone which has all of them picks.
    pub(crate) fn first_codec(&self) -> Codec {
        self.codecs.first().copied().unwrap_or(Codec::ALL[0])
    }

    /// The codecs, in the order asked for.
    pub(crate) fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        if !self.codecs.is_empty() {
            let names: Vec<_> = self.codecs.iter().map(|codec| codec.name()).collect();
            registry.prefer(&names);
        }
        registry
    }

    /// A call to `uri` by whoever holds the ticket.
    pub(crate) fn request(&self, uri: Uri, ticket: &Ticket) -> DialRequest {
        let mut request = DialRequest::new(uri, self.from.clone());
        for Header { name, value } in &self.headers {
            request = request.header(name, value);
        }
        if let Some((username, password)) = &self.credentials {
            request = request.account(Account::with_password(username.as_str(), password.as_str()));
        }
        request.secure = self.keys.map_or(Secure::Off, Keys::secure);
        if self.ice {
            request.ice = Ice::Require;
        }
        if let Some(suite) = self.suite {
            request.suites = vec![suite];
        }
        request.data = ticket.data.clone();
        request.early_media = self.early_media;
        if let Some(limit) = self.max_call {
            request.max_duration = limit;
        }
        if let Some(limit) = self.idle {
            request.media_timeout = limit;
        }
        request
    }
}
