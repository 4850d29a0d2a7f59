//! Listens in on RTP: from a capture, or from a port with an SDP.
//!
//! ```text
//! cargo run --release --example rtp_probe -- call.pcapng                      SIP in the capture says what is what
//! cargo run --release --example rtp_probe -- call.pcap --sdp a.sdp --sdp b.sdp
//! cargo run --release --example rtp_probe -- --listen 0.0.0.0:4000 --sdp far.sdp --for 30s
//!     --wav DIR     what was heard, a file a stream      --svg FILE   loss, jitter and MOS over time
//!     --json        one JSON object a stream
//! ```
//!
//! For each stream: SSRC, codec, loss, jitter, MOS over time, keys. SDES is decrypted with the keys in the SDP. What is
//! said of a stream is what a phone at the probe's place would have played: the packets go through a jitter buffer and
//! the decoder of their codec.
//!
//! Exit code 0: streams were found; 1: none; 2: something cannot be read or written.
#![forbid(unsafe_code)]

mod known;
mod live;
mod offline;
mod probe;
mod report;
mod shield;
mod sound;
mod stream;
mod svg;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use known::Known;
use probe::Probe;

/// What a stream of RTP sounds like, and how well it came.
#[derive(Debug, Parser)]
#[command(name = "rtp_probe")]
struct Arguments {
    /// A pcap or pcapng capture; the SIP in it tells codecs and keys
    #[arg(
        value_name = "FILE",
        required_unless_present = "listen",
        conflicts_with = "listen"
    )]
    file: Option<PathBuf>,
    /// Listen at this address instead
    #[arg(long, value_name = "ADDRESS:PORT", requires = "sdp")]
    listen: Option<SocketAddr>,
    /// How long to listen (30s, 5m)
    #[arg(long = "for", value_name = "TIME", value_parser = examples::args::duration, default_value = "10s")]
    time: Duration,
    /// A session description of either side, with codecs and SDES keys; may be given several times
    #[arg(long, value_name = "FILE")]
    sdp: Vec<PathBuf>,
    /// Write what was heard into this folder, a WAV file a stream
    #[arg(long, value_name = "DIR")]
    wav: Option<PathBuf>,
    /// Draw loss, jitter and MOS over time into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print one JSON object a stream
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "rtp_probe: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether a stream was found.
fn run(arguments: &Arguments) -> Result<bool, String> {
    let mut known = Known::default();
    for file in &arguments.sdp {
        let text = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
        known
            .learn(&text)
            .map_err(|e| format!("{}: {e}", file.display()))?;
    }
    if let Some(folder) = &arguments.wav {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let wav = arguments.wav.clone();
    let reports = match (&arguments.file, arguments.listen) {
        (Some(file), _) => {
            let bytes = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
            offline::run(&bytes, known, wav).map_err(|e| format!("{}: {e}", file.display()))?
        }
        (None, Some(address)) => live::run(address, arguments.time, Probe::new(known, wav))
            .map_err(|e| format!("{address}: {e}"))?,
        (None, None) => return Err("neither a capture nor a port".to_owned()),
    };
    if let Some(file) = &arguments.svg {
        std::fs::write(file, svg::draw(&reports))
            .map_err(|e| format!("{}: {e}", file.display()))?;
    }
    match report::print(&reports, arguments.json, &mut io::stdout().lock()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(!reports.is_empty()),
    }
}
