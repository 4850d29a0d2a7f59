//! Ogg Opus files, read back by a reader that forgives nothing (RFC 3533, RFC 7845).
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::sync::{Arc, Mutex};

use media_mix::codec::opus::Opus;
use media_mix::ogg::{OggError, OggOpusRecorder, OggOpusWriter, OpusHead};
use media_mix::{Codec as _, CodecOptions, Level, Rate, Recorded, Tone};

const SERIAL: u32 = 0xC0FF_EE00;

struct Page<'f> {
    flags: u8,
    granule: u64,
    packets: Vec<&'f [u8]>,
}

/// CRC-32 of RFC 3533, bit by bit.
fn checksum(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0, |mut sum: u32, byte| {
        sum ^= u32::from(byte) << 24;
        for _ in 0..8 {
            sum = (sum << 1) ^ if sum >> 31 == 1 { 0x04C1_1DB7 } else { 0 };
        }
        sum
    })
}

/// The pages at the front of `bytes`, and what follows the last whole one.
fn pages(mut bytes: &[u8]) -> (Vec<Page<'_>>, &[u8]) {
    let mut pages: Vec<Page<'_>> = Vec::new();
    let u32_at =
        |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    loop {
        let Some(lacing) = bytes
            .get(26)
            .and_then(|&segments| bytes.get(27..27 + usize::from(segments)))
        else {
            return (pages, bytes);
        };
        let (head, body) = (
            27 + lacing.len(),
            lacing.iter().map(|&n| usize::from(n)).sum::<usize>(),
        );
        if bytes.len() < head + body {
            return (pages, bytes);
        }
        let (page, rest) = bytes.split_at(head + body);
        assert_eq!(&page[..5], b"OggS\0");
        assert_eq!(u32_at(page, 14), SERIAL);
        assert_eq!(u32_at(page, 18), pages.len() as u32, "no page is missing");
        let zeroed = page
            .iter()
            .enumerate()
            .map(|(n, &byte)| if (22..26).contains(&n) { 0 } else { byte });
        assert_eq!(u32_at(page, 22), checksum(zeroed));
        assert_ne!(
            lacing.last(),
            Some(&255),
            "no packet goes on behind its page"
        );
        let (mut packets, mut at, mut from) = (Vec::new(), head, head);
        for &n in lacing {
            at += usize::from(n);
            if n < 255 {
                packets.push(&page[from..at]);
                from = at;
            }
        }
        pages.push(Page {
            flags: page[5],
            granule: u64::from_le_bytes(page[6..14].try_into().unwrap()),
            packets,
        });
        bytes = rest;
    }
}

/// What a player makes of a file: the PCM at `rate`, all channels.
fn play(bytes: &[u8], rate: Rate, channels: usize) -> Vec<i16> {
    let (pages, _) = pages(bytes);
    let head = pages[0].packets[0];
    assert_eq!(
        (pages[0].flags, pages[0].granule, pages[0].packets.len()),
        (2, 0, 1)
    );
    assert_eq!(
        (&head[..9], usize::from(head[9]), head.len()),
        (&b"OpusHead\x01"[..], channels, 19)
    );
    let pre_skip = u64::from(u16::from_le_bytes([head[10], head[11]]));
    assert!(pages[1].packets.len() == 1 && pages[1].packets[0].starts_with(b"OpusTags"));
    let codec = if channels == 2 {
        Opus::stereo()
    } else {
        Opus::at(rate).unwrap()
    };
    let mut decoder = codec.decoder(&CodecOptions::new()).unwrap();
    let down = 48_000 / u64::from(rate.hz());
    let (mut pcm, mut part, mut samples, mut end) = (Vec::new(), vec![0; 5760 * channels], 0, 0);
    for (n, page) in pages.iter().enumerate().skip(2) {
        assert_eq!(page.flags & !4, 0);
        let before = samples;
        for packet in &page.packets {
            let made = decoder.decode(packet, &mut part).unwrap();
            samples += (made / channels) as u64 * down;
            pcm.extend_from_slice(&part[..made]);
        }
        assert!(samples - before <= 48_000, "a page is a second at most");
        match page.flags & 4 != 0 {
            false => assert_eq!(page.granule, samples),
            true => {
                assert!(n + 1 == pages.len() && page.granule <= samples && page.granule >= before)
            }
        }
        end = page.granule;
    }
    pcm.truncate((end / down) as usize * channels);
    pcm.drain(..((pre_skip / down) as usize * channels).min(pcm.len()));
    pcm
}

#[test]
fn what_was_recorded_is_played_to_the_sample() {
    for rate in [
        Rate::Khz8,
        Rate::Khz12,
        Rate::Khz16,
        Rate::Khz24,
        Rate::Khz48,
    ] {
        let options = CodecOptions::new().with_fec(10).with_dtx();
        let mut recorder = OggOpusRecorder::new(Vec::new(), SERIAL, rate, 1, &options, 60).unwrap();
        let mut voice = Tone::new(rate, 440.0, -20.0);
        // Pieces of odd lengths, 2.6 s and a bit.
        let mut piece = vec![0; rate.samples(20) - 1];
        for _ in 0..130 {
            voice.fill(&mut piece);
            assert_eq!(recorder.record(&piece).unwrap(), Recorded::Written);
        }
        assert_eq!(recorder.frames(), 130 * piece.len() as u64);
        let heard = play(&recorder.finish().unwrap(), rate, 1);
        assert_eq!(heard.len(), 130 * piece.len(), "{rate:?}");
        for second in heard[rate.samples(200)..].chunks_exact(rate.samples(500)) {
            assert!((Level::of(second).dbov() + 20.0).abs() < 1.5, "{rate:?}");
        }
    }
}

#[test]
fn the_sound_begins_where_it_began() {
    // A click in silence is found at its place: what the encoder holds back is skipped.
    let mut recorder = OggOpusRecorder::new(
        Vec::new(),
        SERIAL,
        Rate::Khz48,
        1,
        &CodecOptions::new().with_bitrate(96_000),
        60,
    )
    .unwrap();
    let mut pcm = vec![0; 48_000];
    pcm[24_000..24_012].fill(20_000);
    let _ = recorder.record(&pcm).unwrap();
    let heard = play(&recorder.finish().unwrap(), Rate::Khz48, 1);
    let peak = (0..heard.len())
        .max_by_key(|&n| heard[n].unsigned_abs())
        .unwrap();
    assert!(peak.abs_diff(24_006) < 24, "{peak}");
}

#[test]
fn two_tracks_are_left_and_right() {
    let mut recorder =
        OggOpusRecorder::new(Vec::new(), SERIAL, Rate::Khz48, 2, &CodecOptions::new(), 60).unwrap();
    let (mut low, mut left) = (Tone::new(Rate::Khz48, 300.0, -20.0), [0; 960]);
    for _ in 0..100 {
        low.fill(&mut left);
        let _ = recorder.record_tracks(&left, &[]).unwrap();
    }
    let heard = play(&recorder.finish().unwrap(), Rate::Khz48, 2);
    let side = |n: usize| {
        Level::of(
            &heard[48_000..]
                .iter()
                .skip(n)
                .step_by(2)
                .copied()
                .collect::<Vec<_>>(),
        )
    };
    assert!((side(0).dbov() + 20.0).abs() < 1.5, "{:?}", side(0));
    assert!(side(1).dbov() < -45.0, "{:?}", side(1));
}

/// A stream that everyone can look into while it is written.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Vec<u8>>>);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_of_a_killed_program_plays_up_to_its_last_page() {
    let disk = Disk::default();
    let mut recorder = OggOpusRecorder::new(
        disk.clone(),
        SERIAL,
        Rate::Khz16,
        1,
        &CodecOptions::new(),
        60,
    )
    .unwrap();
    let mut voice = Tone::new(Rate::Khz16, 440.0, -20.0);
    let mut frame = [0; 320];
    for n in 1..=300_u64 {
        voice.fill(&mut frame);
        let _ = recorder.record(&frame).unwrap();
        // Killed now: all but the last second is on the disk, and in whole pages.
        let bytes = disk.0.lock().unwrap().clone();
        let (whole, rest) = pages(&bytes);
        assert!(rest.is_empty());
        assert!(n * 960 <= whole.last().unwrap().granule + 48_000, "{n}");
    }
    let bytes = disk.0.lock().unwrap().clone();
    let all = play(&bytes, Rate::Khz16, 1);
    assert!(all.len() >= 5 * 16_000 - 104);
    // Cut anywhere by a disk that was full: what is there of it is the same sound.
    for cut in (200..bytes.len()).step_by(211) {
        let some = play(&bytes[..cut], Rate::Khz16, 1);
        assert_eq!(some, all[..some.len()]);
    }
    drop(recorder);
    let left = disk.0.lock().unwrap().clone();
    let (whole, _) = pages(&left);
    assert_eq!(
        whole.last().unwrap().granule,
        300 * 960,
        "dropped, it writes what it holds"
    );
}

#[test]
fn it_stops_at_its_limit_and_says_so() {
    let mut recorder =
        OggOpusRecorder::new(Vec::new(), SERIAL, Rate::Khz8, 1, &CodecOptions::new(), 2).unwrap();
    for n in 0..110 {
        let recorded = recorder.record(&[n; 160]).unwrap();
        assert_eq!(recorded == Recorded::Full, n >= 100, "{n}");
    }
    assert_eq!(
        play(&recorder.finish().unwrap(), Rate::Khz8, 1).len(),
        16_000
    );
}

#[test]
fn packets_of_any_length_are_kept_as_they_came_and_nonsense_is_left_out() {
    let mut file = OggOpusWriter::new(Vec::new(), SERIAL, OpusHead::new(1)).unwrap();
    // CELT of 10 and 20 ms, SILK of 60, three frames of 20 in one, by their tables of contents.
    let packets: [(&[u8], u64); 4] = [
        (&[0xF0, 1, 2, 3], 480),
        (&[0xF8, 0xFF, 0xFE], 960),
        (&[0x18, 0], 2880),
        (&[0xFB, 3, 1, 1, 1], 2880),
    ];
    let mut samples = 0;
    for n in 0..100 {
        let (packet, lasts) = packets[n % 4];
        file.write(packet).unwrap();
        samples += lasts;
        assert_eq!(file.samples(), samples);
        for bad in [&[][..], &[0xFB], &[0xFB, 63]] {
            assert!(
                matches!(file.write(bad), Err(OggError::Codec(_))),
                "{bad:?}"
            );
        }
        let mut long = vec![0; 70_000];
        long[0] = 0xF8;
        assert!(matches!(
            file.write(&long),
            Err(OggError::PacketTooLong(70_000))
        ));
        let mut large = vec![0; 1275 + n];
        large[0] = 0xF8;
        file.write(&large).unwrap();
        samples += 960;
    }
    let bytes = file.finish_at(samples - 100).unwrap();
    let (pages, rest) = pages(&bytes);
    assert!(rest.is_empty());
    let kept: Vec<_> = pages[2..].iter().flat_map(|page| &page.packets).collect();
    assert_eq!(kept.len(), 200);
    for (n, pair) in kept.chunks(2).enumerate() {
        assert_eq!((*pair[0], pair[1].len()), (packets[n % 4].0, 1275 + n));
    }
    let last = pages.last().unwrap();
    assert_eq!((last.flags, last.granule), (4, samples - 100));
}

#[test]
fn what_opus_does_not_have_is_refused() {
    let new = |rate, channels, options: &CodecOptions| {
        OggOpusRecorder::new(Vec::new(), SERIAL, rate, channels, options, 1)
    };
    let fine = CodecOptions::new();
    for made in [
        new(Rate::Khz32, 1, &fine),
        new(Rate::Khz48, 0, &fine),
        new(Rate::Khz48, 3, &fine),
        new(Rate::Khz48, 1, &CodecOptions::new().with_bitrate(1)),
    ] {
        assert!(matches!(made, Err(OggError::Codec(_))));
    }
}

#[test]
fn a_recorder_can_cross_threads() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&OggOpusRecorder::new(Vec::new(), 1, Rate::Khz8, 1, &CodecOptions::new(), 1).unwrap());
}
