//! G.722 against spandsp, which agrees with the ITU-T's own program bit for bit: codes and samples at all three bit rates,
//! for speech, tones, noise, full scale and random codes. Where a sample leaves 16 bits we saturate, as the ITU-T's does, and
//! spandsp wraps: there, and only there, they may differ.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use interop::{Scratch, absent, installed};
use media_mix::codec::g722::G722;
use media_mix::wav::WavReader;
use media_mix::{Codec, CodecOptions, DtmfDetector, Key, Rate, Resampler, Tone};

/// The peer, compiled; `None` where spandsp or a compiler is absent.
fn peer(scratch: &Scratch) -> Option<PathBuf> {
    if !installed(&["cc"]) {
        return None;
    }
    let program = scratch.path().join("spandsp_g722");
    let built = Command::new("cc")
        .args(["-O1", "-o"])
        .arg(&program)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/codec_peers/spandsp_g722.c"
        ))
        .arg("-lspandsp")
        .stderr(Stdio::null())
        .status()
        .expect("cc runs");
    if !built.success() {
        absent("libspandsp-dev");
        return None;
    }
    Some(program)
}

fn run(program: &Path, way: &str, rate: u32, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args([way, &rate.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the peer starts");
    // It reads all before it writes.
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input).expect("the peer reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the peer ends");
    assert!(output.status.success());
    output.stdout
}

fn bytes(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|x| x.to_ne_bytes()).collect()
}

fn random(seed: &mut u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *seed >> 40
}

/// What Debian's `alsa-utils` says, at 16 kHz; nothing where it is absent.
fn speech() -> Vec<i16> {
    let mut pcm = Vec::new();
    let files = std::fs::read_dir("/usr/share/sounds/alsa").map(|dir| dir.flatten());
    let mut names: Vec<_> = files
        .into_iter()
        .flatten()
        .map(|file| file.path())
        .collect();
    names.sort();
    for name in names {
        let file = std::io::BufReader::new(std::fs::File::open(name).expect("it is listed"));
        let mut reader = WavReader::new(file).expect("a WAV file");
        let mut resampler = Resampler::new(Rate::Khz48, Rate::Khz16);
        let (mut piece, mut out) = ([0; 960], [0; 320]);
        loop {
            let n = reader.read(&mut piece).expect("its samples");
            if n == 0 {
                break;
            }
            let made = resampler.process(&piece[..n], &mut out);
            pcm.extend_from_slice(&out[..made]);
        }
    }
    if pcm.is_empty() {
        absent("alsa-utils");
    }
    pcm
}

fn signals() -> Vec<(&'static str, Vec<i16>)> {
    let mut seed = 1;
    let noise =
        |seed: &mut u64, shift: u32| (0..64_000).map(|_| random(seed) as i16 >> shift).collect();
    let mut tones = Vec::new();
    for hz in [50.0, 440.0, 1_020.0, 3_500.0, 3_999.0, 5_000.0, 7_500.0] {
        for level in [-3.1, -20.0, -50.0] {
            let mut part = vec![0; 4_000];
            Tone::new(Rate::Khz16, hz, level).fill(&mut part);
            tones.extend(part);
        }
    }
    vec![
        ("speech", speech()),
        ("tones", tones),
        ("loud noise", noise(&mut seed, 0)),
        ("quiet noise", noise(&mut seed, 8)),
        (
            "full-scale squares",
            (0..32_000)
                .map(|n| if n / 9 % 2 == 0 { i16::MAX } else { i16::MIN })
                .collect(),
        ),
        ("silence", vec![0; 3_200]),
    ]
}

#[test]
fn g722_codes_and_samples_are_those_of_spandsp() {
    let scratch = Scratch::new("g722");
    let Some(peer) = peer(&scratch) else { return };
    let codec = G722::new();
    let mut compared = 0;
    for bitrate in [64_000, 56_000, 48_000] {
        let options = CodecOptions::new().with_bitrate(bitrate);
        for (name, pcm) in signals() {
            let mut ours = vec![0; pcm.len() / 2];
            let mut encoder = codec.encoder(&options).expect("a bit rate that it has");
            for (pcm, out) in pcm.chunks(320).zip(ours.chunks_mut(160)) {
                encoder.encode(pcm, out).expect("a whole frame");
            }
            let theirs = run(&peer, "encode", bitrate, &bytes(&pcm));
            assert_eq!(ours.len(), theirs.len());
            let differ = ours.iter().zip(&theirs).filter(|(a, b)| a != b).count();
            assert_eq!(differ, 0, "{name} at {bitrate}: of {} codes", ours.len());
            decoded_alike(&peer, &codec, bitrate, name, &ours);
            compared += ours.len();
        }
        let mut seed = 7;
        let most = 0xFF >> ((64_000 - bitrate) / 8_000);
        let codes: Vec<u8> = (0..64_000)
            .map(|_| random(&mut seed) as u8 & most)
            .collect();
        decoded_alike(&peer, &codec, bitrate, "random codes", &codes);
        compared += codes.len();
    }
    println!("G.722: {compared} codes alike");
}

fn decoded_alike(peer: &Path, codec: &G722, bitrate: u32, name: &str, codes: &[u8]) {
    let options = CodecOptions::new().with_bitrate(bitrate);
    let mut decoder = codec.decoder(&options).expect("a bit rate that it has");
    let mut ours = vec![0; codes.len() * 2];
    for (codes, out) in codes.chunks(160).zip(ours.chunks_mut(320)) {
        decoder.decode(codes, out).expect("any code");
    }
    let theirs = run(peer, "decode", bitrate, codes);
    assert_eq!(theirs.len(), ours.len() * 2);
    let theirs = theirs
        .chunks_exact(2)
        .map(|b| i16::from_ne_bytes([b[0], b[1]]));
    let mut wrapped = 0;
    for (n, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        if *ours != theirs {
            // The reference saturates where the filters overshoot, and so do we; spandsp wraps round.
            let full = *ours == i16::MAX || *ours == i16::MIN;
            assert!(
                full && ours.signum() != theirs.signum(),
                "{name} at {bitrate}, sample {n}: {ours}, spandsp {theirs}"
            );
            wrapped += 1;
        }
    }
    if wrapped > 0 {
        println!(
            "{name} at {bitrate}: spandsp wraps {wrapped} of {} samples",
            ours.len()
        );
    }
}

/// Speech of `espeak-ng` in several voices: a text full of numbers and vowels, as telephones meet it.
fn spoken(scratch: &Scratch) -> Vec<i16> {
    const TEXT: &str = "Nine hundred and eighty-seven, six five four, three two one zero. \
        Please hold the line; all our agents are busy. Your call is number eleven. \
        How are you? Oh, I see. No, you owe me a yellow lorry. Who knew? We do, too. \
        One moment, Anna will immediately answer. A E I O U, alpha bravo charlie delta echo foxtrot golf hotel \
        india juliett kilo lima mike november oscar papa quebec romeo sierra tango uniform victor whiskey x-ray yankee zulu.";
    let mut pcm = Vec::new();
    for voice in [
        "en+m1", "en+m3", "en+m7", "en+f1", "en+f2", "en+f4", "en-us+f3", "de", "fr", "it+f5",
        "es+m2",
    ] {
        for pitch in ["25", "50", "80"] {
            let path = scratch.path().join("speech.wav");
            let made = std::process::Command::new("espeak-ng")
                .args(["-v", voice, "-p", pitch, "-s", "150", "-w"])
                .arg(&path)
                .arg(TEXT)
                .status()
                .expect("espeak-ng runs");
            assert!(made.success(), "{voice}");
            let file = std::io::BufReader::new(std::fs::File::open(&path).expect("it was made"));
            let clip = media_mix::Clip::from_wav(file, 48_000 * 600).expect("a WAV file");
            let mut resampler = Resampler::new(clip.rate(), Rate::Khz8);
            let mut out = vec![0; resampler.output_len(clip.samples().len())];
            let n = resampler.process(clip.samples(), &mut out);
            pcm.extend_from_slice(&out[..n]);
        }
    }
    pcm
}

#[test]
fn hardly_anybody_presses_a_key_by_talking() {
    if !installed(&["espeak-ng"]) {
        return;
    }
    let scratch = Scratch::new("talk_off");
    let real = speech();
    let mut narrow = vec![0; real.len()];
    let n = Resampler::new(Rate::Khz16, Rate::Khz8).process(&real, &mut narrow);
    narrow.truncate(n);
    let mut heard = Vec::new();
    for (who, pcm) in [("alsa-utils", narrow), ("espeak-ng", spoken(&scratch))] {
        // As it is, through a telephone, and twice as loud.
        for louder in [1, 2] {
            let mut detector = DtmfDetector::new(Rate::Khz8);
            let mut keys = String::new();
            for frame in pcm.chunks(160) {
                let frame: Vec<i16> = frame.iter().map(|x| x.saturating_mul(louder)).collect();
                detector.hear(&frame, |key| {
                    if let Key::Down(key) = key {
                        keys.push(key);
                    }
                });
            }
            let minutes = pcm.len() as f64 / 8000.0 / 60.0;
            println!(
                "{who}, {louder} times as loud: {} keys in {minutes:.1} minutes {keys}",
                keys.len()
            );
            heard.push((who, keys));
        }
    }
    // Of a quarter of an hour in which artificial voices never pause, one syllable; of people, none.
    assert!(
        heard
            .iter()
            .all(|(who, keys)| keys.len() <= if *who == "espeak-ng" { 2 } else { 0 }),
        "{heard:?}"
    );
}
