//! Encode groups: whoever hears the shared mix in the same codec, with the same options and packet time, gets the
//! same payload, encoded once. Whoever hears a mix of its own has an encoder of its own for as long.
//!
//! The far end's decoder must not notice the change. Leaving, the listener's own encoder takes over the state of the
//! shared one where the codec allows that (G.711, G.722), or the shared stream itself if nobody else needs it; where it
//! does not (Opus), it is first given the last packets' sound, so that it knows the voice it goes on with. Coming back, the own encoder goes on for a while with the shared mix, so that both states have forgotten their difference.

use std::sync::Arc;

use crate::codec::{Codec, CodecOptions, Encoder};
use crate::error::CodecError;
use crate::rate::Rate;

/// Payloads a tick at most: 20 ms of tick in packets of 10 ms.
const MOST_PAYLOADS: usize = 2;
/// Packets of sound that an encoder hears before it takes over from one whose state it cannot have. One is worse than
/// none, for its second packet leans on the first; from two on, more changes nothing.
const PRIMING: usize = 3;

/// One bit stream, with the payloads of this tick.
pub(super) struct Stream {
    encoder: Box<dyn Encoder>,
    /// The packet in the making.
    frame: Vec<i16>,
    filled: usize,
    /// The last packets' sound, newest last, if the encoder's state cannot be handed on; and how many packets it is of.
    recent: Vec<i16>,
    recent_packets: usize,
    /// Loss that the encoder was last told to expect; `None`: what its options say.
    loss: Option<u8>,
    bytes: Vec<u8>,
    payload_room: usize,
    ends: [usize; MOST_PAYLOADS],
    count: usize,
}

impl Stream {
    fn new(encoder: Box<dyn Encoder>, frame: usize) -> Self {
        let payload_room = encoder.max_payload(frame);
        let remembers = if encoder.as_any().is_some() {
            0
        } else {
            PRIMING
        };
        Stream {
            encoder,
            frame: vec![0; frame],
            filled: 0,
            recent: vec![0; frame * remembers],
            recent_packets: 0,
            loss: None,
            bytes: vec![0; payload_room * MOST_PAYLOADS],
            payload_room,
            ends: [0; MOST_PAYLOADS],
            count: 0,
        }
    }

    /// Take in a tick of PCM; `failures` counts encoder errors.
    fn feed(&mut self, mut pcm: &[i16], failures: &mut u64) {
        self.count = 0;
        let mut used = 0;
        while !pcm.is_empty() {
            let take = pcm.len().min(self.frame.len() - self.filled);
            self.frame[self.filled..self.filled + take].copy_from_slice(&pcm[..take]);
            self.filled += take;
            pcm = &pcm[take..];
            if self.filled < self.frame.len() {
                break;
            }
            self.filled = 0;
            if !self.recent.is_empty() {
                let rest = self.recent.len() - self.frame.len();
                self.recent.copy_within(self.frame.len().., 0);
                self.recent[rest..].copy_from_slice(&self.frame);
                self.recent_packets = (self.recent_packets + 1).min(PRIMING);
            }
            let room = self
                .bytes
                .get_mut(used..used + self.payload_room)
                .unwrap_or_default();
            match self.encoder.encode(&self.frame, room) {
                Ok(0) => {}
                Ok(bytes) => {
                    used += bytes;
                    self.ends[self.count] = used;
                    self.count += 1;
                }
                Err(_) => *failures += 1,
            }
        }
    }

    fn payload(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends[..self.count].get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.bytes.get(start..end)
    }

    fn expect_loss(&mut self, percent: u8) {
        // Nobody reported any: leave what the options say.
        if self.loss.is_some_and(|told| told != percent) || (self.loss.is_none() && percent > 0) {
            self.encoder.set_expected_loss(percent);
            self.loss = Some(percent);
        }
    }

    /// Start over at the same place in the packet.
    fn restart(&mut self, filled: usize) {
        self.encoder.reset();
        self.frame.fill(0);
        self.filled = filled;
        self.recent_packets = 0;
        self.count = 0;
    }

    /// Go on, as a fresh stream, where `other` stands.
    fn continue_from(&mut self, other: &Stream) {
        self.frame.copy_from_slice(&other.frame);
        self.filled = other.filled;
        if self.encoder.continue_from(other.encoder.as_ref()) {
            return;
        }
        self.recent.copy_from_slice(&other.recent);
        self.recent_packets = other.recent_packets;
        let known = self.frame.len() * self.recent_packets;
        for packet in self.recent[self.recent.len() - known..].chunks_exact(self.frame.len()) {
            let room = self.bytes.get_mut(..self.payload_room).unwrap_or_default();
            // Only the state that it leaves is wanted; if it fails, the stream is as fresh as it was.
            let _ = self.encoder.encode(packet, room);
        }
    }
}

/// A listener's place in its group.
pub(super) struct OwnStream {
    pub(super) group: usize,
    own: Option<Stream>,
    /// Ticks since this listener last heard a mix of its own.
    together_for: u32,
    taken: usize,
    /// Loss that this listener's peer reports, percent.
    loss: u8,
}

/// Everyone with the same codec, options and packet time.
pub(super) struct Group {
    codec: Arc<dyn Codec>,
    options: CodecOptions,
    pub(super) rate: Rate,
    channels: u8,
    frame: usize,
    shared: Stream,
    /// Somebody was sent the shared stream at the last tick.
    running: bool,
    /// And is, at this one.
    users: usize,
    /// The greatest loss that one of them reports, percent.
    loss: u8,
    spare: Vec<Stream>,
    members: usize,
    /// Samples of the packet that came before this tick; the same for every stream of the group.
    phase: usize,
}

#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<Option<Group>>,
    pub(super) failures: u64,
}

impl Groups {
    /// Join the group of this codec, options and packet time, or found it.
    pub(super) fn join(
        &mut self,
        codec: &Arc<dyn Codec>,
        options: &CodecOptions,
        ptime_ms: u8,
    ) -> Result<OwnStream, CodecError> {
        let description = codec.description();
        let name = description.name;
        if !description.frame_ms.contains(&ptime_ms) {
            let samples = description.frame_samples(usize::from(ptime_ms));
            return Err(CodecError::FrameSize {
                codec: name,
                samples,
            });
        }
        if !(1..=2).contains(&description.channels) {
            return Err(CodecError::Option {
                codec: name,
                reason: "the mixer has one channel or two",
            });
        }
        let frame = description.frame_samples(usize::from(ptime_ms));
        let known = self.groups.iter().position(|group| {
            group.as_ref().is_some_and(|group| {
                Arc::ptr_eq(&group.codec, codec)
                    && group.options == *options
                    && group.frame == frame
            })
        });
        let index = match known {
            Some(index) => index,
            None => {
                let group = Group {
                    codec: Arc::clone(codec),
                    options: options.clone(),
                    rate: description.rate,
                    channels: description.channels,
                    frame,
                    shared: Stream::new(codec.encoder(options)?, frame),
                    running: false,
                    users: 0,
                    loss: 0,
                    spare: Vec::new(),
                    members: 0,
                    phase: 0,
                };
                match self.groups.iter().position(Option::is_none) {
                    Some(free) => {
                        self.groups[free] = Some(group);
                        free
                    }
                    None => {
                        self.groups.push(Some(group));
                        self.groups.len() - 1
                    }
                }
            }
        };
        if let Some(group) = &mut self.groups[index] {
            group.members += 1;
        }
        Ok(OwnStream {
            group: index,
            own: None,
            together_for: u32::MAX,
            taken: MOST_PAYLOADS,
            loss: 0,
        })
    }

    pub(super) fn leave(&mut self, mut stream: OwnStream) {
        let Some(place) = self.groups.get_mut(stream.group) else {
            return;
        };
        let Some(group) = place else { return };
        group.members -= 1;
        group.spare.extend(stream.own.take());
        if group.members == 0 {
            *place = None;
        }
    }

    /// The rate and the channels that a stream is encoded from.
    pub(super) fn shape(&self, stream: &OwnStream) -> Option<(Rate, u8)> {
        self.groups
            .get(stream.group)?
            .as_ref()
            .map(|group| (group.rate, group.channels))
    }

    /// Nobody is sent anything.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.iter().all(Option::is_none)
    }

    pub(super) fn begin(&mut self) {
        for group in self.groups.iter_mut().flatten() {
            group.users = 0;
            group.loss = 0;
        }
    }

    /// First pass: who is sent the shared stream at this tick. `apart`: the listener hears a mix of its own.
    pub(super) fn count(&mut self, stream: &mut OwnStream, apart: bool, patience: u32) {
        let Some(Some(group)) = self.groups.get_mut(stream.group) else {
            return;
        };
        stream.together_for = if apart {
            0
        } else {
            stream.together_for.saturating_add(1)
        };
        let settled = stream.together_for > patience || stream.own.is_none();
        if !apart && settled && (stream.own.is_none() || group.phase == 0) {
            group.users += 1;
            group.loss = group.loss.max(stream.loss);
            if let Some(own) = stream.own.take() {
                if group.running || group.users > 1 {
                    group.spare.push(own);
                } else {
                    // Nobody was sent the shared stream: this one becomes it, without a seam.
                    group.spare.push(std::mem::replace(&mut group.shared, own));
                    group.running = true;
                }
            } else if !group.running && group.users == 1 {
                group.shared.restart(group.phase);
                group.running = true;
            }
        }
    }

    /// Second pass: give a stream of its own to who leaves the shared one.
    pub(super) fn part(&mut self, stream: &mut OwnStream, apart: bool) {
        let Some(Some(group)) = self.groups.get_mut(stream.group) else {
            return;
        };
        if !apart || stream.own.is_some() {
            return;
        }
        let mut own = match group.spare.pop() {
            Some(own) => own,
            None => match group.codec.encoder(&group.options) {
                Ok(encoder) => Stream::new(encoder, group.frame),
                // The group's first encoder was made with the same options, so this one can be, too.
                Err(_) => {
                    self.failures += 1;
                    return;
                }
            },
        };
        own.restart(group.phase);
        if group.running {
            if group.users == 0 {
                std::mem::swap(&mut own, &mut group.shared);
                group.running = false;
            } else {
                own.continue_from(&group.shared);
            }
        }
        stream.own = Some(own);
    }

    /// Third pass: encode what is shared. `shared` gives the shared mix at a rate and of so many channels.
    pub(super) fn encode_shared<'m>(&mut self, shared: impl Fn(Rate, u8) -> &'m [i16]) {
        for group in self.groups.iter_mut().flatten() {
            let pcm = shared(group.rate, group.channels);
            if group.users > 0 {
                group.shared.expect_loss(group.loss);
                group.shared.feed(pcm, &mut self.failures);
            } else {
                group.shared.count = 0;
                group.running = false;
            }
            group.phase = (group.phase + pcm.len()) % group.frame;
        }
    }

    /// Fourth pass: encode what is not.
    pub(super) fn encode_own(&mut self, stream: &mut OwnStream, pcm: &[i16]) {
        stream.taken = 0;
        if let Some(own) = &mut stream.own {
            own.expect_loss(stream.loss);
            own.feed(pcm, &mut self.failures);
        }
    }

    /// The next payload of this tick.
    pub(super) fn payload<'g>(&'g self, stream: &'g mut OwnStream) -> Option<&'g [u8]> {
        let index = stream.taken;
        let from = match &stream.own {
            Some(own) => own,
            // Apart and without an encoder: rather nothing than one's own voice.
            None if stream.together_for == 0 => return None,
            None => &self.groups.get(stream.group)?.as_ref()?.shared,
        };
        let payload = from.payload(index)?;
        stream.taken += 1;
        Some(payload)
    }

    /// Encoders at work at this tick.
    pub(super) fn shared_encoders(&self) -> usize {
        self.groups
            .iter()
            .flatten()
            .filter(|group| group.users > 0)
            .count()
    }
}

impl OwnStream {
    pub(super) fn expect_loss(&mut self, percent: u8) {
        self.loss = percent.min(100);
    }

    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }
}
