//! 16-bit PCM WAV files: written for a peer to play, read although their writer was killed.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;

/// A recording as it lies in a file; samples of several channels interleaved.
#[derive(Clone, Debug, PartialEq)]
pub struct Wav {
    /// Frames a second, in Hz.
    pub rate: u32,
    /// Channels.
    pub channels: u16,
    /// Samples, -32768 to 32767.
    pub samples: Vec<i16>,
}

impl Wav {
    /// Writes it as RIFF/WAVE, format 1, 16 bits.
    pub fn write(&self, path: &Path) -> Result<()> {
        let data = 2 * self.samples.len() as u32;
        let mut out = Vec::with_capacity(44 + data as usize);
        out.extend_from_slice(b"RIFF");
        out.extend_from_slice(&(36 + data).to_le_bytes());
        out.extend_from_slice(b"WAVEfmt ");
        out.extend_from_slice(&16u32.to_le_bytes());
        out.extend_from_slice(&1u16.to_le_bytes());
        out.extend_from_slice(&self.channels.to_le_bytes());
        out.extend_from_slice(&self.rate.to_le_bytes());
        out.extend_from_slice(&(self.rate * 2 * u32::from(self.channels)).to_le_bytes());
        out.extend_from_slice(&(2 * self.channels).to_le_bytes());
        out.extend_from_slice(&16u16.to_le_bytes());
        out.extend_from_slice(b"data");
        out.extend_from_slice(&data.to_le_bytes());
        self.samples
            .iter()
            .for_each(|s| out.extend_from_slice(&s.to_le_bytes()));
        std::fs::write(path, out)
    }

    /// Reads a file whose `data` chunk may claim less or more than follows it, as while it is being recorded.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)?;
        let bad = |what| {
            Error::new(
                ErrorKind::InvalidData,
                format!("{}: {what}", path.display()),
            )
        };
        let (mut at, mut format) = (12, None);
        while let Some(head) = bytes.get(at..at + 8) {
            let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let body = &bytes[at + 8..];
            match &head[..4] {
                b"fmt " => {
                    let f = body.get(..16).ok_or_else(|| bad("a short fmt chunk"))?;
                    let word = |i| u16::from_le_bytes([f[i], f[i + 1]]);
                    if word(14) != 16 {
                        return Err(bad("not 16-bit PCM"));
                    }
                    format = Some((word(2), u32::from_le_bytes([f[4], f[5], f[6], f[7]])));
                }
                b"data" => {
                    let (channels, rate) = format.ok_or_else(|| bad("data before fmt"))?;
                    let samples = body
                        .chunks_exact(2)
                        .map(|b| i16::from_le_bytes([b[0], b[1]]))
                        .collect();
                    return Ok(Self {
                        rate,
                        channels,
                        samples,
                    });
                }
                _ => {}
            }
            at += 8 + size + size % 2;
        }
        Err(bad("no data chunk"))
    }
}

/// `seconds` of a steady sine of `hz` at half of full scale (-6 dBFS), the same in every channel.
pub fn tone(hz: f64, rate: u32, channels: u16, seconds: u32) -> Wav {
    let step = std::f64::consts::TAU * hz / f64::from(rate);
    let samples = (0..rate * seconds)
        .flat_map(|i| {
            let s = (step * f64::from(i)).sin() * 16_384.0;
            std::iter::repeat_n(s.round() as i16, usize::from(channels))
        })
        .collect();
    Wav {
        rate,
        channels,
        samples,
    }
}
