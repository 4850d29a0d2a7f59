//! After warm-up a tick allocates nothing, nor does decoding, concealing or converting.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unsafe_code, reason = "an allocator that counts is a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use media_mix::{CodecOptions, Mixer, MixerConfig, Rate, Registry, Resampler, Tone};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is ours.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is ours.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

#[test]
fn a_warm_room_ticks_without_allocating() {
    let registry = Registry::default();
    let mut config = MixerConfig::default();
    config.max_talkers = Some(3);
    let mut mixer = Mixer::new(config);
    // Opus is left out: its library allocates in the encoder.
    let codecs: Vec<_> = [("PCMU", 20), ("G722", 20), ("PCMA", 30)]
        .into_iter()
        .map(|(name, ptime)| {
            (
                Arc::clone(
                    registry
                        .iter()
                        .find(|c| c.description().name == name)
                        .unwrap(),
                ),
                ptime,
            )
        })
        .collect();
    let mut people = Vec::new();
    for n in 0..30 {
        let (codec, ptime) = &codecs[n % 3];
        let rate = codec.description().rate;
        let (source, listener) = mixer.add_participant(rate).unwrap();
        mixer
            .encode(listener, codec, &CodecOptions::new(), *ptime)
            .unwrap();
        if n % 5 == 0 {
            mixer.listen_at(listener, Rate::Khz48).unwrap();
        }
        if n % 7 == 0 {
            mixer.listen_in_stereo_at(listener, rate).unwrap();
        }
        mixer.set_pan(source, n as f32 / 15.0 - 1.0).unwrap();
        people.push((
            source,
            listener,
            rate,
            Tone::new(rate, 300.0 + 30.0 * n as f64, -20.0),
        ));
    }
    let mut frame = vec![0; 960];
    let mut sent = 0;
    let mut round = |mixer: &mut Mixer, n: usize| {
        for (who, (source, _, rate, tone)) in people.iter_mut().enumerate() {
            let frame = &mut frame[..rate.samples(20)];
            frame.fill(0);
            // Talkers change every 200 ms, and now and then someone's frame is missing.
            if (who + n / 10).is_multiple_of(10) {
                tone.fill(frame);
            }
            if !(who * 7 + n).is_multiple_of(50) {
                let _ = mixer.push(*source, frame);
            }
        }
        if n.is_multiple_of(90) {
            let newcomer = people[n % people.len()].1;
            mixer.chime(media_mix::Chime::Join, Some(newcomer)).unwrap();
        }
        mixer.tick();
        for (_, listener, _, _) in &people {
            while let Some(payload) = mixer.payload(*listener) {
                sent += payload.len();
            }
        }
    };
    for n in 0..500 {
        round(&mut mixer, n);
    }
    // A command may allocate, a tick may not: these were all given once by now.
    let counted = allocations(|| (500..1500).for_each(|n| round(&mut mixer, n)));
    assert_eq!(counted, 0);
    assert!(sent > 1500 * 30 * 160 * 9 / 10, "{sent} bytes");
}

#[test]
fn decoding_concealing_and_converting_do_not_allocate() {
    for codec in Registry::default().iter() {
        let description = codec.description();
        let mut encoder = codec.encoder(&CodecOptions::new().with_fec(20)).unwrap();
        let mut decoder = codec.decoder(&CodecOptions::new()).unwrap();
        let mut resampler = Resampler::new(description.rate, Rate::Khz12);
        let mut tone = Tone::new(description.rate, 440.0, -20.0);
        let mut pcm = vec![0; description.frame_samples(20)];
        let (mut out, mut payload, mut converted) = (pcm.clone(), vec![0; 1500], vec![0; 960]);
        let mut counted = 0;
        for n in 0..200 {
            tone.fill(&mut pcm);
            let bytes = encoder.encode(&pcm, &mut payload).unwrap();
            let count = allocations(|| {
                match n % 10 {
                    3 => drop(decoder.recover(&payload[..bytes], &mut out)),
                    7 => decoder.conceal(&mut out),
                    _ => {}
                }
                decoder.decode(&payload[..bytes], &mut out).unwrap();
                resampler.process(&out, &mut converted);
            });
            // Opus's library allocates scratch while it makes up or repairs a SILK frame, and only then.
            let library = description.name == "opus" && matches!(n % 10, 3 | 7);
            counted += if n < 20 || library { 0 } else { count };
        }
        assert_eq!(counted, 0, "{}", description.name);
    }
}
