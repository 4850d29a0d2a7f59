//! Reading.

use std::io::{ErrorKind, Read};

use super::WavError;
use super::convert::Converter;
use crate::codec::g711::{a_law_decode, mu_law_decode};
use crate::rate::Rate;

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Unsigned8,
    Signed16,
    Signed24,
    Signed32,
    Float32,
    Float64,
    ALaw,
    MuLaw,
}

impl Coding {
    fn bytes(self) -> usize {
        match self {
            Coding::Unsigned8 | Coding::ALaw | Coding::MuLaw => 1,
            Coding::Signed16 => 2,
            Coding::Signed24 => 3,
            Coding::Signed32 | Coding::Float32 => 4,
            Coding::Float64 => 8,
        }
    }

    /// One little-endian sample of `self.bytes()` bytes, rounded to 16 bits.
    fn sample(self, b: &[u8]) -> i16 {
        let byte = |i: usize| b.get(i).copied().unwrap_or(0);
        let wide = || i32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]);
        match self {
            Coding::Unsigned8 => (i16::from(byte(0)) - 128) << 8,
            Coding::Signed16 => i16::from_le_bytes([byte(0), byte(1)]),
            Coding::Signed24 => {
                let x = i32::from_le_bytes([0, byte(0), byte(1), byte(2)]) >> 8;
                ((x + 128) >> 8).min(32_767) as i16
            }
            Coding::Signed32 => ((i64::from(wide()) + 32_768) >> 16).min(32_767) as i16,
            // `as` saturates, and takes NaN for 0.
            Coding::Float32 => (f32::from_bits(wide() as u32) * 32_768.0).round() as i16,
            Coding::Float64 => {
                let bits: [u8; 8] = std::array::from_fn(byte);
                (f64::from_le_bytes(bits) * 32_768.0).round() as i16
            }
            Coding::ALaw => a_law_decode(byte(0)),
            Coding::MuLaw => mu_law_decode(byte(0)),
        }
    }
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WavSpec {
    /// Rate of the samples that are given.
    pub rate: Rate,
    /// Rate of the samples in the file, Hz: another one only for 11025, 22050 and 44100, which are given at 12, 24 and
    /// 48 kHz.
    pub file_hz: u32,
    /// 1 or 2.
    pub channels: u8,
    /// Samples of each channel that will be given, if the header says; a file that was still being written may not.
    pub frames: Option<u64>,
}

/// Reads PCM of 8, 16, 24 and 32 bits, float of 32 and 64, A-law and µ-law, mono and stereo, as 16-bit samples at the
/// rates of [`Rate`]. Files at 11.025, 22.05 and 44.1 kHz are converted as they are read.
#[derive(Debug)]
pub struct WavReader<R> {
    inner: R,
    spec: WavSpec,
    coding: Coding,
    /// Bytes of sound left; `u64::MAX` if the header does not say.
    left: u64,
    buffer: Vec<u8>,
    filled: usize,
    converter: Option<Converter>,
}

/// Bytes that were read, and where in the stream we are.
struct Cursor<R> {
    inner: R,
    offset: u64,
}

impl<R: Read> Cursor<R> {
    fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], WavError> {
        let mut bytes = [0; N];
        match self.inner.read_exact(&mut bytes) {
            Ok(()) => {
                self.offset += N as u64;
                Ok(bytes)
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(WavError::Malformed {
                what,
                offset: self.offset,
            }),
            Err(error) => Err(error.into()),
        }
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, WavError> {
        self.take(what).map(u32::from_le_bytes)
    }

    fn u16(&mut self, what: &'static str) -> Result<u16, WavError> {
        self.take(what).map(u16::from_le_bytes)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), WavError> {
        // Read rather than sought: the stream may be a pipe. The length is the file's claim, so it is not allocated.
        let skipped = std::io::copy(&mut self.inner.by_ref().take(bytes), &mut std::io::sink())?;
        self.offset += skipped;
        if skipped < bytes {
            return Err(WavError::Malformed {
                what: "the end of the file within a chunk",
                offset: self.offset,
            });
        }
        Ok(())
    }
}

impl<R: Read> WavReader<R> {
    /// Read the headers, up to the first sample.
    ///
    /// # Errors
    /// [`WavError::Malformed`], [`WavError::Unsupported`], [`WavError::Io`].
    pub fn new(inner: R) -> Result<Self, WavError> {
        let mut at = Cursor { inner, offset: 0 };
        if &at.take::<4>("no RIFF header")? != b"RIFF" {
            return Err(WavError::Malformed {
                what: "no RIFF header",
                offset: 0,
            });
        }
        at.u32("no RIFF length")?;
        if &at.take::<4>("no WAVE type")? != b"WAVE" {
            return Err(WavError::Malformed {
                what: "no WAVE type",
                offset: 8,
            });
        }
        let mut format = None;
        loop {
            let offset = at.offset;
            let chunk = at.take::<4>("no data chunk")?;
            let len = at.u32("a chunk without a length")?;
            match &chunk {
                b"fmt " => format = Some(read_format(&mut at, len)?),
                b"data" => {
                    let Some((hz, channels, coding)) = format else {
                        return Err(WavError::Malformed {
                            what: "data before fmt",
                            offset,
                        });
                    };
                    let block = u64::from(channels) * coding.bytes() as u64;
                    // Writers to a pipe leave 0 or all ones.
                    let known = len != 0 && len != u32::MAX;
                    let left = if known {
                        u64::from(len) / block * block
                    } else {
                        u64::MAX
                    };
                    let frames = known.then_some(left / block);
                    let (rate, converted) = delivered(hz)?;
                    let frames = if converted {
                        frames.map(Converter::frames)
                    } else {
                        frames
                    };
                    let converter = converted.then(|| Converter::new(usize::from(channels)));
                    let buffer = vec![0; 4096 * block as usize];
                    let spec = WavSpec {
                        rate,
                        file_hz: hz,
                        channels,
                        frames,
                    };
                    return Ok(WavReader {
                        inner: at.inner,
                        spec,
                        coding,
                        left,
                        buffer,
                        filled: 0,
                        converter,
                    });
                }
                // Chunks are padded to even lengths.
                _ => at.skip(u64::from(len) + u64::from(len & 1))?,
            }
        }
    }

    /// What the file holds.
    pub fn spec(&self) -> WavSpec {
        self.spec
    }

    /// Read interleaved samples into `out`, as many as there are and fit; returns how many, 0 at the end.
    ///
    /// # Errors
    /// [`WavError::Io`]. A file that ends early simply ends.
    pub fn read(&mut self, out: &mut [i16]) -> Result<usize, WavError> {
        let Some(mut converter) = self.converter.take() else {
            return self.read_file(out);
        };
        let whole = out.len() / usize::from(self.spec.channels) * usize::from(self.spec.channels);
        let mut done = 0;
        let result = loop {
            done += converter.give(&mut out[done..whole]);
            if done == whole || converter.ended {
                break Ok(done);
            }
            match self.read_file(converter.block()) {
                Ok(samples) => converter.convert(samples),
                Err(error) => break Err(error),
            }
        };
        self.converter = Some(converter);
        result
    }

    /// Samples as they are in the file.
    fn read_file(&mut self, out: &mut [i16]) -> Result<usize, WavError> {
        let channels = usize::from(self.spec.channels);
        let size = self.coding.bytes();
        let whole = out.len() / channels * channels;
        let mut done = 0;
        for part in out[..whole].chunks_mut(4096 * channels) {
            let bytes = self.fill(part.len() * size)?;
            let samples = bytes / (size * channels) * channels;
            for (sample, b) in part
                .iter_mut()
                .zip(self.buffer[..samples * size].chunks_exact(size))
            {
                *sample = self.coding.sample(b);
            }
            done += samples;
            if samples < part.len() {
                break;
            }
        }
        Ok(done)
    }

    /// Read samples into `out`, both channels of a stereo file averaged; returns how many, 0 at the end.
    ///
    /// # Errors
    /// [`WavError::Io`].
    pub fn read_mono(&mut self, out: &mut [i16]) -> Result<usize, WavError> {
        if self.spec.channels == 1 {
            return self.read(out);
        }
        let mut done = 0;
        let mut pairs = [0; 512];
        for part in out.chunks_mut(pairs.len() / 2) {
            let samples = self.read(&mut pairs[..part.len() * 2])?;
            for (sample, pair) in part.iter_mut().zip(pairs[..samples].chunks_exact(2)) {
                *sample = ((i32::from(pair[0]) + i32::from(pair[1])) >> 1) as i16;
            }
            done += samples / 2;
            if samples < part.len() * 2 {
                break;
            }
        }
        Ok(done)
    }

    /// Read `wanted` bytes of sound into the buffer, fewer only at the end.
    fn fill(&mut self, wanted: usize) -> Result<usize, WavError> {
        let wanted = (wanted as u64).min(self.left) as usize;
        self.filled = 0;
        while self.filled < wanted {
            match self.inner.read(&mut self.buffer[self.filled..wanted]) {
                Ok(0) => {
                    self.left = 0;
                    return Ok(self.filled);
                }
                Ok(n) => self.filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.left != u64::MAX {
            self.left -= wanted as u64;
        }
        Ok(wanted)
    }
}

fn read_format<R: Read>(at: &mut Cursor<R>, len: u32) -> Result<(u32, u8, Coding), WavError> {
    let start = at.offset;
    let cut = "a short fmt chunk";
    if len < 16 {
        return Err(WavError::Malformed {
            what: cut,
            offset: start,
        });
    }
    let unsupported = |what, value, offset, supported| WavError::Unsupported {
        what,
        value,
        offset: start + offset,
        supported,
    };
    let mut format = at.u16(cut)?;
    let channels = at.u16(cut)?;
    let hz = at.u32(cut)?;
    at.u32(cut)?;
    let block = at.u16(cut)?;
    let bits = at.u16(cut)?;
    const EXTENSIBLE: u16 = 0xFFFE;
    if format == EXTENSIBLE {
        if len < 40 {
            return Err(WavError::Malformed {
                what: cut,
                offset: at.offset,
            });
        }
        at.take::<8>(cut)?;
        // The sub-format GUID begins with the format tag.
        format = at.u16(cut)?;
    }
    let coding = match (format, bits) {
        (1, 8) => Coding::Unsigned8,
        (1, 16) => Coding::Signed16,
        (1, 24) => Coding::Signed24,
        (1, 32) => Coding::Signed32,
        (3, 32) => Coding::Float32,
        (3, 64) => Coding::Float64,
        (6, 8) => Coding::ALaw,
        (7, 8) => Coding::MuLaw,
        (1, _) => {
            return Err(unsupported(
                "bits a sample",
                u32::from(bits),
                14,
                "PCM of 8, 16, 24 or 32 bits is read",
            ));
        }
        (3, _) => {
            return Err(unsupported(
                "bits a sample",
                u32::from(bits),
                14,
                "float of 32 or 64 bits is read",
            ));
        }
        (6 | 7, _) => {
            return Err(unsupported(
                "bits a sample",
                u32::from(bits),
                14,
                "G.711 has 8 bits",
            ));
        }
        _ => {
            return Err(unsupported(
                "format tag",
                u32::from(format),
                0,
                "PCM, float, A-law and mu-law are read",
            ));
        }
    };
    if !(1..=2).contains(&channels) {
        return Err(unsupported(
            "channel count",
            u32::from(channels),
            2,
            "mono and stereo are read",
        ));
    }
    if delivered(hz).is_err() {
        return Err(unsupported("sample rate", hz, 4, RATES));
    }
    if usize::from(block) != coding.bytes() * usize::from(channels) {
        return Err(WavError::Malformed {
            what: "a block size that does not fit the format",
            offset: start + 12,
        });
    }
    at.skip(u64::from(len) + u64::from(len & 1) - (at.offset - start))?;
    Ok((hz, channels as u8, coding))
}

const RATES: &str = "8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100 and 48000 Hz are read";

/// The rate at which a file is given, and whether it must be converted to it.
fn delivered(hz: u32) -> Result<(Rate, bool), WavError> {
    match hz {
        11_025 => Ok((Rate::Khz12, true)),
        22_050 => Ok((Rate::Khz24, true)),
        44_100 => Ok((Rate::Khz48, true)),
        _ => Rate::try_from(hz)
            .map(|rate| (rate, false))
            .map_err(|_| WavError::Unsupported {
                what: "sample rate",
                value: hz,
                offset: 0,
                supported: RATES,
            }),
    }
}
