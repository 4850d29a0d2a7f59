//! What the program is told.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use examples::args::{Codec, Keys};
use examples::ice::ServerArgs;
use sip_core::auth::{Account, Ha1};
use sip_core::header::NameAddr;
use sip_core::header::digest::HashAlgorithm;
use sip_core::{Transport, Uri};

/// A phone on the command line.
///
/// Commands are read line by line from standard input; `help` lists them.
#[derive(Debug, Parser)]
#[command(name = "softphone", max_term_width = 100)]
pub(crate) struct Cli {
    /// Register, and stay registered
    #[arg(long, requires_all = ["registrar", "user"])]
    pub(crate) register: bool,

    /// The user at the registrar, or who calls
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,

    /// Its password
    #[arg(long, value_name = "TEXT", requires = "user", conflicts_with = "ha1")]
    password: Option<String>,

    /// MD5 of name:realm:password in place of the password, as hexadecimal digits
    #[arg(long, value_name = "HEX", requires_all = ["user", "realm"])]
    ha1: Option<String>,

    /// The realm of --ha1
    #[arg(long, value_name = "TEXT", requires = "ha1")]
    realm: Option<String>,

    /// The registrar, such as 192.0.2.1:5060 or sip:example.org
    #[arg(long, value_name = "HOST")]
    registrar: Option<String>,

    /// A proxy through which everything goes, such as sip:192.0.2.1:5060
    #[arg(long, value_name = "HOST")]
    outbound_proxy: Option<String>,

    /// How SIP travels
    #[arg(long, value_name = "NAME", default_value = "udp")]
    transport: Way,

    /// The address to bind, with a port or without
    #[arg(long, value_name = "IP[:PORT]", value_parser = bind)]
    bind: Option<SocketAddr>,

    /// The certificates to trust, a PEM file; by default those that the system trusts
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Answer at once
    #[arg(long)]
    pub(crate) auto_answer: bool,

    /// Say what is in this WAV file, again and again
    #[arg(long, value_name = "FILE", conflicts_with = "echo")]
    pub(crate) play: Option<PathBuf>,

    /// Play this WAV file to whom we hold, again and again
    #[arg(long, value_name = "FILE")]
    pub(crate) hold_music: Option<PathBuf>,

    /// Write what is heard to this WAV file; a second call gets a file of its own
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Say what is heard
    #[arg(long)]
    pub(crate) echo: bool,

    /// Codecs to offer and accept, most preferred first
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) codec: Vec<Codec>,

    /// Encrypt the sound, or do not call at all; the keys travel in the SDP (SDES) unless said otherwise. `allow` tries
    /// DTLS, then SDES, then the clear
    #[arg(long, value_name = "KEYS", num_args = 0..=1, require_equals = true, default_missing_value = "sdes")]
    pub(crate) secure: Option<Keys>,

    /// Let ICE find the way of the sound of our calls, or do not call at all; goes with --secure=dtls
    #[arg(long, requires = "secure")]
    pub(crate) ice: bool,

    #[command(flatten)]
    pub(crate) servers: ServerArgs,

    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// How SIP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream in TLS.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket in TLS.
    Wss,
}

/// Who we are, and through whom we call.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Our address.
    pub(crate) me: NameAddr,
    /// Host and port of those whom we call by name alone.
    pub(crate) domain: Option<String>,
    /// The registrar.
    pub(crate) registrar: Option<Uri>,
    /// The outbound proxy.
    pub(crate) proxy: Option<NameAddr>,
    pub(crate) account: Option<Account>,
    pub(crate) transport: Transport,
    pub(crate) bind: SocketAddr,
}

impl Identity {
    /// As the arguments say.
    ///
    /// # Errors
    /// A line that names what cannot be used.
    pub(crate) fn new(cli: &Cli) -> Result<Self, String> {
        let transport = match cli.transport {
            Way::Udp => Transport::Udp,
            Way::Tcp => Transport::Tcp,
            Way::Tls => Transport::Tls,
            Way::Ws => Transport::Ws,
            Way::Wss => Transport::Wss,
        };
        let registrar = cli.registrar.as_deref();
        let registrar = registrar.map(|host| server("--registrar", host, transport, ""));
        let proxy = cli.outbound_proxy.as_deref();
        let proxy = proxy.map(|host| server("--outbound-proxy", host, transport, ";lr"));
        let (registrar, proxy) = (registrar.transpose()?, proxy.transpose()?);
        let bind = cli.bind.unwrap_or_else(|| {
            let towards = proxy.as_ref().or(registrar.as_ref());
            let local = towards.and_then(Uri::host_str).is_some_and(is_local);
            let any = if local {
                Ipv4Addr::LOCALHOST
            } else {
                Ipv4Addr::UNSPECIFIED
            };
            SocketAddr::new(IpAddr::V4(any), 0)
        });
        let domain = registrar.as_ref().map(host_and_port);
        let user = cli.user.as_deref().unwrap_or("softphone");
        let at = domain
            .clone()
            .unwrap_or_else(|| match bind.ip().is_unspecified() {
                true => "localhost".to_owned(),
                false => host_of(bind.ip()),
            });
        let me = format!("sip:{user}@{at}")
            .parse::<Uri>()
            .map_err(|error| format!("--user {user:?}: {error}"))?;
        let account = match (&cli.password, &cli.ha1) {
            (Some(password), _) => Some(Account::with_password(user, password)),
            (None, Some(hex)) => {
                let realm = cli.realm.as_deref().unwrap_or_default();
                let ha1 = Ha1::from_hex(HashAlgorithm::Md5, realm, hex)
                    .map_err(|error| format!("--ha1: {error}"))?;
                Some(Account::with_ha1(user, [ha1]))
            }
            (None, None) => None,
        };
        Ok(Self {
            me: NameAddr::new(&me),
            domain,
            registrar,
            proxy: proxy.as_ref().map(NameAddr::new),
            account,
            transport,
            bind,
        })
    }

    /// Whom a name or a URI means.
    ///
    /// # Errors
    /// A line that says why it cannot be called.
    pub(crate) fn uri(&self, text: &str) -> Result<Uri, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{text:?} cannot be called: {error}");
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        let known = scheme.is_some_and(|s| ["sip", "sips"].contains(&&*s.to_ascii_lowercase()));
        let text = match (known, text.contains('@'), &self.domain) {
            (true, ..) => text.to_owned(),
            (false, true, _) => format!("sip:{text}"),
            (false, false, Some(domain)) => format!("sip:{text}@{domain}"),
            (false, false, None) => return Err(wrong(&"without --registrar a name is not enough")),
        };
        let uri: Uri = text.parse().map_err(|error| wrong(&error))?;
        if uri.user().is_none() {
            return Err(wrong(&"it names nobody"));
        }
        match uri.param("transport").is_some() || text.contains('?') {
            true => Ok(uri),
            false => format!("{text}{}", param(self.transport))
                .parse()
                .map_err(|error| wrong(&error)),
        }
    }
}

/// A server's URI.
fn server(option: &str, text: &str, transport: Transport, more: &str) -> Result<Uri, String> {
    let text = match text.starts_with("sip:") || text.starts_with("sips:") {
        true => text.to_owned(),
        false => format!("sip:{text}"),
    };
    let wrong = |error: &dyn std::fmt::Display| format!("{option} {text:?}: {error}");
    let uri: Uri = text.parse().map_err(|error| wrong(&error))?;
    if uri.user().is_some() {
        return Err(wrong(&"name the host alone"));
    }
    let param = match uri.param("transport") {
        Some(_) => "",
        None => param(transport),
    };
    format!("{text}{param}{more}")
        .parse()
        .map_err(|error| wrong(&error))
}

fn param(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
        Transport::Ws => ";transport=ws",
        Transport::Wss => ";transport=wss",
        _ => "",
    }
}

fn host_and_port(uri: &Uri) -> String {
    let host = uri.host().map(|host| host.to_string()).unwrap_or_default();
    match uri.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn host_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn bind(text: &str) -> Result<SocketAddr, String> {
    let ip = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    text.parse()
        .or_else(|_| ip())
        .map_err(|_| "write an IP address, with a port or without".to_owned())
}
