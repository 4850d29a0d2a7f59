//! What a stream sounds like: its jitter buffer, its decoders, and the file that keeps it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_mix::wav::WavWriter;
use media_mix::{Codec, CodecOptions, ComfortNoise, Decoder, Rate};
use rtp_core::jitter::{Frame, JitterBuffer, JitterConfig, JitterStats, Playout};
use rtp_core::quality::LossCounter;
use rtp_core::rtp::Rtp;

/// What is played at a time.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// Pulls of one tick; frames are 10 ms or longer.
const MAX_PULLS: usize = 16;
/// Packets of keys that wait for the sound around them to be played.
const MAX_EVENTS: usize = 256;
/// The longest frame: 120 ms of Opus in stereo.
const MAX_PCM: usize = 48 * 120 * 2;

/// Makes a frame a pitch period longer or shorter.
type Bend = fn(Rate, &[i16], &mut [i16]) -> usize;

pub(crate) struct Sound {
    jitter: JitterBuffer,
    codec: Option<Arc<dyn Codec>>,
    decoder: Option<Box<dyn Decoder>>,
    comfort: Option<ComfortNoise>,
    /// Sound played beyond the last tick, in ticks of the RTP clock.
    ahead: u32,
    payload: Box<[u8; 1500]>,
    pcm: Vec<i16>,
    bent: Vec<i16>,
    /// Frames played and lost, in order.
    pub(crate) frames: LossCounter,
    /// The last frame's sequence number.
    last: Option<u16>,
    /// Sequence numbers of keys that come after it.
    events: VecDeque<u16>,
    recovered: u16,
    recording: Option<Recording>,
}

impl Sound {
    /// `wav` is the path of the recording, without its ending.
    pub(crate) fn new(wav: Option<PathBuf>) -> Self {
        Self {
            jitter: JitterBuffer::new(JitterConfig::new(8000)),
            codec: None,
            decoder: None,
            comfort: None,
            ahead: 0,
            payload: Box::new([0; 1500]),
            pcm: vec![0; MAX_PCM],
            bent: vec![0; MAX_PCM * 2],
            frames: LossCounter::new(),
            last: None,
            events: VecDeque::new(),
            recovered: 0,
            recording: wav.map(Recording::new),
        }
    }

    pub(crate) fn stats(&self) -> JitterStats {
        self.jitter.stats()
    }

    /// The codec that was heard last.
    pub(crate) fn codec(&self) -> Option<&Arc<dyn Codec>> {
        self.codec.as_ref()
    }

    /// Sound of a codec that can be decoded, or of one that cannot and is only counted.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        rtp: Rtp<'_>,
        codec: Option<&Arc<dyn Codec>>,
        clock_rate: u32,
    ) {
        let name = |codec: &Arc<dyn Codec>| codec.description().name;
        if self.codec.as_ref().map(name) != codec.map(name) {
            self.codec = codec.cloned();
            self.decoder = codec.and_then(|c| c.decoder(&CodecOptions::default()).ok());
        }
        if self.jitter.config().clock_rate != clock_rate {
            let mut config = JitterConfig::new(clock_rate);
            if let Some(codec) = codec {
                config.recover = codec.description().fec;
                config.dtx = name(codec).eq_ignore_ascii_case("opus");
            }
            self.jitter = JitterBuffer::new(config);
            self.ahead = 0;
        }
        let _ = self.jitter.push(now, rtp);
    }

    /// Comfort noise belongs to the stream that is there.
    pub(crate) fn silence(&mut self, now: Instant, rtp: Rtp<'_>) {
        let _ = self.jitter.push(now, rtp);
    }

    /// A packet of a key.
    pub(crate) fn skip(&mut self, now: Instant, rtp: Rtp<'_>) {
        let _ = self.jitter.skip(now, rtp);
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(rtp.sequence);
    }

    /// Plays 20 ms.
    pub(crate) fn tick(&mut self, now: Instant) -> io::Result<()> {
        let wanted = self.jitter.config().clock_rate / 50;
        for _ in 0..MAX_PULLS {
            if self.ahead >= wanted {
                break;
            }
            match self.jitter.pull(now, &mut *self.payload) {
                Playout::Frame(frame) => self.play(frame, None)?,
                Playout::Stretch { frame, .. } => self.play(frame, Some(media_mix::stretch))?,
                Playout::Shrink { frame, .. } => self.play(frame, Some(media_mix::shrink))?,
                Playout::Recover(next) => {
                    let len = self.samples(next.samples);
                    if let Some(decoder) = &mut self.decoder {
                        let found =
                            decoder.recover(&self.payload[..next.len], &mut self.pcm[..len]);
                        self.recovered += u16::from(found);
                    }
                    self.keep(len, next.samples)?;
                }
                Playout::Conceal { samples } => {
                    let len = self.samples(samples);
                    match &mut self.decoder {
                        Some(decoder) => decoder.conceal(&mut self.pcm[..len]),
                        None => self.pcm[..len].fill(0),
                    }
                    self.keep(len, samples)?;
                }
                Playout::Comfort { samples } => self.rest(samples)?,
                _ => {
                    let samples = wanted - self.ahead;
                    let len = self.samples(samples);
                    self.pcm[..len].fill(0);
                    self.keep(len, samples)?;
                    if let Some(decoder) = &mut self.decoder {
                        decoder.reset();
                    }
                }
            }
        }
        self.ahead = self.ahead.saturating_sub(wanted);
        Ok(())
    }

    fn play(&mut self, frame: Frame, bend: Option<Bend>) -> io::Result<()> {
        self.count(frame.sequence);
        if frame.payload_type == 13 {
            let noise = self.comfort.get_or_insert_with(ComfortNoise::new);
            noise.update(&self.payload[..frame.len]);
            return self.rest(frame.samples);
        }
        let (Some(codec), Some(decoder)) = (&self.codec, &mut self.decoder) else {
            self.ahead += frame.samples.max(1);
            return Ok(());
        };
        let description = codec.description();
        let decoded = decoder.decode(&self.payload[..frame.len], &mut self.pcm);
        let Ok(mut len) = decoded else {
            let len = self.samples(frame.samples);
            if let Some(decoder) = &mut self.decoder {
                decoder.conceal(&mut self.pcm[..len]);
            }
            return self.keep(len, frame.samples.max(1));
        };
        let channels = usize::from(description.channels);
        if let Some(bend) = bend.filter(|_| channels == 1) {
            len = bend(description.rate, &self.pcm[..len], &mut self.bent);
            self.pcm[..len].copy_from_slice(&self.bent[..len]);
        }
        let ticks = (len / channels) as u64 * u64::from(description.clock_rate)
            / u64::from(description.rate.hz());
        self.keep(len, (ticks as u32).max(1))
    }

    /// Counts a frame, and before it what is missing.
    fn count(&mut self, sequence: u16) {
        let gap = self.last.map_or(1, |last| sequence.wrapping_sub(last));
        // A jump is another stream, not loss.
        if (1..3000).contains(&gap) {
            let mut gone = gap - 1;
            self.events.retain(|event| {
                let between = sequence.wrapping_sub(*event) < gap;
                gone = gone.saturating_sub(u16::from(between));
                // What lies behind is over.
                sequence.wrapping_sub(*event) >= 0x8000
            });
            for n in 0..gone {
                self.frames.count(n < self.recovered);
            }
        }
        self.frames.count(true);
        (self.last, self.recovered) = (Some(sequence), 0);
    }

    fn rest(&mut self, samples: u32) -> io::Result<()> {
        let len = self.samples(samples);
        match (&mut self.comfort, &mut self.decoder) {
            (Some(noise), _) => noise.fill(&mut self.pcm[..len]),
            (None, Some(decoder)) => decoder.conceal(&mut self.pcm[..len]),
            (None, None) => self.pcm[..len].fill(0),
        }
        self.keep(len, samples)
    }

    /// Ticks of the RTP clock as samples of all channels.
    fn samples(&self, ticks: u32) -> usize {
        let Some(codec) = &self.codec else { return 0 };
        let d = codec.description();
        let frames = u64::from(ticks) * u64::from(d.rate.hz()) / u64::from(d.clock_rate);
        (frames as usize * usize::from(d.channels)).min(MAX_PCM)
    }

    fn keep(&mut self, len: usize, ticks: u32) -> io::Result<()> {
        self.ahead += ticks.max(1);
        match (&mut self.recording, &self.codec) {
            (Some(recording), Some(codec)) => {
                let d = codec.description();
                recording.write(d.rate, d.channels, &self.pcm[..len])
            }
            _ => Ok(()),
        }
    }

    /// Ends the recording; the files that there are.
    pub(crate) fn finish(self) -> io::Result<Vec<PathBuf>> {
        match self.recording {
            Some(recording) => recording.finish(),
            None => Ok(Vec::new()),
        }
    }
}

/// WAV files: one, and another whenever rate or channels change.
struct Recording {
    stem: PathBuf,
    files: Vec<PathBuf>,
    open: Option<(Rate, u8, WavWriter<BufWriter<File>>)>,
}

impl Recording {
    fn new(stem: PathBuf) -> Self {
        Self {
            stem,
            files: Vec::new(),
            open: None,
        }
    }

    fn write(&mut self, rate: Rate, channels: u8, pcm: &[i16]) -> io::Result<()> {
        if self
            .open
            .as_ref()
            .is_none_or(|(r, c, _)| (*r, *c) != (rate, channels))
        {
            self.close()?;
            let ending = match self.files.len() {
                0 => ".wav".to_owned(),
                n => format!("-{}.wav", n + 1),
            };
            let mut path = self.stem.clone().into_os_string();
            path.push(ending);
            let file = BufWriter::new(File::create(&path)?);
            let writer = WavWriter::new(file, rate, channels).map_err(io::Error::other)?;
            self.files.push(path.into());
            self.open = Some((rate, channels, writer));
        }
        match &mut self.open {
            Some((_, _, writer)) => writer.write(pcm).map_err(io::Error::other),
            None => Ok(()),
        }
    }

    fn close(&mut self) -> io::Result<()> {
        match self.open.take() {
            Some((_, _, writer)) => writer.finish().map(|_| ()).map_err(io::Error::other),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> io::Result<Vec<PathBuf>> {
        self.close()?;
        Ok(self.files)
    }
}
