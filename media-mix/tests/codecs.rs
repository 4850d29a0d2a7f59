//! The codecs from outside: hostile payloads, loss, and what the registry promises of each.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use media_mix::codec::g722::{G722Decoder, G722Encoder, Mode};
use media_mix::{
    Codec, CodecError, CodecOptions, Decoder, Description, Encoder, Rate, Registry, Tone,
};

/// Noise that is the same on every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }
}

fn codec(name: &str) -> Arc<dyn Codec> {
    let registry = Registry::default();
    let found = registry
        .iter()
        .find(|codec| codec.description().name == name);
    Arc::clone(found.unwrap())
}

#[test]
fn random_payloads_neither_panic_nor_stop_any_decoder() {
    for codec in Registry::default().iter() {
        let name = codec.description().name;
        let rounds = if name == "opus" { 20_000 } else { 2_000 };
        let mut decoder = codec.decoder(&CodecOptions::new()).unwrap();
        let (mut noise, mut out, mut failures) = (Noise(5), vec![0; 5760], 0);
        for _ in 0..rounds {
            let len = noise.next() as usize % 300;
            let payload: Vec<u8> = (0..len).map(|_| (noise.next() >> 13) as u8).collect();
            match noise.next() % 8 {
                0 => decoder.conceal(&mut out[..960]),
                1 => drop(decoder.recover(&payload, &mut out[..960])),
                _ => match decoder.decode(&payload, &mut out) {
                    Ok(n) => assert!(n <= out.len()),
                    Err(CodecError::Malformed { .. }) => {}
                    Err(error) => {
                        println!("{name}: {error} on {payload:02x?}");
                        failures += 1;
                    }
                },
            }
        }
        assert_eq!(failures, 0, "{name}: only malformed payloads are errors");
    }
}

#[test]
fn mutilated_opus_packets_of_every_mode_do_not_panic() {
    let codec = codec("opus");
    let mut noise = Noise(6);
    let mut internal = 0;
    for (bitrate, ms) in [
        (8_000, 20),
        (12_000, 60),
        (20_000, 10),
        (32_000, 40),
        (64_000, 20),
        (128_000, 10),
    ] {
        let options = CodecOptions::new().with_bitrate(bitrate).with_fec(10);
        let mut encoder = codec.encoder(&options).unwrap();
        let mut decoder = codec.decoder(&options).unwrap();
        let (mut voice, mut payload, mut out) = (
            Tone::dual(Rate::Khz48, 180.0, 2_300.0, -20.0),
            vec![0; 1275],
            vec![0; 5760],
        );
        let mut pcm = vec![0; Rate::Khz48.samples(ms)];
        for _ in 0..60 {
            voice.fill(&mut pcm);
            for sample in &mut pcm {
                *sample += (noise.next() >> 20) as i16;
            }
            let bytes = encoder.encode(&pcm, &mut payload).unwrap();
            for _ in 0..8 {
                let mut bad = payload[..bytes].to_vec();
                for _ in 0..noise.next() % 6 {
                    let at = noise.next() as usize % bad.len();
                    bad[at] = noise.next() as u8;
                }
                bad.truncate(noise.next() as usize % (bad.len() + 1));
                let result = match noise.next() % 6 {
                    0 => Ok(usize::from(decoder.recover(&bad, &mut out[..pcm.len()]))),
                    _ => decoder.decode(&bad, &mut out),
                };
                internal += usize::from(matches!(result, Err(CodecError::Internal { .. })));
            }
            // Whatever came before, a good packet still decodes.
            assert_eq!(decoder.decode(&payload[..bytes], &mut out), Ok(pcm.len()));
        }
    }
    assert_eq!(internal, 0, "the fence around the library was not needed");
}

#[test]
fn what_an_encoder_offers_it_encodes() {
    for codec in Registry::default().iter() {
        let d = codec.description();
        let mut encoder = codec.encoder(&CodecOptions::new()).unwrap();
        let mut decoder = codec.decoder(&CodecOptions::new()).unwrap();
        assert!(d.frame_ms.contains(&d.ptime_ms));
        for &ms in d.frame_ms {
            let pcm = vec![0; d.frame_samples(usize::from(ms))];
            let mut payload = vec![0; encoder.max_payload(pcm.len())];
            let bytes = encoder.encode(&pcm, &mut payload).unwrap();
            let mut out = vec![1; pcm.len()];
            assert_eq!(
                decoder.decode(&payload[..bytes], &mut out),
                Ok(pcm.len()),
                "{} {ms} ms",
                d.name
            );
        }
        let short = encoder.encode(&vec![0; d.frame_samples(20)], &mut [0; 3]);
        assert!(
            matches!(short, Err(CodecError::OutputTooSmall { .. })),
            "{}",
            d.name
        );
        assert_eq!(d.rtp_units(20), d.clock_rate / 50);
    }
}

#[test]
fn options_out_of_range_are_refused_with_a_reason() {
    let opus = codec("opus");
    for options in [
        CodecOptions::new().with_bitrate(5_000),
        CodecOptions::new().with_complexity(11),
    ] {
        let error = opus.encoder(&options).err().unwrap();
        assert!(
            matches!(error, CodecError::Option { codec: "opus", .. }),
            "{error}"
        );
    }
    assert!(
        codec("G722")
            .encoder(&CodecOptions::new().with_bitrate(8_000))
            .is_err()
    );
}

#[test]
fn opus_recovers_a_lost_frame_from_the_next_packet_only_if_there_is_a_copy() {
    let codec = codec("opus");
    let lose_every_fourth = |options: &CodecOptions| {
        let mut encoder = codec.encoder(options).unwrap();
        let mut decoder = codec.decoder(options).unwrap();
        let mut reference = codec.decoder(options).unwrap();
        let (mut noise, mut payload, mut out, mut truth) =
            (Noise(7), vec![0; 1275], vec![0; 960], vec![0; 960]);
        let (mut recovered, mut lost, mut error, mut energy) = (0, None::<Vec<i16>>, 0.0, 0.0);
        let mut phase = 0.0_f64;
        for n in 0..400 {
            // Something like speech: a gliding buzz in syllables.
            let pcm: Vec<i16> = (0..960)
                .map(|i| {
                    let t = f64::from(n * 960 + i) / 48_000.0;
                    phase += (140.0 + 60.0 * (t * 5.0).sin()) / 48_000.0;
                    let buzz: f64 = (1..12)
                        .map(|k| {
                            (phase * std::f64::consts::TAU * f64::from(k)).sin() / f64::from(k)
                        })
                        .sum();
                    let syllable = (t * 20.0).sin().max(0.0);
                    (buzz * syllable * 6_000.0) as i16 + (noise.next() >> 27) as i16
                })
                .collect();
            let bytes = encoder.encode(&pcm, &mut payload).unwrap();
            reference.decode(&payload[..bytes], &mut truth).unwrap();
            if n % 4 == 3 {
                lost = Some(truth.clone());
                continue;
            }
            if let Some(truth) = lost.take() {
                recovered += usize::from(decoder.recover(&payload[..bytes], &mut out));
                error += truth
                    .iter()
                    .zip(&out)
                    .map(|(&t, &o)| (f64::from(t) - f64::from(o)).powi(2))
                    .sum::<f64>();
                energy += truth.iter().map(|&t| f64::from(t).powi(2)).sum::<f64>();
            }
            decoder.decode(&payload[..bytes], &mut out).unwrap();
        }
        (recovered, 10.0 * (energy / error).log10())
    };
    let options = CodecOptions::new().with_bitrate(24_000);
    let (none, concealed) = lose_every_fourth(&options);
    let (copies, repaired) = lose_every_fourth(&options.clone().with_fec(25));
    println!("{none} copies: {concealed:.1} dB; {copies} copies: {repaired:.1} dB");
    assert_eq!(none, 0);
    assert!(
        copies > 40,
        "{copies} of 99 frames had a copy; half of them are silence"
    );
    assert!(
        repaired > concealed + 3.0,
        "concealed {concealed:.1} dB, repaired {repaired:.1} dB"
    );
}

#[test]
fn opus_sends_nothing_while_it_is_silent_if_asked_to() {
    let opus = codec("opus");
    let count = |options: &CodecOptions| {
        let mut encoder = opus.encoder(options).unwrap();
        let mut payload = [0; 1275];
        (0..200)
            .filter(|_| encoder.encode(&[0; 960], &mut payload).unwrap() > 0)
            .count()
    };
    assert_eq!(count(&CodecOptions::new()), 200);
    let sent = count(&CodecOptions::new().with_dtx());
    assert!(sent < 40, "{sent} of 200 frames of silence were sent");
}

#[test]
fn opus_keeps_to_its_bitrate_and_bandwidth() {
    let opus = codec("opus");
    let mut noise = Noise(8);
    let pcm: Vec<i16> = (0..48_000).map(|_| (noise.next() >> 19) as i16).collect();
    for bitrate in [16_000, 32_000, 64_000] {
        let mut encoder = opus
            .encoder(&CodecOptions::new().with_bitrate(bitrate))
            .unwrap();
        let mut payload = [0; 1275];
        let bytes: usize = (0..4)
            .flat_map(|_| pcm.chunks_exact(960))
            .map(|frame| encoder.encode(frame, &mut payload).unwrap())
            .sum();
        let real = bytes * 8 / 4;
        assert!(
            real < bitrate as usize * 115 / 100 && real > bitrate as usize * 70 / 100,
            "{bitrate}: {real}"
        );
    }
}

#[test]
fn a_stereo_stream_is_heard_in_mono_and_its_copies_are_seen() {
    use opus_pure::{Application, OpusEncoder, RateControl, Repacketizer};
    let mut encoder = OpusEncoder::new(48_000, 2, Application::Voip).unwrap();
    encoder.bitrate_bps = 20_000;
    encoder.complexity = 5;
    encoder.signal_type = Some(opus_pure::Signal::Voice);
    encoder.rate_control = RateControl::Vbr;
    encoder.use_inband_fec = true;
    encoder.packet_loss_perc = 20;
    let mut decoder = codec("opus").decoder(&CodecOptions::new()).unwrap();
    let (mut packet, mut out, mut heard, mut copies) =
        (vec![0; 4000], vec![0; 5760], Vec::new(), [0, 0]);
    let mut last = Vec::new();
    for n in 0..200_u32 {
        let pcm: Vec<i16> = (0..960)
            .flat_map(|i| {
                let t = f64::from(n * 960 + i) / 48_000.0;
                let syllable = (t * 12.0).sin().max(0.0) * 6_000.0;
                [140.0, 210.0].map(|hz| {
                    let buzz: f64 = (1..10)
                        .map(|k| {
                            (t * hz * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k)
                        })
                        .sum();
                    (buzz * syllable) as i16
                })
            })
            .collect();
        let bytes = encoder.encode_s16(&pcm, 960, &mut packet).unwrap();
        copies[0] += u32::from(decoder.recover(&packet[..bytes], &mut out[..960]));
        assert_eq!(decoder.decode(&packet[..bytes], &mut out), Ok(960));
        heard.extend_from_slice(&out[..960]);
        // Two of them in one packet, the lengths before them: framing code 3 or 2.
        if n % 2 == 1 {
            let mut joined = Repacketizer::new();
            if joined.cat(&last).is_ok() && joined.cat(&packet[..bytes]).is_ok() {
                let both = joined.out().unwrap();
                assert_eq!(decoder.samples(&both), Ok(1920));
                copies[1] += u32::from(decoder.recover(&both, &mut out[..960]));
            }
        }
        last = packet[..bytes].to_vec();
    }
    let level = media_mix::Level::of(&heard).to_wire();
    assert!(
        (20..32).contains(&level),
        "both channels are there: {level}"
    );
    assert!(
        copies[0] > 60 && copies[0] < 160,
        "{copies:?}: syllables have copies, pauses have none"
    );
    assert!(copies[1] > 20 && copies[1] < 90, "{copies:?}");
}

/// A number that stands for many: FNV-1a over bytes.
fn fingerprint(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    })
}

#[test]
fn g722_gives_the_reference_codes() {
    // Noise at three levels, with silence and squares between: codes on which this codec and an independent
    // implementation that follows the ITU-T reference bit for bit agreed when the fingerprints were taken.
    let mut noise = Noise(9);
    let pcm: Vec<i16> = (0..48_000_u32)
        .map(|n| match n / 1_600 % 5 {
            0 => (noise.next() as i16) >> 1,
            1 => (noise.next() as i16) >> 4,
            2 => 0,
            3 if n / 20 % 2 == 0 => 12_000,
            3 => -12_000,
            _ => (noise.next() as i16) >> 9,
        })
        .collect();
    let expected = [
        (Mode::Kbit64, FINGERPRINT64),
        (Mode::Kbit56, FINGERPRINT56),
        (Mode::Kbit48, FINGERPRINT48),
    ];
    for (mode, (codes_expected, pcm_expected)) in expected {
        let (mut codes, mut out) = (vec![0; 24_000], vec![0; 48_000]);
        G722Encoder::new(mode).encode(&pcm, &mut codes).unwrap();
        G722Decoder::new(mode).decode(&codes, &mut out).unwrap();
        assert_eq!(fingerprint(codes), codes_expected, "{mode:?}");
        assert_eq!(
            fingerprint(out.iter().flat_map(|x| x.to_le_bytes())),
            pcm_expected,
            "{mode:?}"
        );
    }
}

/// Codes and decoded samples.
const FINGERPRINT64: (u64, u64) = (0xD204_4075_98D8_3EF7, 0x13BC_9924_62B4_FF97);
const FINGERPRINT56: (u64, u64) = (0x6FF7_CFCD_CFDE_3A11, 0x97C0_375B_8B61_7EB3);
const FINGERPRINT48: (u64, u64) = (0x75B7_8D2E_A936_FA58, 0xE91D_954B_0409_C28E);

/// A codec from elsewhere: 16-bit samples as they are (RFC 3551 section 4.5.11, L16).
struct L16(Description);

impl Codec for L16 {
    fn description(&self) -> &Description {
        &self.0
    }
    fn decoder(&self, _: &CodecOptions) -> Result<Box<dyn Decoder>, CodecError> {
        Ok(Box::new(L16Stream))
    }
    fn encoder(&self, _: &CodecOptions) -> Result<Box<dyn Encoder>, CodecError> {
        Ok(Box::new(L16Stream))
    }
}

struct L16Stream;

impl Decoder for L16Stream {
    fn samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        Ok(payload.len() / 2)
    }
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let (need, have) = (payload.len() / 2, out.len());
        if have < need {
            return Err(CodecError::OutputTooSmall { need, have });
        }
        for (sample, b) in out.iter_mut().zip(payload.chunks_exact(2)) {
            *sample = i16::from_be_bytes([b[0], b[1]]);
        }
        Ok(need)
    }
    fn conceal(&mut self, out: &mut [i16]) {
        out.fill(0);
    }
    fn reset(&mut self) {}
}

impl Encoder for L16Stream {
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        for (b, sample) in out.chunks_exact_mut(2).zip(pcm) {
            b.copy_from_slice(&sample.to_be_bytes());
        }
        Ok(pcm.len() * 2)
    }
    fn max_payload(&self, samples: usize) -> usize {
        samples * 2
    }
    fn reset(&mut self) {}
}

#[test]
fn a_codec_from_elsewhere_is_registered_and_found() {
    let mut registry = Registry::default();
    registry.register(Arc::new(L16(Description::new("L16", 16_000, Rate::Khz16))));
    let codec = registry.find("l16", 16_000, 1).unwrap();
    let (mut encoder, mut decoder) = (
        codec.encoder(&CodecOptions::new()).unwrap(),
        codec.decoder(&CodecOptions::new()).unwrap(),
    );
    let (mut payload, mut out) = ([0; 640], [0; 320]);
    encoder.encode(&[-2; 320], &mut payload).unwrap();
    assert_eq!(decoder.decode(&payload, &mut out), Ok(320));
    assert_eq!(out, [-2; 320]);
    assert_eq!(registry.descriptions().last().map(|d| d.name), Some("L16"));
}
