//! All streams together.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use rtp_core::rtp::{Rtp, Ssrc};

use crate::known::Known;
use crate::stream::{Report, Stream};

/// Streams that are followed; more are passed over.
const MAX_STREAMS: usize = 256;

/// Who a stream is.
pub(crate) type Id = (SocketAddr, SocketAddr, Ssrc);

/// The SSRC of an RTP packet, by RFC 7983 and RFC 5761 §4: neither STUN, DTLS nor RTCP.
pub(crate) fn rtp(packet: &[u8]) -> Option<(Ssrc, u16)> {
    let &[first, second, ..] = packet else {
        return None;
    };
    if first >> 6 != 2 || (192..=223).contains(&second) {
        return None;
    }
    Rtp::parse(packet).ok().map(|rtp| (rtp.ssrc, rtp.sequence))
}

pub(crate) struct Probe {
    known: Known,
    wav: Option<PathBuf>,
    epoch: Option<Instant>,
    streams: HashMap<Id, Stream>,
    order: Vec<Id>,
}

impl Probe {
    pub(crate) fn new(known: Known, wav: Option<PathBuf>) -> Self {
        Self {
            known,
            wav,
            epoch: None,
            streams: HashMap::new(),
            order: Vec::new(),
        }
    }

    /// Takes a packet that is RTP.
    pub(crate) fn receive(&mut self, now: Instant, id: Id, packet: &mut [u8]) -> io::Result<()> {
        let epoch = *self.epoch.get_or_insert(now);
        if !self.streams.contains_key(&id) {
            if self.order.len() == MAX_STREAMS {
                return Ok(());
            }
            self.order.push(id);
            let name = format!("stream-{}-{:08x}", self.order.len(), id.2.0);
            let wav = self.wav.as_ref().map(|folder| folder.join(name));
            let stream = Stream::new(epoch, now, (id.0, id.1), id.2, wav);
            self.streams.insert(id, stream);
        }
        match self.streams.get_mut(&id) {
            Some(stream) => stream.receive(now, &self.known, packet),
            None => Ok(()),
        }
    }

    /// What there is to say of each, in the order in which they came up.
    pub(crate) fn finish(mut self) -> io::Result<Vec<Report>> {
        let streams = self.order.iter().filter_map(|id| self.streams.remove(id));
        streams.map(Stream::finish).collect()
    }
}
