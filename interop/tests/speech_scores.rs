//! How speech sounds after the whole path, scored by PESQ (ITU-T P.862; PyPI's `pesq`): each codec alone, each through
//! jitter buffer, decoder, mixer and encoder into each other, and each with packets lost. Floors are a little under what
//! was measured, so that a change that hurts is seen.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use interop::{Scratch, Wav, absent, installed};
use media_mix::wav::WavReader;
use media_mix::{Codec, CodecOptions, Mixer, Rate, Registry, Resampler, Tone};
use rtp_core::jitter::{JitterBuffer, JitterConfig, Playout};
use rtp_core::rtp::{Rtp, RtpHeader, Ssrc};

const TICK: Duration = Duration::from_millis(20);

/// Where PyPI's `pesq` is, put below `target` at the first use; `None` where that is not to be had.
fn scorer() -> Option<&'static PathBuf> {
    static PLACE: OnceLock<Option<PathBuf>> = OnceLock::new();
    PLACE
        .get_or_init(|| {
            if !installed(&["python3"]) {
                return None;
            }
            let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pesq-0.0.4");
            let works = || {
                Command::new("python3")
                    .args(["-c", "import numpy, pesq"])
                    .env("PYTHONPATH", &place)
                    .output()
                    .is_ok_and(|output| output.status.success())
            };
            if !works() {
                // It compiles its C; numpy is taken as it is where it is there.
                let _ = Command::new("python3")
                    .args(["-m", "pip", "install", "-q", "--target"])
                    .arg(&place)
                    .args(["pesq==0.0.4", "numpy"])
                    .output();
            }
            if works() {
                return Some(place);
            }
            absent("Python's pesq");
            None
        })
        .as_ref()
}

/// Narrow-band score (P.862 mapped by P.862.1) at 8 kHz, wide-band (P.862.2) at 16 kHz.
fn score(reference: &[i16], heard: &[i16], rate: Rate) -> f64 {
    let scratch = Scratch::new("pesq");
    let write = |name: &str, pcm: &[i16]| {
        let path = scratch.path().join(name);
        let wav = Wav {
            rate: rate.hz(),
            channels: 1,
            samples: pcm.to_vec(),
        };
        wav.write(&path).expect("room for a file");
        path
    };
    let program = "import sys, wave, numpy as np\n\
        from pesq import pesq\n\
        def read(p):\n\
        \x20   w = wave.open(p); return w.getframerate(), np.frombuffer(w.readframes(w.getnframes()), dtype=np.int16)\n\
        (r, a), (_, b) = read(sys.argv[1]), read(sys.argv[2])\n\
        print(pesq(r, a, b, 'wb' if r == 16000 else 'nb'))\n";
    let output = Command::new("python3")
        .args(["-c", program])
        .arg(write("reference.wav", reference))
        .arg(write("heard.wav", heard))
        .env("PYTHONPATH", scorer().expect("asked before"))
        .output()
        .expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| {
        panic!("no score: {}", String::from_utf8_lossy(&output.stderr));
    })
}

fn convert(pcm: &[i16], from: Rate, to: Rate) -> Vec<i16> {
    let mut resampler = Resampler::new(from, to);
    let mut out = vec![0; resampler.output_len(pcm.len())];
    let n = resampler.process(pcm, &mut out);
    out.truncate(n);
    out
}

/// The eight sentences of `alsa-utils`, real speech at 48 kHz.
fn speech() -> Option<Vec<i16>> {
    let mut pcm = Vec::new();
    for name in [
        "Front_Center",
        "Front_Left",
        "Front_Right",
        "Rear_Center",
        "Rear_Left",
        "Rear_Right",
        "Side_Left",
        "Side_Right",
    ] {
        let path = format!("/usr/share/sounds/alsa/{name}.wav");
        let Ok(file) = std::fs::File::open(path) else {
            absent("alsa-utils");
            return None;
        };
        let mut reader = WavReader::new(std::io::BufReader::new(file)).expect("a WAV file");
        let mut piece = [0; 4_800];
        loop {
            let n = reader.read(&mut piece).expect("its samples");
            if n == 0 {
                break;
            }
            // As loud as speech on the telephone is: those files are mastered to the full.
            pcm.extend(piece[..n].iter().map(|x| x / 3));
        }
    }
    let whole = pcm.len() / 960 * 960;
    pcm.truncate(whole);
    Some(pcm)
}

fn codec(name: &str) -> Arc<dyn Codec> {
    let registry = Registry::default();
    let found = registry.iter().find(|c| c.description().name == name);
    Arc::clone(found.expect("built in"))
}

fn options(name: &str, loss: u32) -> CodecOptions {
    let options = CodecOptions::new();
    match (name, loss) {
        ("opus", 0) => options.with_bitrate(24_000),
        ("opus", loss) => options.with_bitrate(24_000).with_fec(loss as u8),
        _ => options,
    }
}

/// Encode 20 ms packets of speech at 48 kHz.
fn packets(codec: &Arc<dyn Codec>, options: &CodecOptions, speech: &[i16]) -> Vec<Vec<u8>> {
    let pcm = convert(speech, Rate::Khz48, codec.description().rate);
    let frame = codec.description().frame_samples(20);
    let mut encoder = codec.encoder(options).expect("options that it has");
    let mut out = vec![0; encoder.max_payload(frame)];
    pcm.chunks_exact(frame)
        .map(|pcm| {
            let bytes = encoder.encode(pcm, &mut out).expect("a whole frame");
            out[..bytes].to_vec()
        })
        .collect()
}

/// The codec and nothing else.
fn alone(name: &str, speech: &[i16]) -> Vec<i16> {
    let codec = codec(name);
    let mut decoder = codec.decoder(&CodecOptions::new()).expect("no options");
    let frame = codec.description().frame_samples(20);
    let mut heard = Vec::new();
    for packet in packets(&codec, &options(name, 0), speech) {
        let mut out = vec![0; frame];
        decoder.decode(&packet, &mut out).expect("our own packet");
        heard.extend(out);
    }
    heard
}

/// Jitter buffer, decoder and mixer, with `loss` percent of the packets gone; then into `to`, and decoded.
fn whole_path(from: &str, to: &str, loss: u32, speech: &[i16]) -> Vec<i16> {
    let (from, options_in) = (codec(from), options(from, loss));
    let description = from.description().clone();
    let mut config = JitterConfig::new(description.clock_rate);
    config.recover = description.fec;
    let mut jitter = JitterBuffer::new(config);
    let mut decoder = from.decoder(&CodecOptions::new()).expect("no options");
    let mut mixer = Mixer::default();
    let source = mixer.add_source(description.rate).expect("room");
    let target = codec(to);
    let ear = mixer
        .add_listener(target.description().rate, None)
        .expect("room");
    mixer
        .encode(ear, &target, &options(to, 0), 20)
        .expect("20 ms");
    let mut far = target.decoder(&CodecOptions::new()).expect("no options");
    let mut decoded = vec![0; target.description().frame_samples(20)];

    let start = Instant::now();
    let (mut seed, mut heard) = (11_u64, Vec::new());
    let (mut payload, mut pcm) = ([0; 1500], vec![0; 5760]);
    let mut send = packets(&from, &options_in, speech).into_iter().enumerate();
    for n in 0.. {
        let now = start + TICK * n;
        let sent = send.next();
        if let Some((n, packet)) = &sent {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            if (seed >> 33) % 1000 >= u64::from(loss) * 10 && !packet.is_empty() {
                let header = RtpHeader {
                    payload_type: 96,
                    sequence: *n as u16,
                    timestamp: *n as u32 * description.rtp_units(20),
                    ssrc: Ssrc(7),
                    ..RtpHeader::default()
                };
                let _ = jitter.push(now, Rtp::new(&header, packet));
            }
        } else if n > (speech.len() / 960 + 10) as u32 {
            return heard;
        }
        // A little after the packet, as a mixer's clock runs.
        let now = now + Duration::from_millis(3);
        let ticks = |samples: u32| {
            (u64::from(samples) * u64::from(description.rate.hz())
                / u64::from(description.clock_rate)) as usize
        };
        while mixer.buffered(source) < mixer.wanted(source) {
            let made = match jitter.pull(now, &mut payload) {
                // Packets come on time here: a frame longer or shorter by a pitch period is not asked for in earnest.
                Playout::Frame(frame)
                | Playout::Stretch { frame, .. }
                | Playout::Shrink { frame, .. } => decoder
                    .decode(&payload[..frame.len], &mut pcm)
                    .expect("our own packet"),
                Playout::Recover(next) => {
                    let made = ticks(next.samples);
                    decoder.recover(&payload[..next.len], &mut pcm[..made]);
                    made
                }
                Playout::Conceal { samples } | Playout::Comfort { samples } => {
                    let made = ticks(samples);
                    decoder.conceal(&mut pcm[..made]);
                    made
                }
                _ => break,
            };
            let _ = mixer.push(source, &pcm[..made]);
        }
        mixer.tick();
        while let Some(payload) = mixer.payload(ear) {
            far.decode(payload, &mut decoded).expect("our own packet");
            heard.extend_from_slice(&decoded);
        }
    }
    heard
}

/// The score of what was heard at `at`: narrow-band where one of the codecs is.
fn judged(speech: &[i16], heard: &[i16], at: Rate, narrow: bool) -> f64 {
    let judge = if narrow { Rate::Khz8 } else { Rate::Khz16 };
    score(
        &convert(speech, Rate::Khz48, judge),
        &convert(heard, at, judge),
        judge,
    )
}

const NAMES: [&str; 4] = ["PCMU", "PCMA", "G722", "opus"];

fn narrow(name: &str) -> bool {
    name.starts_with("PCM")
}

#[test]
fn each_codec_alone_and_into_each_other() {
    let (Some(speech), Some(_)) = (speech(), scorer()) else {
        return;
    };
    println!("| from | alone | into PCMU | into PCMA | into G722 | into opus |");
    println!("|---|---|---|---|---|---|");
    let mut low = Vec::new();
    for from in NAMES {
        let rate = codec(from).description().rate;
        let mut row = vec![judged(&speech, &alone(from, &speech), rate, narrow(from))];
        let mut floors = vec![if narrow(from) { 3.7 } else { 3.8 }];
        for to in NAMES {
            let heard = whole_path(from, to, 0, &speech);
            let is_narrow = narrow(from) || narrow(to);
            row.push(judged(
                &speech,
                &heard,
                codec(to).description().rate,
                is_narrow,
            ));
            floors.push(if is_narrow { 3.3 } else { 3.2 });
        }
        let shown: Vec<_> = row.iter().map(|s| format!("{s:.2}")).collect();
        println!("| {from} | {} |", shown.join(" | "));
        low.extend(
            row.iter()
                .zip(floors)
                .filter(|(score, floor)| *score < floor)
                .map(|(score, floor)| format!("{from}: {score:.2} under {floor}")),
        );
    }
    assert!(low.is_empty(), "{low:?}");
}

/// The E-model's Bpl that explains best how the scores fall at 1, 3 and 5 % of loss (after ITU-T P.834): scores become
/// ratings, and what a loss of P percent takes away is `(95 − Ie) P / (P + Bpl)`.
fn robustness(name: &str, row: &[f64]) -> f64 {
    let described = codec(name);
    let described = described.description();
    let ie = f64::from(described.ie_wideband.unwrap_or(described.ie));
    let scale = if described.ie_wideband.is_some() {
        1.29
    } else {
        1.0
    };
    let rating = |score: f64| {
        let (mut low, mut high) = (6.5, 100.0);
        for _ in 0..50 {
            let middle = (low + high) / 2.0;
            match rtp_core::quality::mos(middle) < score {
                true => low = middle,
                false => high = middle,
            }
        }
        low * scale
    };
    let fits = [1.0, 3.0, 5.0]
        .iter()
        .zip(&row[1..])
        .map(|(loss, score)| (95.0 - ie) * loss / (rating(row[0]) - rating(*score)) - loss);
    fits.sum::<f64>() / 3.0
}

#[test]
fn each_codec_with_packets_lost() {
    let (Some(speech), Some(_)) = (speech(), scorer()) else {
        return;
    };
    println!("| codec | 0 % | 1 % | 3 % | 5 % | 10 % | Bpl |");
    println!("|---|---|---|---|---|---|---|");
    let mut low = Vec::new();
    for name in NAMES {
        let rate = codec(name).description().rate;
        let row: Vec<f64> = [0, 1, 3, 5, 10]
            .into_iter()
            .map(|loss| {
                let heard = whole_path(name, name, loss, &speech);
                judged(&speech, &heard, rate, narrow(name))
            })
            .collect();
        let shown: Vec<_> = row.iter().map(|s| format!("{s:.2}")).collect();
        let (fitted, stated) = (robustness(name, &row), codec(name).description().bpl);
        println!("| {name} | {} | {fitted:.1} |", shown.join(" | "));
        // G.711's is G.113's, which knows nothing of PESQ: the fit comes to 21 of 25.1.
        if !(0.7..=1.4).contains(&(fitted / f64::from(stated))) {
            low.push(format!("{name}: Bpl {fitted:.1}, not {stated}"));
        }
        let floors = FLOORS[usize::from(!narrow(name)) + usize::from(name == "opus")];
        low.extend(
            row.iter()
                .zip(floors)
                .filter(|(score, floor)| *score < floor)
                .map(|(score, floor)| format!("{name}: {score:.2} under {floor}")),
        );
    }
    assert!(low.is_empty(), "{low:?}");
}

/// What somebody hears of the speech who says a word now and then (or none), so that his packets come from the encoder
/// of all who listen and from one of his own by turns; and how many frames encoders of one listener's own made.
fn beside_own_words(name: &str, words: bool, speech: &[i16]) -> (Vec<i16>, usize) {
    let codec = codec(name);
    let rate = codec.description().rate;
    let mut mixer = Mixer::default();
    let mut people = Vec::new();
    for _ in 0..3 {
        let person = mixer.add_participant(rate).expect("room");
        mixer
            .encode(person.1, &codec, &options(name, 0), 20)
            .expect("20 ms");
        people.push(person);
    }
    let [me, speaker, _silent] = people[..] else {
        return (Vec::new(), 0);
    };
    let mut decoder = codec.decoder(&CodecOptions::new()).expect("no options");
    let mut word = Tone::new(rate, 300.0, -20.0);
    let (mut frame, mut decoded) = (vec![0; rate.samples(20)], vec![0; rate.samples(20)]);
    let (mut heard, mut own) = (Vec::new(), 0);
    for (n, said) in convert(speech, Rate::Khz48, rate)
        .chunks_exact(rate.samples(20))
        .enumerate()
    {
        let _ = mixer.push(speaker.0, said);
        // 200 ms every 1.2 s: fifty words a minute.
        if words && n % 60 < 10 {
            word.fill(&mut frame);
        } else {
            frame.fill(0);
        }
        let _ = mixer.push(me.0, &frame);
        own += mixer.tick().own_encoders;
        while let Some(payload) = mixer.payload(me.1) {
            decoder
                .decode(payload, &mut decoded)
                .expect("our own packet");
            heard.extend_from_slice(&decoded);
        }
    }
    assert_eq!(mixer.encoder_failures(), 0);
    (heard, own)
}

#[test]
fn a_word_of_ones_own_takes_next_to_nothing_from_what_one_hears() {
    let (Some(speech), Some(_)) = (speech(), scorer()) else {
        return;
    };
    println!("| codec | listening | with fifty words a minute |");
    println!("|---|---|---|");
    let mut low = Vec::new();
    for name in NAMES {
        let rate = codec(name).description().rate;
        let (calm, speakers) = beside_own_words(name, false, &speech);
        let (switched, both) = beside_own_words(name, true, &speech);
        // Each word takes an encoder for itself and half a second more, and then gives it back: 35 of 60 ticks.
        let share = (both - speakers) as f64 / (speech.len() / 960) as f64;
        assert!(
            (0.4..0.7).contains(&share),
            "{name}: {share:.2} of the ticks"
        );
        let [calm, switched] =
            [calm, switched].map(|heard| judged(&speech, &heard, rate, narrow(name)));
        println!("| {name} | {calm:.2} | {switched:.2} |");
        if switched < calm - 0.15 {
            low.push(format!("{name}: {switched:.2} instead of {calm:.2}"));
        }
    }
    assert!(low.is_empty(), "{low:?}");
}

/// At 0, 1, 3, 5 and 10 % of loss: G.711, G.722, Opus.
const FLOORS: [[f64; 5]; 3] = [
    [3.7, 3.5, 3.1, 2.9, 2.5],
    [3.5, 2.8, 2.3, 2.1, 1.5],
    [3.3, 3.0, 2.6, 2.4, 2.4],
];
