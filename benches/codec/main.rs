//! Codecs, 20 ms at a time, beside their peers, and how many code words each gets wrong: one that is fast because it is
//! not exact has not won.

use std::hint::black_box;
use std::process::ExitCode;

use benches::{Bench, Counting, OURS, Report};
use media_mix::codec::opus::{Library, Opus};
use media_mix::{Codec, CodecOptions, Registry};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A buzz whose pitch and loudness move, with a little noise: no codec's easiest or hardest day.
fn voice(len: usize, hz: f64) -> Vec<i16> {
    let (mut phase, mut seed) = (0.0_f64, 1_u64);
    (0..len)
        .map(|n| {
            let t = n as f64 / hz;
            phase += (140.0 + 40.0 * (t * 5.0).sin()) / hz;
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let harmonics: f64 = (1..12)
                .map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k))
                .sum();
            let breath = (seed >> 40) as f64 / f64::from(1 << 24) - 0.5;
            ((harmonics * (0.6 + 0.4 * (t * 13.0).sin()) + breath * 0.1) * 6_000.0) as i16
        })
        .collect()
}

/// Does `step` to one frame after the other, round and round.
fn rounds<'a, T>(frames: &'a [Vec<T>], mut step: impl FnMut(&[T]) + 'a) -> impl FnMut(u64) + 'a {
    let mut at = 0;
    move |n| {
        for _ in 0..n {
            step(&frames[at]);
            at = (at + 1) % frames.len();
        }
    }
}

fn frames(pcm: &[i16], len: usize) -> Vec<Vec<i16>> {
    pcm.chunks_exact(len).map(<[i16]>::to_vec).collect()
}

fn encoded(codec: &dyn Codec, options: &CodecOptions, frames: &[Vec<i16>]) -> Vec<Vec<u8>> {
    let mut encoder = codec.encoder(options).expect("options that it has");
    frames
        .iter()
        .map(|pcm| {
            let mut out = vec![0; encoder.max_payload(pcm.len())];
            let bytes = encoder.encode(pcm, &mut out).expect("a whole frame");
            out.truncate(bytes);
            out
        })
        .collect()
}

fn ours<'a>(
    bench: &mut Bench<'a>,
    what: &str,
    codec: &dyn Codec,
    options: &CodecOptions,
    pcm: &'a [Vec<i16>],
    wire: &'a [Vec<u8>],
    who: &str,
) {
    let mut encoder = codec.encoder(options).expect("options that it has");
    let mut out = vec![0; encoder.max_payload(pcm[0].len())];
    bench.add(
        &format!("{what} encode"),
        who,
        rounds(pcm, move |pcm| {
            black_box(encoder.encode(black_box(pcm), &mut out).is_ok());
            black_box(&out);
        }),
    );
    let mut decoder = codec.decoder(options).expect("options that it has");
    let mut out = vec![0; pcm[0].len()];
    bench.add(
        &format!("{what} decode"),
        who,
        rounds(wire, move |wire| {
            black_box(decoder.decode(black_box(wire), &mut out).is_ok());
            black_box(&out);
        }),
    );
}

fn audio_codec_peer<'a>(
    bench: &mut Bench<'a>,
    what: &str,
    mut encoder: impl audio_codec::Encoder + 'a,
    mut decoder: impl audio_codec::Decoder + 'a,
    pcm: &'a [Vec<i16>],
    wire: &'a [Vec<u8>],
) {
    let mut out = vec![0; pcm[0].len()];
    bench.add(
        &format!("{what} encode"),
        "audio-codec",
        rounds(pcm, move |pcm| {
            black_box(encoder.encode_into(black_box(pcm), &mut out).is_ok());
            black_box(&out);
        }),
    );
    let mut out = vec![0; pcm[0].len()];
    bench.add(
        &format!("{what} decode"),
        "audio-codec",
        rounds(wire, move |wire| {
            black_box(decoder.decode_into(black_box(wire), &mut out).is_ok());
            black_box(&out);
        }),
    );
}

/// How many of all 65,536 inputs, or of the codes of the voice, are not those of the standard. Ours are the reference: the
/// tests of `media-mix` check G.711 against the tables of the standard, and `interop` checks G.722 against spandsp.
fn wrong(report: &mut Report, wide: &[Vec<i16>], exact: &[Vec<u8>]) {
    let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    for (name, theirs, ezk) in [
        (
            "pcmu",
            audio_codec_codes(audio_codec::pcmu::PcmuEncoder::new(), &all),
            ezk_g711::mulaw::encode as fn(i16) -> u8,
        ),
        (
            "pcma",
            audio_codec_codes(audio_codec::pcma::PcmaEncoder::new(), &all),
            ezk_g711::alaw::encode,
        ),
    ] {
        let right: Vec<u8> = all
            .iter()
            .map(|&x| match name {
                "pcmu" => media_mix::codec::g711::mu_law_encode(x),
                _ => media_mix::codec::g711::a_law_encode(x),
            })
            .collect();
        let differ = |codes: &[u8]| codes.iter().zip(&right).filter(|(a, b)| a != b).count() as f64;
        let what = format!("{name} wrong of 65,536");
        report.add(&what, "codes", OURS, 0.0);
        report.add(&what, "codes", "audio-codec", differ(&theirs));
        let ezk: Vec<u8> = all.iter().map(|&x| ezk(x)).collect();
        report.add(&what, "codes", "ezk-g711", differ(&ezk));
    }
    let total: usize = exact.iter().map(Vec::len).sum();
    let what = format!("g722 wrong of {total}");
    let differ = |codes: Vec<u8>| {
        codes
            .iter()
            .zip(exact.iter().flatten())
            .filter(|(a, b)| a != b)
            .count() as f64
    };
    let pcm: Vec<i16> = wide.concat();
    report.add(&what, "codes", OURS, 0.0);
    report.add(
        &what,
        "codes",
        "audio-codec",
        differ(audio_codec_codes(
            audio_codec::g722::G722Encoder::new(),
            &pcm,
        )),
    );
    let mut ezk = ezk_g722::libg722::encoder::Encoder::new(
        ezk_g722::libg722::Bitrate::Mode1_64000,
        false,
        false,
    );
    report.add(&what, "codes", "ezk-g722", differ(ezk.encode(&pcm)));
}

fn audio_codec_codes(mut encoder: impl audio_codec::Encoder, pcm: &[i16]) -> Vec<u8> {
    let mut out = vec![0; pcm.len()];
    let made = encoder.encode_into(pcm, &mut out).unwrap_or(0);
    out.truncate(made);
    out
}

fn main() -> ExitCode {
    let registry = Registry::default();
    let find = |name: &str| {
        registry
            .iter()
            .find(|c| c.description().name == name)
            .expect("built in")
    };
    let plain = CodecOptions::new();
    let narrow = frames(&voice(8_000 * 4, 8_000.0), 160);
    let wide = frames(&voice(16_000 * 4, 16_000.0), 320);
    let full = frames(&voice(48_000 * 4, 48_000.0), 960);
    let (mu, a) = (
        encoded(&**find("PCMU"), &plain, &narrow),
        encoded(&**find("PCMA"), &plain, &narrow),
    );
    let g722 = encoded(&**find("G722"), &plain, &wide);
    let opus_options = CodecOptions::new().with_bitrate(24_000).with_complexity(5);
    let pure = Opus::new().with_library(Library::Pure);
    let opus = encoded(&pure, &opus_options, &full);

    let mut bench = Bench::new();
    ours(
        &mut bench,
        "pcmu",
        &**find("PCMU"),
        &plain,
        &narrow,
        &mu,
        OURS,
    );
    audio_codec_peer(
        &mut bench,
        "pcmu",
        audio_codec::pcmu::PcmuEncoder::new(),
        audio_codec::pcmu::PcmuDecoder::new(),
        &narrow,
        &mu,
    );
    ours(
        &mut bench,
        "pcma",
        &**find("PCMA"),
        &plain,
        &narrow,
        &a,
        OURS,
    );
    audio_codec_peer(
        &mut bench,
        "pcma",
        audio_codec::pcma::PcmaEncoder::new(),
        audio_codec::pcma::PcmaDecoder::new(),
        &narrow,
        &a,
    );
    for (what, encode, decode, wire) in [
        (
            "pcmu",
            ezk_g711::mulaw::encode as fn(i16) -> u8,
            ezk_g711::mulaw::decode as fn(u8) -> i16,
            &mu,
        ),
        ("pcma", ezk_g711::alaw::encode, ezk_g711::alaw::decode, &a),
    ] {
        let mut out = [0; 160];
        bench.add(
            &format!("{what} encode"),
            "ezk-g711",
            rounds(&narrow, move |pcm| {
                for (out, &x) in out.iter_mut().zip(black_box(pcm)) {
                    *out = encode(x);
                }
                black_box(&out);
            }),
        );
        let mut out = [0; 160];
        bench.add(
            &format!("{what} decode"),
            "ezk-g711",
            rounds(wire, move |wire| {
                for (out, &code) in out.iter_mut().zip(black_box(wire)) {
                    *out = decode(code);
                }
                black_box(&out);
            }),
        );
    }
    ours(
        &mut bench,
        "g722",
        &**find("G722"),
        &plain,
        &wide,
        &g722,
        OURS,
    );
    audio_codec_peer(
        &mut bench,
        "g722",
        audio_codec::g722::G722Encoder::new(),
        audio_codec::g722::G722Decoder::new(),
        &wide,
        &g722,
    );
    let mode = || ezk_g722::libg722::Bitrate::Mode1_64000;
    let mut encoder = ezk_g722::libg722::encoder::Encoder::new(mode(), false, false);
    bench.add(
        "g722 encode",
        "ezk-g722",
        rounds(&wide, move |pcm| {
            black_box(encoder.encode(black_box(pcm)));
        }),
    );
    let mut decoder = ezk_g722::libg722::decoder::Decoder::new(mode(), false, false);
    bench.add(
        "g722 decode",
        "ezk-g722",
        rounds(&g722, move |wire| {
            black_box(decoder.decode(black_box(wire)));
        }),
    );
    ours(&mut bench, "opus", &pure, &opus_options, &full, &opus, OURS);
    let libopus = Opus::new().with_library(Library::Libopus);
    ours(
        &mut bench,
        "opus",
        &libopus,
        &opus_options,
        &full,
        &opus,
        "libopus",
    );

    let mut report = Report::new("codec");
    bench.time(&mut report);
    bench.count_allocations(&mut report);
    wrong(&mut report, &wide, &g722);
    if let Err(error) = report.finish() {
        eprintln!("the figures could not be written: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
