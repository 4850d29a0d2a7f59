//! The command line of this program.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser};
use examples::args::{duration, port_range};
use examples::ice::ServerArgs;

/// A room in which WAV files, phones and simulated participants hear one another, and nobody themselves.
///
/// Without --wav and --listen it brings two speakers from WAV files and two phones that call in, on loopback, and checks
/// by ear and by protocol that the room works.
///
/// Exit code: 0 all checks hold, 1 a check failed, 2 the room could not be opened, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "conference", version, group = ArgGroup::new("who").args(["password", "anyone"]))]
pub(crate) struct Cli {
    /// A speaker: this WAV file, again and again; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) wav: Vec<PathBuf>,

    /// Let phones call in at this address; say who may: --password or --anyone
    #[arg(long, value_name = "IP:PORT", requires = "who")]
    pub(crate) listen: Option<SocketAddr>,

    /// Phones must know this password
    #[arg(long, value_name = "TEXT", requires = "listen")]
    pub(crate) password: Option<String>,

    /// The user that the password belongs to
    #[arg(
        long,
        value_name = "NAME",
        requires = "password",
        default_value = "guest"
    )]
    pub(crate) username: String,

    /// Anyone who reaches the address may call in
    #[arg(long, requires = "listen")]
    pub(crate) anyone: bool,

    /// What phones call: sip:NAME@IP:PORT; any other name is not found
    #[arg(
        long,
        value_name = "NAME",
        requires = "listen",
        default_value = "conference"
    )]
    pub(crate) room: String,

    /// How many phones may be in the room at once
    #[arg(long, value_name = "N", requires = "listen", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) max_phones: u16,

    /// The address to tell phones, where it differs from the one bound (NAT)
    #[arg(long, value_name = "IP", requires = "listen")]
    pub(crate) advertise: Option<IpAddr>,

    /// UDP ports for the phones' sound, such as 10000-20000
    #[arg(long, value_name = "FROM-TO", value_parser = port_range)]
    pub(crate) rtp_ports: Option<RangeInclusive<u16>>,

    /// A UDP port that the sound of callers with ICE shares, such as browsers'; the others have ports of their own
    #[arg(long, value_name = "PORT", requires = "listen")]
    pub(crate) media_port: Option<u16>,

    #[command(flatten)]
    pub(crate) servers: ServerArgs,

    /// Simulated participants: each says a quiet noise all the time and hears all others [default: 30 in the demo, else 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub(crate) self_load: Option<u16>,

    /// Write what is heard in the room to this file: Ogg Opus if it ends in .opus, .ogg or .oga, else WAV [default: one of
    /// the demo's own]
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Close the room after this long [default: 8s in the demo; the longest file's length; with --listen at Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) seconds: Option<Duration>,

    /// Where the demo leaves its files
    #[arg(long, value_name = "DIR", default_value = "target/conference")]
    pub(crate) out: PathBuf,

    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

impl Cli {
    /// Whether there is somebody to meet; if not, the demo brings its own.
    pub(crate) fn is_meeting(&self) -> bool {
        !self.wav.is_empty() || self.listen.is_some()
    }
}
