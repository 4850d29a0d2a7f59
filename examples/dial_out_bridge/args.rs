//! The command line of this program.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use examples::args::{CallArgs, duration};

/// Dials a SIP phone out of a session and lets everyone hear each other.
///
/// Without arguments it brings a phone of its own, on loopback, and checks by ear and by protocol that the call works.
/// The demo's phone knows the user `bridge` with the password `patchcord`.
///
/// Exit code: 0 all checks hold, 1 a check failed, 2 the call could not be made, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "dial_out_bridge", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) call: CallArgs,

    /// Run the demo with every codec, key exchange and transport, all at once
    #[arg(long, conflicts_with = "sip_uri")]
    pub(crate) all: bool,

    /// Play this WAV file to the phone in place of two tones
    #[arg(long, value_name = "FILE", requires = "sip_uri")]
    pub(crate) play: Option<PathBuf>,

    /// Hang up after this long [default: 10s]
    #[arg(long, value_name = "TIME", requires = "sip_uri", value_parser = duration)]
    pub(crate) duration: Option<Duration>,

    /// Write what was heard and the capture to this folder
    #[arg(long, value_name = "DIR", default_value = "target/dial_out_bridge")]
    pub(crate) out: PathBuf,

    /// Join the session with this token instead of one made for it
    #[arg(long, value_name = "JWT", requires = "token_secret")]
    pub(crate) token: Option<String>,

    /// The secret that the token is signed with
    #[arg(long, value_name = "TEXT", requires = "token")]
    pub(crate) token_secret: Option<String>,
}
