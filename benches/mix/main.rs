//! A tick of a room, by the number of participants: who says what, the mix of everyone, and each without oneself. Beside
//! it a floor: the same sums and differences over the same samples, with nothing else.
//!
//! With the feature `heavy`, `rvoip-media-core` is beside it, but not in a room of a thousand: its work grows with the
//! square of the heads.
//!
//! Figures are nanoseconds a participant a tick of 20 ms, all pushing, but for the last rows, which are a whole tick of a
//! thousand listeners and three talkers.

#[cfg(feature = "heavy")]
mod rvoip;

use std::hint::black_box;
use std::process::ExitCode;

use benches::{Bench, Counting, OURS, Report};
use media_mix::{CodecOptions, ListenerId, Mixer, MixerConfig, Rate, Registry, SourceId};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn noise(seed: usize, len: usize) -> Vec<i16> {
    let mut state = seed as u64 * 2 + 1;
    (0..len)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // So quiet that a thousand at once stay within 16 bits: a limiter at work is not what is compared.
            (state >> 56) as i16 - 128
        })
        .collect()
}

fn room(n: usize, rate: Rate) -> (Mixer, Vec<(SourceId, ListenerId)>) {
    let mut config = MixerConfig::default();
    config.max_sources = n;
    let mut mixer = Mixer::new(config);
    let people = (0..n)
        .map(|_| mixer.add_participant(rate).expect("room for all"))
        .collect();
    (mixer, people)
}

/// Sums and differences, and no more.
struct Floor {
    frames: Vec<Vec<i16>>,
    sum: Vec<i32>,
    out: Vec<Vec<i16>>,
}

impl Floor {
    fn tick(&mut self) {
        self.sum.fill(0);
        for frame in &self.frames {
            for (sum, &x) in self.sum.iter_mut().zip(frame) {
                *sum += i32::from(x);
            }
        }
        for (frame, out) in self.frames.iter().zip(&mut self.out) {
            for ((out, &sum), &x) in out.iter_mut().zip(&self.sum).zip(frame) {
                *out = (sum - i32::from(x)).clamp(-32_768, 32_767) as i16;
            }
        }
        black_box(&self.out);
    }
}

fn all_talk(bench: &mut Bench<'_>) {
    for (rate, suffix) in [(Rate::Khz16, ""), (Rate::Khz48, " 48 kHz")] {
        for n in [3, 10, 100, 1000] {
            let what = format!("mix N={n}{suffix}");
            let len = rate.samples(20);
            let frames: Vec<_> = (0..n).map(|who| noise(who, len)).collect();
            let (mut mixer, people) = room(n, rate);
            let said = frames.clone();
            // A piece of work is one participant's share; a tick is done when all have had theirs.
            let mut owed = 0;
            bench.add(&what, OURS, move |shares| {
                owed += shares;
                while owed >= n as u64 {
                    owed -= n as u64;
                    for (person, frame) in people.iter().zip(&said) {
                        let _ = mixer.push(person.0, frame);
                    }
                    mixer.tick();
                    for person in &people {
                        black_box(mixer.heard_by(person.1, rate));
                    }
                }
            });
            #[cfg(feature = "heavy")]
            if n <= 100 {
                let mut room = rvoip::Room::new(&frames, rate.hz());
                let mut owed = 0;
                bench.add(&what, "rvoip-media-core", move |shares| {
                    owed += shares;
                    while owed >= n as u64 {
                        owed -= n as u64;
                        assert_eq!(room.tick(), n);
                    }
                });
            }
            let mut floor = Floor {
                frames,
                sum: vec![0; len],
                out: vec![vec![0; len]; n],
            };
            let mut owed = 0;
            bench.add(&what, "floor", move |shares| {
                owed += shares;
                while owed >= n as u64 {
                    owed -= n as u64;
                    floor.tick();
                }
            });
        }
    }
}

/// A thousand who listen and three who talk, with the level scan of all, and then with what is sent to each.
fn thousand(bench: &mut Bench<'_>) {
    for encoded in [None, Some("PCMU"), Some("G722"), Some("opus")] {
        let what = match encoded {
            None => "1000 listeners, 3 talkers".to_owned(),
            Some(name) => format!("1000 listeners, 3 talkers, {name}"),
        };
        let rate = match encoded {
            Some("PCMU") => Rate::Khz8,
            Some("opus") => Rate::Khz48,
            _ => Rate::Khz16,
        };
        let (mut mixer, people) = room(1000, rate);
        let registry = Registry::default();
        let codec = registry
            .iter()
            .find(|codec| Some(codec.description().name) == encoded);
        if let Some(codec) = codec {
            for person in &people {
                mixer
                    .encode(person.1, codec, &CodecOptions::new(), 20)
                    .expect("20 ms");
            }
        }
        let frames: Vec<_> = (0..3).map(|who| noise(who, rate.samples(20))).collect();
        let silence = vec![0; rate.samples(20)];
        bench.add(&what, OURS, move |ticks| {
            for _ in 0..ticks {
                for (n, person) in people.iter().enumerate() {
                    let _ = mixer.push(person.0, frames.get(n).unwrap_or(&silence));
                }
                let tick = mixer.tick();
                let encodes = tick.shared_encoders + tick.own_encoders;
                assert_eq!(encodes, if encoded.is_some() { 4 } else { 0 });
                for person in &people {
                    while let Some(payload) = mixer.payload(person.1) {
                        black_box(payload);
                    }
                }
            }
        });
    }
}

fn main() -> ExitCode {
    let mut bench = Bench::new();
    all_talk(&mut bench);
    thousand(&mut bench);
    let mut report = Report::new("mix");
    bench.time(&mut report);
    bench.count_allocations(&mut report);
    if let Err(error) = report.finish() {
        eprintln!("the figures could not be written: {error}");
        return ExitCode::FAILURE;
    }
    for n in [3, 10, 100, 1000] {
        let what = format!("mix N={n}");
        if let (Some(ours), Some(floor)) = (report.get(&what, OURS), report.get(&what, "floor")) {
            println!("{what}: {:.2} of the floor", ours / floor);
        }
    }
    ExitCode::SUCCESS
}
