//! A player: clips queued, looped, faded, and heard at one rate whatever theirs.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

use crate::rate::Rate;
use crate::resample::Resampler;
use crate::wav::{WavError, WavReader};

/// Mono PCM in memory, shared by however many players play it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    rate: Rate,
    pcm: Arc<[i16]>,
}

impl Clip {
    /// From PCM.
    pub fn new(rate: Rate, pcm: impl Into<Arc<[i16]>>) -> Self {
        Clip {
            rate,
            pcm: pcm.into(),
        }
    }

    /// From a WAV file of at most `most_samples` samples a channel; stereo is averaged. Reads it to the end, so do it
    /// where waiting for a disk hurts nobody.
    ///
    /// # Errors
    /// [`WavError`], `TooLong` among them if there are more samples.
    pub fn from_wav(file: impl Read, most_samples: usize) -> Result<Self, WavError> {
        let mut reader = WavReader::new(file)?;
        let mut pcm = Vec::new();
        let mut part = [0; 4096];
        loop {
            match reader.read_mono(&mut part)? {
                0 => {
                    return Ok(Clip {
                        rate: reader.spec().rate,
                        pcm: pcm.into(),
                    });
                }
                n if pcm.len() + n > most_samples => return Err(WavError::TooLong),
                n => pcm.extend_from_slice(&part[..n]),
            }
        }
    }

    /// Its rate.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Its samples.
    pub fn samples(&self) -> &[i16] {
        &self.pcm
    }

    /// Its length, ms, rounded down.
    pub fn ms(&self) -> u64 {
        self.pcm.len() as u64 / self.rate.khz() as u64
    }
}

/// A clip to play, and how.
#[derive(Clone, Debug)]
struct Item {
    clip: Clip,
    /// Times still to play it after this one; `None`: for ever.
    again: Option<u32>,
}

/// Plays clips one after another. Allocates when a clip is queued and when the rate of clips changes, else not.
#[derive(Debug)]
pub struct Player {
    rate: Rate,
    queue: VecDeque<Item>,
    most: usize,
    /// Sample of the first item that comes next.
    at: usize,
    converter: Option<Resampler>,
    /// Samples that a converter gave beyond what was asked.
    spare: VecDeque<i16>,
    gain: f32,
    target: f32,
    step: f32,
    /// Stop when the gain has reached zero.
    stopping: bool,
}

impl Player {
    /// For PCM at `rate`, with room for `most` clips in the queue.
    pub fn new(rate: Rate, most: usize) -> Self {
        Player {
            rate,
            queue: VecDeque::new(),
            most,
            at: 0,
            converter: None,
            spare: VecDeque::new(),
            gain: 1.0,
            target: 1.0,
            step: 0.0,
            stopping: false,
        }
    }

    /// Play a clip once, after those already queued. False if the queue is full: the clip is not taken.
    #[must_use]
    pub fn play(&mut self, clip: Clip) -> bool {
        self.queue_item(clip, Some(0))
    }

    /// Play a clip `times` times, or for ever.
    #[must_use]
    pub fn repeat(&mut self, clip: Clip, times: Option<u32>) -> bool {
        match times {
            Some(0) => true,
            Some(times) => self.queue_item(clip, Some(times - 1)),
            None => self.queue_item(clip, None),
        }
    }

    fn queue_item(&mut self, clip: Clip, again: Option<u32>) -> bool {
        if clip.pcm.is_empty() {
            return true;
        }
        if self.queue.len() >= self.most {
            return false;
        }
        self.queue.push_back(Item { clip, again });
        if self.queue.len() == 1 {
            self.begin();
        }
        true
    }

    /// Go on with the next clip, or fall silent.
    pub fn skip(&mut self) {
        self.queue.pop_front();
        self.begin();
    }

    /// Fall silent, and forget the queue.
    pub fn stop(&mut self) {
        self.queue.clear();
        self.spare.clear();
        self.stopping = false;
        self.gain = 1.0;
        self.target = 1.0;
    }

    /// Fade to a gain of 0 to 1 within `ms` milliseconds.
    pub fn fade_to(&mut self, gain: f32, ms: u32) {
        self.target = gain.clamp(0.0, 1.0);
        let samples = (self.rate.samples(ms as usize) as f32).max(1.0);
        self.step = (self.target - self.gain) / samples;
        self.stopping = false;
    }

    /// Fade out within `ms` milliseconds, then [`Player::stop`].
    pub fn fade_out(&mut self, ms: u32) {
        self.fade_to(0.0, ms);
        self.stopping = true;
    }

    /// Go to `ms` milliseconds from the beginning of the clip that plays; to its end, if that is beyond it.
    pub fn seek(&mut self, ms: u64) {
        if let Some(item) = self.queue.front() {
            let at = ms.saturating_mul(item.clip.rate.khz() as u64);
            self.at = usize::try_from(at)
                .unwrap_or(usize::MAX)
                .min(item.clip.pcm.len());
            self.spare.clear();
            if let Some(converter) = &mut self.converter {
                converter.reset();
            }
        }
    }

    /// Where in the clip that plays we are, ms; `None` when nothing plays.
    pub fn position_ms(&self) -> Option<u64> {
        self.queue
            .front()
            .map(|item| self.at as u64 / item.clip.rate.khz() as u64)
    }

    /// Nothing is left to play.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.spare.is_empty()
    }

    /// Fill `out` with what comes next, and silence after the last clip. Returns the samples that are not that silence.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let mut done = 0;
        while done < out.len() {
            if let Some(spare) = self.spare.pop_front() {
                out[done] = spare;
                done += 1;
                continue;
            }
            let Some(item) = self.queue.front_mut() else {
                break;
            };
            let left = &item.clip.pcm[self.at..];
            let room = &mut out[done..];
            let taken = match &mut self.converter {
                None => {
                    let n = left.len().min(room.len());
                    room[..n].copy_from_slice(&left[..n]);
                    done += n;
                    n
                }
                Some(converter) => {
                    // 10 ms of the clip at a time: never more than a frame of spare samples.
                    let n = left.len().min(item.clip.rate.samples(10));
                    let mut block = [0; 960];
                    let made = converter.process(&left[..n], &mut block);
                    let now = made.min(room.len());
                    room[..now].copy_from_slice(&block[..now]);
                    self.spare.extend(&block[now..made]);
                    done += now;
                    n
                }
            };
            self.at += taken;
            if self.at == item.clip.pcm.len() {
                match &mut item.again {
                    None => self.at = 0,
                    Some(0) => {
                        self.queue.pop_front();
                        self.begin();
                    }
                    Some(again) => {
                        *again -= 1;
                        self.at = 0;
                    }
                }
            }
        }
        out[done..].fill(0);
        self.apply_gain(&mut out[..done]);
        done
    }

    /// Prepare for the clip at the head of the queue.
    fn begin(&mut self) {
        self.at = 0;
        let from = match self.queue.front() {
            Some(item) => item.clip.rate,
            None => return,
        };
        if from == self.rate {
            self.converter = None;
        } else if self
            .converter
            .as_ref()
            .is_none_or(|converter| converter.from() != from)
        {
            self.converter = Some(Resampler::new(from, self.rate));
        }
        self.spare.reserve(self.rate.samples(10));
    }

    fn apply_gain(&mut self, out: &mut [i16]) {
        if self.gain == 1.0 && self.target == 1.0 {
            return;
        }
        for sample in out {
            self.gain += self.step;
            if (self.step > 0.0) == (self.gain > self.target) || self.step == 0.0 {
                self.gain = self.target;
                self.step = 0.0;
            }
            *sample = (f32::from(*sample) * self.gain) as i16;
        }
        if self.stopping && self.gain == 0.0 {
            self.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::tone::Tone;

    fn ramp(rate: Rate, len: i16) -> Clip {
        Clip::new(rate, (0..len).collect::<Vec<_>>())
    }

    #[test]
    fn clips_follow_each_other_without_a_gap() {
        let mut player = Player::new(Rate::Khz8, 2);
        assert!(player.repeat(ramp(Rate::Khz8, 100), Some(2)));
        assert!(player.play(ramp(Rate::Khz8, 50)));
        assert!(!player.play(ramp(Rate::Khz8, 50)), "the queue is bounded");
        let mut out = [7; 300];
        assert_eq!(player.fill(&mut out), 250);
        let expected: Vec<i16> = (0..100).chain(0..100).chain(0..50).chain([0; 50]).collect();
        assert_eq!(out[..], expected);
        assert!(player.is_idle());
    }

    #[test]
    fn any_rate_in_any_frame_keeps_the_level() {
        for from in Rate::ALL {
            let mut tone = vec![0; from.samples(500)];
            Tone::new(from, 440.0, -20.0).fill(&mut tone);
            let mut player = Player::new(Rate::Khz16, 1);
            assert!(player.repeat(Clip::new(from, tone), None));
            let mut heard = Vec::new();
            for size in [320, 7, 160, 33].into_iter().cycle().take(200) {
                let mut out = vec![0; size];
                assert_eq!(player.fill(&mut out), size);
                heard.extend(out);
            }
            assert_eq!(Level::of(&heard[1000..9000]).to_wire(), 20, "{from}");
        }
    }

    #[test]
    fn seek_skip_and_fade() {
        let mut player = Player::new(Rate::Khz8, 4);
        assert!(player.play(ramp(Rate::Khz8, 8000)));
        assert!(player.play(Clip::new(Rate::Khz8, vec![1000; 8000])));
        player.seek(500);
        let mut out = [0; 160];
        player.fill(&mut out);
        assert_eq!((out[0], player.position_ms()), (4000, Some(520)));
        player.skip();
        player.fade_out(40);
        let mut peak = 2000;
        for _ in 0..2 {
            player.fill(&mut out);
            assert!(out.windows(2).all(|p| p[1] <= p[0]) && out[0] < peak);
            peak = out[159];
        }
        assert!(peak <= 5);
        assert_eq!(player.fill(&mut out), 0, "it stopped");
        assert!(player.play(ramp(Rate::Khz8, 10)));
        assert_eq!(player.fill(&mut out), 10);
        assert_eq!(out[9], 9, "at full level again");
    }
}
