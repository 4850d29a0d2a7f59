//! Every Opus library that is built in understands every other, in mono and stereo.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Spectrum;
use media_mix::codec::opus::{Library, Opus};
use media_mix::{Codec, CodecError, CodecOptions, Rate, Tone};

fn libraries() -> Vec<Library> {
    vec![
        Library::Pure,
        #[cfg(feature = "opus")]
        Library::Libopus,
        #[cfg(feature = "audiopus")]
        Library::System,
    ]
}

/// Speech-like enough: a buzz whose pitch and loudness move.
fn buzz(len: usize, rate: Rate) -> Vec<i16> {
    let mut phase = 0.0_f64;
    (0..len)
        .map(|n| {
            let t = n as f64 / f64::from(rate.hz());
            phase += (140.0 + 40.0 * (t * 5.0).sin()) / f64::from(rate.hz());
            let voice: f64 = (1..12)
                .map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k))
                .sum();
            (voice * 6_000.0 * (0.6 + 0.4 * (t * 13.0).sin())) as i16
        })
        .collect()
}

fn packets(codec: &Opus, options: &CodecOptions, pcm: &[i16], frame: usize) -> Vec<Vec<u8>> {
    let mut encoder = codec.encoder(options).unwrap();
    let mut payload = vec![0; encoder.max_payload(frame)];
    pcm.chunks_exact(frame)
        .map(|frame| {
            let bytes = encoder.encode(frame, &mut payload).unwrap();
            payload[..bytes].to_vec()
        })
        .collect()
}

#[test]
fn each_decodes_what_each_encodes_within_an_lsb_of_the_others() {
    for (codec, channels) in [(Opus::new(), 1), (Opus::stereo(), 2)] {
        let pcm = buzz(48_000 * channels, Rate::Khz48);
        for writer in libraries() {
            for bitrate in [12_000, 24_000, 64_000] {
                let options = CodecOptions::new().with_bitrate(bitrate);
                let frame = 960 * channels;
                let sent = packets(&codec.clone().with_library(writer), &options, &pcm, frame);
                let heard: Vec<Vec<i16>> = libraries()
                    .into_iter()
                    .map(|reader| {
                        let codec = codec.clone().with_library(reader);
                        let mut decoder = codec.decoder(&options).unwrap();
                        let mut heard = vec![0; pcm.len()];
                        for (packet, out) in sent.iter().zip(heard.chunks_exact_mut(frame)) {
                            assert_eq!(decoder.decode(packet, out), Ok(frame));
                        }
                        heard
                    })
                    .collect();
                let loud = heard[0].iter().map(|x| x.unsigned_abs()).max();
                assert!(loud > Some(3_000), "{writer:?} {loud:?}");
                for other in &heard[1..] {
                    let worst = heard[0]
                        .iter()
                        .zip(other)
                        .map(|(a, b)| a.abs_diff(*b))
                        .max();
                    assert!(worst <= Some(2), "{writer:?} at {bitrate}: {worst:?}");
                }
            }
        }
    }
}

#[test]
fn left_and_right_stay_apart() {
    for library in libraries() {
        let codec = Opus::stereo().with_library(library);
        let (mut left, mut right) = (
            Tone::new(Rate::Khz48, 440.0, -12.0),
            Tone::new(Rate::Khz48, 1_500.0, -12.0),
        );
        let (mut l, mut r) = (vec![0; 48_000], vec![0; 48_000]);
        left.fill(&mut l);
        right.fill(&mut r);
        let pcm: Vec<i16> = l.iter().zip(&r).flat_map(|(&l, &r)| [l, r]).collect();
        let options = CodecOptions::new().with_bitrate(96_000);
        let mut decoder = codec.decoder(&options).unwrap();
        let mut heard = vec![0; 1920];
        let (mut l, mut r) = (Vec::new(), Vec::new());
        for packet in packets(&codec, &options, &pcm, 1920) {
            assert_eq!(decoder.samples(&packet), Ok(1920));
            decoder.decode(&packet, &mut heard).unwrap();
            l.extend(heard.iter().step_by(2));
            r.extend(heard.iter().skip(1).step_by(2));
        }
        for (channel, own, other) in [(l, 440.0, 1_500.0), (r, 1_500.0, 440.0)] {
            let spectrum = Spectrum::of_pcm(&channel[24_000..], 48_000);
            assert!((spectrum.tone(own) + 12.0).abs() < 1.5, "{library:?}");
            assert!(
                spectrum.tone(other) < -35.0,
                "{library:?} {}",
                spectrum.tone(other)
            );
        }
        decoder.conceal(&mut heard);
        assert!(heard.iter().any(|&x| x.unsigned_abs() > 100), "{library:?}");
    }
}

#[test]
fn each_repairs_sends_nothing_in_silence_and_refuses_nonsense() {
    for library in libraries() {
        let codec = Opus::new().with_library(library);
        let pcm = buzz(48_000, Rate::Khz48);
        let options = CodecOptions::new().with_bitrate(24_000).with_fec(20);
        let sent = packets(&codec, &options, &pcm, 960);
        let mut decoder = codec.decoder(&options).unwrap();
        let (mut out, mut repaired) = (vec![0; 960], 0);
        for (n, packet) in sent.iter().enumerate().skip(1) {
            if n % 5 == 0 {
                repaired += usize::from(decoder.recover(packet, &mut out));
            }
            if n % 5 != 4 {
                decoder.decode(packet, &mut out).unwrap();
            }
        }
        assert!(repaired >= 4, "{library:?}: {repaired}");

        let quiet = packets(&codec, &CodecOptions::new().with_dtx(), &[0; 96_000], 960);
        let unsent = quiet.iter().filter(|packet| packet.is_empty()).count();
        assert!(unsent > 60, "{library:?}: {unsent}");

        assert!(decoder.decode(&[0xFF; 3], &mut out).is_err());
        let mut random = 1_u64;
        for _ in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let bytes = random.to_be_bytes();
            let len = usize::from(bytes[0] % 8) + 1;
            let mut wide = vec![0; 5760];
            let _ = decoder.decode(&bytes[..len.min(8)], &mut wide);
        }
        decoder.reset();
        assert_eq!(decoder.decode(&sent[0], &mut out), Ok(960), "{library:?}");
    }
}

/// 200,000 packets for each library: noise, and real ones cut short and with bytes changed.
#[test]
fn no_packet_brings_a_library_down() {
    const PACKETS: usize = 200_000;
    let pcm = buzz(48_000, Rate::Khz48);
    let mut real = Vec::new();
    for (bitrate, ms) in [(8_000, 20), (12_000, 60), (24_000, 20), (64_000, 10)] {
        let options = CodecOptions::new().with_bitrate(bitrate).with_fec(10);
        real.extend(packets(
            &Opus::new(),
            &options,
            &pcm,
            Rate::Khz48.samples(ms),
        ));
    }
    for library in libraries() {
        let codec = Opus::at(Rate::Khz16).unwrap().with_library(library);
        let mut decoder = codec.decoder(&CodecOptions::new()).unwrap();
        let mut state = 7_u64;
        let mut noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let (mut out, mut decoded) = ([0; 1920], 0);
        for n in 0..PACKETS {
            let mut packet = real[noise() % real.len()].clone();
            match n % 4 {
                0 => {
                    packet.resize(noise() % 40, 0);
                    packet.iter_mut().for_each(|byte| *byte = noise() as u8);
                }
                1 => packet.truncate(noise() % (packet.len() + 1)),
                _ => {
                    for _ in 0..=noise() % 4 {
                        let at = noise() % packet.len();
                        packet[at] = noise() as u8;
                    }
                }
            }
            match noise() % 16 {
                0 => drop(decoder.recover(&packet, &mut out[..320])),
                _ => match decoder.decode(&packet, &mut out) {
                    Ok(_) => decoded += 1,
                    Err(CodecError::Malformed { .. }) => {}
                    Err(error) => panic!("{library:?}: {error} on {packet:02x?}"),
                },
            }
        }
        assert!(decoded > PACKETS / 4, "{library:?}: {decoded}");
        // Whatever came before, a good packet still decodes.
        assert_eq!(decoder.decode(real.last().unwrap(), &mut out), Ok(160));
    }
}
