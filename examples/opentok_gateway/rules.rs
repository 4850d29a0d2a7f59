//! What the gateway was told once and goes by.

use std::path::PathBuf;
use std::time::Duration;

use signaling::{Ice, Secure};
use sip_core::header::NameAddr;

/// The rules of a desk.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// The project's API key.
    pub(crate) api_key: String,
    /// The same project's name in the Vonage form.
    pub(crate) application: Option<String>,
    /// What the addresses that we tell begin with.
    pub(crate) base: String,
    /// How the sound is encrypted where a request wants that and says no more.
    pub(crate) secure: Secure,
    /// Whether ICE finds the way of dials with DTLS.
    pub(crate) ice: Ice,
    /// Who calls where a request does not say.
    pub(crate) from: NameAddr,
    /// The codecs to offer; empty offers all.
    pub(crate) codecs: Vec<String>,
    /// Whether sound passes before the answer.
    pub(crate) early_media: bool,
    /// When ringing is given up.
    pub(crate) ring: Duration,
    /// The longest call.
    pub(crate) max_call: Duration,
    /// The longest that a phone may send nothing.
    pub(crate) idle: Duration,
    /// Whether a talker of our own is in every session.
    pub(crate) talker: bool,
    /// Where recordings go.
    pub(crate) record: PathBuf,
    /// How long calls may go on after the gateway was asked to stop.
    pub(crate) drain: Duration,
}

/// Sessions that are remembered. One weighs a kilobyte when nobody is in it.
pub(crate) const MOST_SESSIONS: usize = 10_000;

/// Dials that are remembered after their end.
pub(crate) const MOST_ENDED: usize = 1000;

/// Ends that the operator is shown.
pub(crate) const MOST_REASONS: usize = 100;

/// Callbacks that may be asked for.
pub(crate) const MOST_CALLBACKS: usize = 100;

/// Recordings that are remembered.
pub(crate) const MOST_ARCHIVES: usize = 1000;

/// The longest recording, seconds: as long as a call may last.
pub(crate) const LONGEST_ARCHIVE_S: u64 = 6 * 3600;
