//! The command line, and the file of settings that stands for it.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use examples::args::{Codec, caller, duration, one_line, port_range};
use examples::ice::ServerArgs;
use examples::settings;
use signaling::Secure;
use sip_core::header::NameAddr;

/// A gateway that server SDKs of the OpenTok family drive: phones dialled into sessions by REST.
///
/// Without arguments it starts on loopback with a key of its own, a phone and a talker, and prints what to try.
#[derive(Debug, Parser)]
#[command(name = "opentok_gateway", version)]
pub(crate) struct Cli {
    /// Where REST listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000")]
    pub(crate) http: SocketAddr,

    /// The project's API key; without one, a key and a secret are made up
    #[arg(long, value_name = "KEY", requires = "api_secret")]
    pub(crate) api_key: Option<String>,

    /// The project's secret, 32 bytes or more
    #[arg(long, value_name = "TEXT", requires = "api_key")]
    pub(crate) api_secret: Option<String>,

    /// The project's id for SDKs of the Vonage form, whose tokens come as Authorization: Bearer
    #[arg(long, value_name = "ID", requires = "application_key")]
    pub(crate) application: Option<String>,

    /// The public key (PEM, RSA) that checks those tokens
    #[arg(long, value_name = "FILE", requires = "application")]
    pub(crate) application_key: Option<PathBuf>,

    /// What the addresses that the gateway tells begin with, where a proxy stands before it
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,

    /// Where SIP listens, on UDP and TCP; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) sip: SocketAddr,

    /// Where SIP listens on TLS as well; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) sip_tls: Option<SocketAddr>,

    /// Trust these certificates (PEM) of phones that are called over TLS; without it, those that the system trusts
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// How a dial with "secure": true gets its keys
    #[arg(long, value_name = "KEYS", default_value = "sdes", value_parser = keys)]
    pub(crate) secure: Secure,

    /// Let ICE find the way of the sound of dials with DTLS, where the phone has it too
    #[arg(long)]
    pub(crate) ice: bool,

    #[command(flatten)]
    pub(crate) servers: ServerArgs,

    /// The address to tell phones, where it differs from the one bound (NAT)
    #[arg(long, value_name = "IP")]
    pub(crate) advertise: Option<IpAddr>,

    /// UDP ports for the sound, such as 10000-20000
    #[arg(long, value_name = "FROM-TO", value_parser = port_range)]
    pub(crate) rtp_ports: Option<RangeInclusive<u16>>,

    /// Media threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) media_threads: u8,

    /// Who calls where a request does not say
    #[arg(long, value_name = "URI", value_parser = caller)]
    pub(crate) from: Option<NameAddr>,

    /// Codecs to offer, most preferred first
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) codec: Vec<Codec>,

    /// Let sound pass before a phone answers
    #[arg(long)]
    pub(crate) early_media: bool,

    /// Give up ringing after this long
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub(crate) ring: Duration,

    /// Hang up after this long, whatever happens
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "6h")]
    pub(crate) max_call: Duration,

    /// Hang up when nothing came from a phone for this long
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    pub(crate) idle: Duration,

    /// How long calls may go on after SIGTERM
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub(crate) drain: Duration,

    /// Where archives go
    #[arg(long, value_name = "DIR", default_value = "target/opentok_gateway")]
    pub(crate) record: PathBuf,

    /// Sign callbacks with this secret
    #[arg(long, value_name = "TEXT")]
    pub(crate) callback_secret: Option<String>,

    /// Serve REST over TLS, and SIP at --sip-tls, with this chain of certificates (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Serve REST over TLS with a certificate made up for this run
    #[arg(long, conflicts_with = "tls_cert")]
    pub(crate) tls: bool,

    /// Start a phone of our own: sip:phone@, sip:busy@ and sip:nobody@ at the address that is printed
    #[arg(long)]
    pub(crate) phone: bool,

    /// Put a talker of our own, 440 Hz, into every session
    #[arg(long)]
    pub(crate) talker: bool,

    /// Read settings from a file: a line `name = value` for each `--name value`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Cli {
    /// Reads the command line, and before it the file that it names.
    ///
    /// # Errors
    /// What to print, and whether that is an error.
    pub(crate) fn read(given: impl Iterator<Item = OsString>) -> Result<Self, (String, bool)> {
        let given: Vec<_> = given.collect();
        let parse = |args: &[OsString]| {
            Self::try_parse_from(args).map_err(|error| match error.use_stderr() {
                true => (one_line(&error), true),
                false => (error.to_string(), false),
            })
        };
        // The file alone may complete what the command line lacks, so its name is looked for before all is checked.
        let mut all = given.clone();
        if let Some(file) = config_of(&given) {
            let failed = |why: &dyn std::fmt::Display| (format!("{}: {why}", file.display()), true);
            let text = std::fs::read_to_string(&file).map_err(|error| failed(&error))?;
            let settings = settings::arguments(&text).map_err(|error| failed(&error))?;
            let name = all.first().cloned().unwrap_or_default();
            let rest = all.drain(..).skip(1).collect::<Vec<_>>();
            all = [name]
                .into_iter()
                .chain(settings.into_iter().map(OsString::from))
                .chain(rest)
                .collect();
        }
        let mut cli = parse(&all)?;
        if !cli.ice && !cli.servers.is_empty() {
            return Err(("--stun and --turn go with --ice".to_owned(), true));
        }
        if given.len() <= 1 {
            (cli.phone, cli.talker) = (true, true);
        }
        Ok(cli)
    }
}

/// How keys are exchanged where a request says `true`: whoever says that wants no call in the clear.
fn keys(text: &str) -> Result<Secure, String> {
    match text {
        "sdes" => Ok(Secure::Require),
        "dtls" => Ok(Secure::Dtls),
        _ => Err("write sdes or dtls".to_owned()),
    }
}

/// The file that the arguments name.
fn config_of(args: &[OsString]) -> Option<PathBuf> {
    let mut args = args.iter().filter_map(|arg| arg.to_str());
    while let Some(arg) = args.next() {
        if let Some(file) = arg.strip_prefix("--config=") {
            return Some(file.into());
        }
        if arg == "--config" {
            return args.next().map(PathBuf::from);
        }
    }
    None
}
