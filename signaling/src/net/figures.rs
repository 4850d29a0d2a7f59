//! A gateway in figures: what an operator watches.

use super::calls::info;
use super::{CallInfo, Gateway};
use crate::call::{CallEnd, EndReason};
use crate::engine::Lateness;
use sip_core::EndKind;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A gateway at one moment. Totals count since it was bound.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Open sessions.
    pub sessions: usize,
    /// Those who are in them.
    pub participants: usize,
    /// Calls that are not over.
    pub calls: usize,
    /// Those of them that are answered.
    pub calls_up: usize,
    /// Calls dialled.
    pub dialled: u64,
    /// Calls that came in.
    pub incoming: u64,
    /// Calls answered, by either side.
    pub answered: u64,
    /// The time from INVITE to answer, of all answered calls together.
    pub setup: Duration,
    /// Calls that are over, by what ended them: `hung_up`, `cancelled`, `rejected`, `auth_failed`, `no_answer`,
    /// `timed_out`, `unreachable`, `media_timeout`, `max_duration`, `media_unusable`, `other`.
    pub ended: BTreeMap<&'static str, u64>,
    /// Pairs of media ports in use.
    pub ports: usize,
    /// RTP packets from phones, calls that are over included.
    pub packets_received: u64,
    /// RTP packets of theirs that never came.
    pub packets_lost: u64,
    /// The worst mean opinion score of the calls that are up, 1 to 4.5.
    pub worst_mos: Option<f64>,
    /// How punctual the media threads are, the worst of them.
    pub lateness: Lateness,
}

/// What is counted as it happens.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) dialled: u64,
    pub(super) incoming: u64,
    pub(super) answered: u64,
    pub(super) setup: Duration,
    ended: BTreeMap<&'static str, u64>,
    packets_received: u64,
    packets_lost: u64,
}

impl Counts {
    pub(super) fn end(&mut self, end: &CallEnd, info: &CallInfo) {
        *self.ended.entry(kind(end)).or_default() += 1;
        let (received, lost) = packets(info);
        self.packets_received += received;
        self.packets_lost += lost;
    }
}

/// The class of an end, in a word.
fn kind(end: &CallEnd) -> &'static str {
    match (&end.reason, &end.cause.kind) {
        (Some(EndReason::MediaTimeout), _) => "media_timeout",
        (Some(EndReason::MaxDuration), _) => "max_duration",
        (Some(EndReason::Unsecured(_)), _) => "unsecured",
        (Some(EndReason::Unreachable), _) => "unreachable_media",
        (Some(EndReason::NoAnswer | EndReason::BadAnswer(_)), _) => "media_unusable",
        (None, EndKind::HungUp) => "hung_up",
        (None, EndKind::Cancelled) => "cancelled",
        (None, EndKind::Rejected) => "rejected",
        (None, EndKind::AuthFailed { .. }) => "auth_failed",
        (None, EndKind::RingTimeout) => "no_answer",
        (None, EndKind::TimedOut(_) | EndKind::SessionExpired | EndKind::Lost) => "timed_out",
        (None, EndKind::Transport(_) | EndKind::Unresolved) => "unreachable",
        (None, _) => "other",
    }
}

/// Packets that came, and packets that did not.
fn packets(info: &CallInfo) -> (u64, u64) {
    let path = info.media.as_ref().and_then(|media| media.path.as_ref());
    path.map_or((0, 0), |path| {
        let lost = u64::try_from(path.packets_lost).unwrap_or_default();
        (path.packets_received, lost)
    })
}

impl Gateway {
    /// The gateway at this moment.
    pub fn figures(&self) -> Figures {
        let now = Instant::now();
        let counts = &self.counts;
        let mut figures = Figures {
            sessions: self.sessions.len(),
            calls: self.calls.len(),
            ports: self.ports.in_use(),
            dialled: counts.dialled,
            incoming: counts.incoming,
            answered: counts.answered,
            setup: counts.setup,
            ended: counts.ended.clone(),
            packets_received: counts.packets_received,
            packets_lost: counts.packets_lost,
            lateness: self.lateness(),
            ..Figures::default()
        };
        for open in self.sessions.values() {
            figures.participants += open.session.participants().len();
        }
        for entry in self.calls.values() {
            let info = info(entry, now);
            figures.calls_up += usize::from(info.setup.is_some());
            let (received, lost) = packets(&info);
            figures.packets_received += received;
            figures.packets_lost += lost;
            if let Some(mos) = info.mos() {
                let worst = figures.worst_mos.unwrap_or(mos);
                figures.worst_mos = Some(worst.min(mos));
            }
        }
        figures
    }
}
