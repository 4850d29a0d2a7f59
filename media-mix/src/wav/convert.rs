//! From the rates of music to those of speech, as a file is read.

use crate::resample::{Polyphase, round};

/// Samples of silence that push the last sound out of the converter.
const TAIL: u64 = 48;

/// On the way from 44.1 kHz (or its half or quarter) to 48.
#[derive(Debug)]
pub(super) struct Converter {
    /// One filter a channel.
    filters: Vec<Polyphase>,
    /// Interleaved samples of the file, one block.
    block: Vec<i16>,
    /// Interleaved samples made, and how many of them were given.
    made: Vec<i16>,
    given: usize,
    one: Vec<i16>,
    another: Vec<i16>,
    pub(super) ended: bool,
}

impl Converter {
    const UP: usize = 160;
    const DOWN: usize = 147;
    /// Samples of each channel taken at once.
    const BLOCK: usize = Self::DOWN * 6;

    pub(super) fn new(channels: usize) -> Self {
        Converter {
            filters: vec![Polyphase::new(Self::UP, Self::DOWN); channels],
            block: vec![0; Self::BLOCK * channels],
            made: Vec::new(),
            given: 0,
            one: Vec::new(),
            another: vec![0; Self::UP * 7],
            ended: false,
        }
    }

    /// Samples of each channel that `frames` of the file give.
    pub(super) fn frames(frames: u64) -> u64 {
        (frames + TAIL).div_ceil(Self::DOWN as u64) * Self::UP as u64
    }

    /// Room for samples of the file.
    pub(super) fn block(&mut self) -> &mut [i16] {
        &mut self.block[..Self::BLOCK * self.filters.len()]
    }

    /// Give what is ready; returns how many samples.
    pub(super) fn give(&mut self, out: &mut [i16]) -> usize {
        let n = out.len().min(self.made.len() - self.given);
        out[..n].copy_from_slice(&self.made[self.given..self.given + n]);
        self.given += n;
        n
    }

    /// Convert the first `samples` of the block, and at the end of the file its tail as well.
    pub(super) fn convert(&mut self, samples: usize) {
        let channels = self.filters.len();
        self.ended = samples < Self::BLOCK * channels;
        self.given = 0;
        let mut frames = samples / channels;
        if self.ended {
            // To a whole period, so that nothing stays behind.
            let whole = (frames + TAIL as usize).next_multiple_of(Self::DOWN);
            self.block.resize(self.block.len().max(whole * channels), 0);
            self.block[samples..whole * channels].fill(0);
            frames = whole;
        }
        self.made.clear();
        self.made
            .resize(frames / Self::DOWN * Self::UP * channels, 0);
        for (channel, filter) in self.filters.iter_mut().enumerate() {
            self.one.clear();
            self.one.extend(
                self.block[..frames * channels]
                    .iter()
                    .skip(channel)
                    .step_by(channels),
            );
            self.another
                .resize(filter.output_len(frames).max(self.another.len()), 0);
            let made = filter.run(&self.one, &mut self.another, f32::from, |x| round(x) as i16);
            for (slot, &x) in self
                .made
                .iter_mut()
                .skip(channel)
                .step_by(channels)
                .zip(&self.another[..made])
            {
                *slot = x;
            }
        }
    }
}
