//! WAV files, written, read, and mutilated.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::Cursor;

use common::{Spectrum, rounded, sine};

use media_mix::Rate;
use media_mix::wav::{WavError, WavReader, WavWriter};
use proptest::prelude::*;

fn file(format: u16, channels: u16, hz: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let block = channels * bits.div_ceil(8);
    let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
    // A chunk of odd length that nobody needs.
    file.extend_from_slice(b"LIST\x03\0\0\0abc\0fmt \x10\0\0\0");
    file.extend_from_slice(&format.to_le_bytes());
    file.extend_from_slice(&channels.to_le_bytes());
    file.extend_from_slice(&hz.to_le_bytes());
    file.extend_from_slice(&(hz * u32::from(block)).to_le_bytes());
    file.extend_from_slice(&block.to_le_bytes());
    file.extend_from_slice(&bits.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    file
}

fn samples(file: &[u8]) -> Vec<i16> {
    let mut out = vec![0; 64];
    let n = WavReader::new(file).unwrap().read(&mut out).unwrap();
    out.truncate(n);
    out
}

#[test]
fn reads_every_coding() {
    let float = |x: f32| x.to_le_bytes();
    let double = |x: f64| x.to_le_bytes();
    let cases: &[(u16, u16, Vec<u8>, &[i16])] = &[
        (1, 8, vec![0, 128, 255], &[-32_768, 0, 32_512]),
        (1, 16, vec![0, 128, 255, 127, 1, 0], &[-32_768, 32_767, 1]),
        (
            1,
            24,
            vec![0, 0, 128, 255, 255, 127, 127, 1, 0, 128, 1, 0],
            &[-32_768, 32_767, 1, 2],
        ),
        (
            1,
            32,
            vec![0, 0, 0, 128, 255, 255, 255, 127],
            &[-32_768, 32_767],
        ),
        (
            3,
            32,
            [-1.0, 1.0, 0.5, f32::NAN].map(float).concat(),
            &[-32_768, 32_767, 16_384, 0],
        ),
        (3, 64, [-2.0, 0.25].map(double).concat(), &[-32_768, 8_192]),
        (6, 8, vec![0xD5, 0xAA], &[8, 32_256]),
        (7, 8, vec![0xFF, 0x80], &[0, 32_124]),
    ];
    for (format, bits, data, expected) in cases {
        assert_eq!(
            &samples(&file(*format, 1, 8000, *bits, data)),
            expected,
            "format {format}, {bits} bits"
        );
    }
}

#[test]
fn music_rates_are_converted_as_they_are_read() {
    for (hz, rate) in [
        (11_025, Rate::Khz12),
        (22_050, Rate::Khz24),
        (44_100, Rate::Khz48),
    ] {
        for channels in [1, 2] {
            // Left 440 Hz, right 1000 Hz at half its peak; two seconds.
            let tones: Vec<_> = [(440.0, 8_000.0), (1_000.0, 4_000.0)][..usize::from(channels)]
                .iter()
                .map(|&(tone, peak)| rounded(&sine(hz, tone, peak, 2 * hz as usize)))
                .collect();
            let data: Vec<u8> = (0..2 * hz as usize)
                .flat_map(|n| tones.iter().flat_map(move |tone| tone[n].to_le_bytes()))
                .collect();
            let file = file(1, channels, hz, 16, &data);
            let mut reader = WavReader::new(&file[..]).unwrap();
            let spec = reader.spec();
            assert_eq!((spec.rate, spec.file_hz), (rate, hz));
            let (mut pcm, mut part) = (Vec::new(), [0; 333]);
            loop {
                match reader.read(&mut part).unwrap() {
                    0 => break,
                    n => pcm.extend_from_slice(&part[..n]),
                }
            }
            let frames = pcm.len() / usize::from(channels);
            assert_eq!(spec.frames, Some(frames as u64));
            assert!(
                frames >= rate.samples(2000) && frames < rate.samples(2020),
                "{frames}"
            );
            for (channel, (tone, level)) in [(440.0, -15.26), (1_000.0, -21.28)]
                .into_iter()
                .take(channels.into())
                .enumerate()
            {
                let track: Vec<_> = pcm
                    .iter()
                    .copied()
                    .skip(channel)
                    .step_by(channels.into())
                    .collect();
                let spectrum =
                    Spectrum::of_pcm(&track[rate.samples(500)..rate.samples(1500)], rate.hz());
                assert!(
                    (spectrum.tone(tone) - level).abs() < 0.02,
                    "{hz}: {}",
                    spectrum.tone(tone)
                );
                assert!(
                    spectrum.worst_but(&[tone]) < -98.0,
                    "{hz}: {}",
                    spectrum.worst_but(&[tone])
                );
            }
        }
    }
}

#[test]
fn says_what_is_unsupported_and_where() {
    let say = |file: &[u8]| WavReader::new(file).unwrap_err().to_string();
    assert_eq!(
        say(&file(1, 1, 96_000, 16, &[])),
        "unsupported WAV file: sample rate 96000 at byte 36; 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100 and 48000 Hz are read"
    );
    assert_eq!(
        say(&file(17, 1, 8000, 4, &[])),
        "unsupported WAV file: format tag 17 at byte 32; PCM, float, A-law and mu-law are read"
    );
    assert!(say(&file(1, 6, 8000, 16, &[])).contains("channel count 6 at byte 34"));
    assert!(say(&file(1, 1, 8000, 12, &[])).contains("bits a sample 12 at byte 46"));
    assert_eq!(
        say(b"OggS and so on"),
        "not a WAV file: no RIFF header at byte 0"
    );
    assert_eq!(
        say(b"RIFF\0\0\0\0WAVE"),
        "not a WAV file: no data chunk at byte 12"
    );
    assert_eq!(
        say(b"RIFF\0\0\0\0WAVEdata\0\0\0\0"),
        "not a WAV file: data before fmt at byte 12"
    );
    assert_eq!(say(b""), "not a WAV file: no RIFF header at byte 0");
}

#[test]
fn what_was_written_is_read_back_and_stereo_is_averaged() {
    let mut writer = WavWriter::new(Cursor::new(Vec::new()), Rate::Khz16, 2).unwrap();
    let said: Vec<i16> = (0..10_000).map(|n| (n * 3) as i16).collect();
    writer.write(&said).unwrap();
    let file = writer.finish().unwrap().into_inner();
    assert_eq!(file.len(), 44 + 20_000);
    let mut reader = WavReader::new(&file[..]).unwrap();
    let spec = reader.spec();
    assert_eq!(
        (spec.rate, spec.channels, spec.frames),
        (Rate::Khz16, 2, Some(5_000))
    );
    let mut heard = vec![0; 12_000];
    assert_eq!(reader.read(&mut heard).unwrap(), 10_000);
    assert_eq!(heard[..10_000], said);
    assert_eq!(reader.read(&mut heard).unwrap(), 0);
    let mut mono = vec![0; 6_000];
    assert_eq!(
        WavReader::new(&file[..])
            .unwrap()
            .read_mono(&mut mono)
            .unwrap(),
        5_000
    );
    let expected: Vec<_> = said
        .chunks(2)
        .map(|p| ((i32::from(p[0]) + i32::from(p[1])) >> 1) as i16)
        .collect();
    assert_eq!(mono[..5_000], expected);
}

/// A disk that outlives the program.
#[derive(Clone, Default)]
struct Disk(std::rc::Rc<std::cell::RefCell<Cursor<Vec<u8>>>>);

impl std::io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::io::Seek for Disk {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.borrow_mut().seek(to)
    }
}

#[test]
fn the_header_is_right_after_every_flush_even_if_the_program_is_killed() {
    let disk = Disk::default();
    let mut writer = WavWriter::new(disk.clone(), Rate::Khz8, 1).unwrap();
    for n in 1..=5_u64 {
        writer.write(&[7; 160]).unwrap();
        writer.flush().unwrap();
        let copy = disk.0.borrow().get_ref().clone();
        assert_eq!(
            WavReader::new(&copy[..]).unwrap().spec().frames,
            Some(160 * n)
        );
        assert_eq!(
            u32::from_le_bytes(copy[4..8].try_into().unwrap()) as usize,
            copy.len() - 8
        );
    }
    writer.write(&[7; 160]).unwrap();
    std::mem::forget(writer);
    let copy = disk.0.borrow().get_ref().clone();
    assert_eq!(WavReader::new(&copy[..]).unwrap().spec().frames, Some(800));
}

#[test]
fn a_stream_of_unknown_length_is_read_to_its_end() {
    let mut piped = file(1, 1, 8000, 16, &[1, 0, 2, 0, 3]);
    let len = piped.len() - 5 - 4;
    piped[len..len + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(WavReader::new(&piped[..]).unwrap().spec().frames, None);
    assert_eq!(
        samples(&piped),
        [1, 2],
        "the half sample at the end is dropped"
    );
}

proptest! {
    #[test]
    fn no_file_panics_or_reads_on_forever(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..60) {
        let good = file(1, 2, if cut % 2 == 0 { 48_000 } else { 44_100 }, 24, &[1; 60]);
        let mut mutilated = good.clone();
        for (at, byte) in bytes.iter().enumerate().step_by(7) {
            let at = (at * 31 + usize::from(*byte)) % mutilated.len();
            mutilated[at] = mutilated[at].wrapping_add(*byte);
        }
        mutilated.truncate(good.len() - cut);
        bytes.splice(0..0, good[..good.len() - cut].iter().copied());
        for file in [bytes, mutilated] {
            match WavReader::new(&file[..]) {
                Ok(mut reader) => {
                    let mut out = [0; 100];
                    let mut total = 0;
                    loop {
                        match reader.read(&mut out).unwrap() {
                            0 => break,
                            n => total += n,
                        }
                    }
                    prop_assert!(total <= file.len() + 2_000);
                }
                Err(WavError::Io(error)) => prop_assert!(false, "{error}"),
                Err(_) => {}
            }
        }
    }
}
