//! Command line arguments that mean the same in every example, and how a bad one is told.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use signaling::Secure;
use sip_core::header::NameAddr;
use sip_core::{Scheme, Uri};

use crate::ice::ServerArgs;
pub use crate::written::{Header, caller, header};

/// How a phone is called.
#[derive(Debug, Clone, Args)]
pub struct CallArgs {
    /// The phone to dial, such as sip:desk@192.0.2.7:5060
    #[arg(long, value_name = "URI")]
    pub sip_uri: Option<String>,

    /// Who calls, as the phone shows it.
    #[arg(long, value_name = "URI", value_parser = caller, help = "Who calls, as the phone shows it: a URI, or 'Name <URI>'")]
    pub from: Option<NameAddr>,

    /// User name for a phone or proxy that asks for one
    #[arg(long, value_name = "NAME", requires = "password")]
    pub username: Option<String>,

    /// Its password
    #[arg(long, value_name = "TEXT", requires = "username")]
    pub password: Option<String>,

    /// Encrypt the sound, or do not call at all; SDES unless said otherwise. `allow` tries DTLS, then SDES, then the clear
    #[arg(long, value_name = "KEYS", num_args = 0..=1, require_equals = true, default_missing_value = "sdes")]
    pub secure: Option<Keys>,

    /// Let ICE find the way of the sound, or do not call at all; goes with --secure=dtls
    #[arg(long, requires = "secure")]
    pub ice: bool,

    /// Servers that help it.
    #[command(flatten)]
    pub servers: ServerArgs,

    /// How SIP travels, where the URI does not say
    #[arg(long, value_name = "NAME")]
    pub transport: Option<Transport>,

    /// Codecs to offer, most preferred first
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub codec: Vec<Codec>,

    /// A header to send along, such as 'X-Room: 42'; may be given several times
    #[arg(long, value_name = "'NAME: VALUE'", value_parser = header)]
    pub header: Vec<Header>,

    /// UDP ports for the sound, such as 10000-20000
    #[arg(long, value_name = "FROM-TO", value_parser = port_range)]
    pub rtp_ports: Option<RangeInclusive<u16>>,

    /// The address to tell the phone, where it differs from the one bound (NAT)
    #[arg(long, value_name = "IP")]
    pub advertise: Option<IpAddr>,

    /// The address to bind
    #[arg(long, value_name = "IP")]
    pub bind: Option<IpAddr>,

    /// Hang up after this long, whatever happens (6h, 30m, 90s)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub max_call: Option<Duration>,

    /// Hang up when nothing came from the phone for this long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub idle: Option<Duration>,

    /// Play what the phone sends before it answers into the session
    #[arg(long)]
    pub early_media: bool,

    /// Write the WAV files to this folder
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,

    /// Write the capture to this file
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// How media keys are agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Keys {
    /// In the SDP, RFC 4568.
    Sdes,
    /// By a handshake on the media path, RFC 5763.
    Dtls,
    /// As the phone takes it: by a handshake, else in the SDP, else none at all.
    Allow,
}

/// How SIP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
}

/// A codec by the name that people type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// Opus, RFC 6716.
    Opus,
    /// G.722.
    G722,
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl Keys {
    /// The same for a call.
    pub fn secure(self) -> Secure {
        match self {
            Self::Sdes => Secure::Require,
            Self::Dtls => Secure::Dtls,
            Self::Allow => Secure::Allow,
        }
    }
}

impl Codec {
    /// Every codec, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::Opus, Self::G722, Self::Pcmu, Self::Pcma];

    /// The encoding name of SDP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

/// A phone that can be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its URI, which names the transport whenever that is not UDP.
    pub uri: Uri,
    /// How to reach it.
    pub transport: Transport,
}

/// Reads a URI that shall be dialled; `chosen` is what `--transport` says.
///
/// # Errors
/// One line that names what cannot be dialled and why.
pub fn target(text: &str, chosen: Option<Transport>) -> Result<Target, String> {
    let uri =
        Uri::from_str(text).map_err(|error| format!("{text:?} cannot be dialled: {error}"))?;
    match uri.scheme() {
        Scheme::Sip => {}
        Scheme::Sips => {
            return Err(format!(
                "{text:?} cannot be dialled: sips needs TLS, which is not there yet; use sip"
            ));
        }
        _ => {
            let scheme = uri.as_ref().scheme_str().to_owned();
            return Err(format!(
                "{text:?} cannot be dialled: unknown scheme {scheme:?}; use sip"
            ));
        }
    }
    if uri.port() == Some(0) {
        return Err(format!("{text:?} cannot be dialled: port 0 is nobody's"));
    }
    let named = match uri
        .param("transport")
        .map(|param| param.value().unwrap_or_default().to_owned())
    {
        None => None,
        Some(name) => Some(Transport::from_str(&name, true).map_err(|_| {
            format!("{text:?} cannot be dialled: unknown transport {name:?}; use udp or tcp")
        })?),
    };
    match (named, chosen) {
        (Some(named), Some(chosen)) if named != chosen => Err(format!(
            "{text:?} says {named}, but --transport says {chosen}"
        )),
        (None, Some(Transport::Tcp)) => {
            let (head, headers) = text.split_at(text.find('?').unwrap_or(text.len()));
            let uri = Uri::from_str(&format!("{head};transport=tcp{headers}"))
                .map_err(|error| format!("{text:?} cannot be dialled over TCP: {error}"))?;
            Ok(Target {
                uri,
                transport: Transport::Tcp,
            })
        }
        _ => Ok(Target {
            uri,
            transport: named.or(chosen).unwrap_or(Transport::Udp),
        }),
    }
}

/// Reads `90`, `1.5s`, `250ms`, `5m` or `6h`; a bare number counts seconds.
///
/// # Errors
/// When it is no time, not longer than 0, or longer than 30 days.
pub fn duration(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[number.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("not a time; write 10s, 5m or 6h".into()),
    };
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err("not a time; write 10s, 5m or 6h".into());
    }
    let number: f64 = number
        .parse()
        .map_err(|_| "not a time; write 10s, 5m or 6h".to_owned())?;
    let duration =
        Duration::try_from_secs_f64(number * seconds).map_err(|_| "too long".to_owned())?;
    if duration < Duration::from_millis(1) {
        return Err("must be longer than 0".into());
    }
    if duration > Duration::from_secs(30 * 24 * 3600) {
        return Err("longer than 30 days".into());
    }
    Ok(duration)
}

/// Reads `10000-20000`.
///
/// # Errors
/// When it is no range, or holds no even port with the odd one after it (RTP and RTCP, RFC 3550 section 11).
pub fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (from, to) = text
        .split_once('-')
        .ok_or("not a range; write 10000-20000")?;
    let port = |text: &str| {
        text.trim()
            .parse::<u16>()
            .map_err(|_| format!("{text:?} is no port"))
    };
    let (from, to) = (port(from)?, port(to)?);
    if from == 0 {
        return Err("port 0 is nobody's".into());
    }
    if from > to {
        return Err(format!("{from} comes after {to}"));
    }
    if u32::from(from).next_multiple_of(2) >= u32::from(to) {
        return Err("holds no even port with the odd one after it".into());
    }
    Ok(from..=to)
}

/// What `error` says, as one line without the usage that follows.
pub fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        call: CallArgs,
    }

    fn parse(args: &[&str]) -> Result<CallArgs, String> {
        Cli::try_parse_from([&["test"], args].concat())
            .map(|cli| cli.call)
            .map_err(|error| one_line(&error))
    }

    #[test]
    fn durations() {
        for (text, ms) in [
            ("10", 10_000),
            ("1.5s", 1500),
            ("250ms", 250),
            ("5m", 300_000),
            ("6h", 21_600_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "0",
            "0s",
            "0.0001",
            "",
            "s",
            "-1",
            "+1",
            "1e9",
            "inf",
            "NaN",
            "1.2.3",
            "9d",
            "800h",
            "1 s",
            "9999999999999h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn port_ranges_hold_a_pair() {
        assert_eq!(port_range("10000-20000"), Ok(10_000..=20_000));
        assert_eq!(port_range("10001-10003"), Ok(10_001..=10_003));
        for text in [
            "10000",
            "0-9",
            "5-4",
            "70000-70001",
            "4000-4000",
            "4001-4002",
            "a-b",
            "1--2",
            "65535-65535",
        ] {
            assert!(port_range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn targets() {
        let cases = [
            ("sip:a@h", None, Ok(("sip:a@h", Transport::Udp))),
            (
                "sip:a@h;transport=TCP",
                None,
                Ok(("sip:a@h;transport=TCP", Transport::Tcp)),
            ),
            (
                "sip:a@h",
                Some(Transport::Tcp),
                Ok(("sip:a@h;transport=tcp", Transport::Tcp)),
            ),
            (
                "sip:a@h?X=1",
                Some(Transport::Tcp),
                Ok(("sip:a@h;transport=tcp?X=1", Transport::Tcp)),
            ),
            (
                "sip:a@h;transport=udp",
                Some(Transport::Udp),
                Ok(("sip:a@h;transport=udp", Transport::Udp)),
            ),
            (
                "sip:a@h;transport=udp",
                Some(Transport::Tcp),
                Err("--transport says TCP"),
            ),
            ("http://a", None, Err("unknown scheme \"http\"")),
            ("tel:+123", None, Err("unknown scheme \"tel\"")),
            ("sips:a@h", None, Err("TLS")),
            (
                "sip:a@h;transport=sctp",
                None,
                Err("unknown transport \"sctp\""),
            ),
            ("sip:a@h;transport", None, Err("unknown transport \"\"")),
            ("sip:a@h:0", None, Err("port 0")),
            ("sip:a@", None, Err("not a host")),
            ("a@h", None, Err("no scheme")),
            ("", None, Err("no scheme")),
        ];
        for (text, chosen, expected) in cases {
            match (target(text, chosen), expected) {
                (Ok(got), Ok((uri, transport))) => {
                    assert_eq!((got.uri.as_str(), got.transport), (uri, transport));
                }
                (Err(got), Err(part)) => assert!(got.contains(part), "{text}: {got}"),
                (got, expected) => panic!("{text}: {got:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn reads_the_shared_arguments() {
        let call = parse(&[
            "--codec",
            "pcmu,opus",
            "--secure",
            "--transport",
            "tcp",
            "--from",
            "sip:me@home",
        ])
        .unwrap();
        assert_eq!(call.codec, [Codec::Pcmu, Codec::Opus]);
        assert_eq!(
            (call.secure, call.transport),
            (Some(Keys::Sdes), Some(Transport::Tcp))
        );
        assert_eq!(parse(&["--secure=sdes"]).unwrap().secure, Some(Keys::Sdes));
        assert_eq!(parse(&["--secure=dtls"]).unwrap().secure, Some(Keys::Dtls));
        assert_eq!(
            parse(&["--secure=allow"]).unwrap().secure,
            Some(Keys::Allow)
        );
        assert!(parse(&["--secure=dtls", "--ice"]).unwrap().ice);
        assert_eq!(parse(&[]).unwrap().secure, None);
    }

    #[test]
    fn a_bad_argument_is_one_line() {
        for (args, part) in [
            (
                &["--idle", "0"][..],
                "invalid value '0' for '--idle <TIME>': must be longer than 0",
            ),
            (
                &["--codec", "g729"],
                "invalid value 'g729' for '--codec <LIST>' [possible values: opus, g722, pcmu, pcma]",
            ),
            (
                &["--transport", "sctp"],
                "invalid value 'sctp' for '--transport <NAME>' [possible values: udp, tcp]",
            ),
            (&["--secure=zrtp"], "invalid value 'zrtp'"),
            (&["--ice"], "--secure"),
            (&["--username", "bob"], "--password <TEXT>"),
            (&["--fro"], "unexpected argument '--fro' found"),
            (&["--from", "me"], "invalid value 'me' for '--from <URI>'"),
            (&["--from", "http://me"], "unknown scheme"),
            (&["--from", "sip:a@b\r\nVia: x"], "invalid value"),
        ] {
            let line = parse(args).unwrap_err();
            assert!(
                line.contains(part) && !line.contains('\n'),
                "{args:?}: {line}"
            );
        }
    }
}
