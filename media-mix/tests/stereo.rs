//! Stereo and chimes: places, exactness on both sides, and one gain for both.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use media_mix::codec::opus::Opus;
use media_mix::{
    Chime, Codec, CodecOptions, ListenerId, Mixer, MixerConfig, MixerError, Rate, SourceId,
};

fn noise(seed: &mut u64, len: usize, shift: u32) -> Vec<i16> {
    (0..len)
        .map(|_| {
            *seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (*seed >> 48) as i16 >> shift
        })
        .collect()
}

fn sides(interleaved: &[i16]) -> (Vec<i16>, Vec<i16>) {
    (
        interleaved.iter().step_by(2).copied().collect(),
        interleaved.iter().skip(1).step_by(2).copied().collect(),
    )
}

fn person(mixer: &mut Mixer, rate: Rate) -> (SourceId, ListenerId) {
    let person = mixer.add_participant(rate).unwrap();
    mixer.listen_in_stereo_at(person.1, rate).unwrap();
    person
}

#[test]
fn the_middle_is_mono_on_both_sides_and_the_ends_are_on_one() {
    let mut mixer = Mixer::default();
    let people: Vec<_> = (0..4).map(|_| person(&mut mixer, Rate::Khz16)).collect();
    mixer.set_pan(people[1].0, -1.0).unwrap();
    mixer.set_pan(people[2].0, 1.0).unwrap();
    let mut seed = 1;
    for _ in 0..10 {
        let said: Vec<_> = people.iter().map(|_| noise(&mut seed, 320, 3)).collect();
        for (person, said) in people.iter().zip(&said) {
            let _ = mixer.push(person.0, said);
        }
        mixer.tick();
        // Everyone hears exactly the others, each where it is.
        for (me, person) in people.iter().enumerate() {
            let (left, right) = sides(mixer.heard_in_stereo_by(person.1, Rate::Khz16));
            let mono = mixer.heard_by(person.1, Rate::Khz16);
            for n in 0..320 {
                let sum = |from: &[usize]| -> i16 {
                    from.iter()
                        .filter(|&&who| who != me)
                        .map(|&who| said[who][n])
                        .sum()
                };
                assert_eq!(mono[n], sum(&[0, 1, 2, 3]));
                assert_eq!((left[n], right[n]), (sum(&[0, 1, 3]), sum(&[0, 2, 3])));
            }
        }
    }
    assert_eq!(mixer.set_pan(people[0].0, 1.5), Err(MixerError::Pan));
    assert_eq!(mixer.set_pan(people[0].0, f32::NAN), Err(MixerError::Pan));
    assert!(mixer.heard_in_stereo_by(people[0].1, Rate::Khz8).is_empty());
}

#[test]
fn a_move_glides_over_one_tick() {
    let mut mixer = Mixer::default();
    let source = mixer.add_source(Rate::Khz8).unwrap();
    let listener = mixer.add_listener(Rate::Khz8, None).unwrap();
    mixer.listen_in_stereo_at(listener, Rate::Khz8).unwrap();
    let mut heard = Vec::new();
    for pan in [0.0, 1.0, 1.0, 0.5, -0.25, 0.0] {
        mixer.set_pan(source, pan).unwrap();
        let _ = mixer.push(source, &[8_000; 160]);
        mixer.tick();
        heard.extend_from_slice(mixer.heard_in_stereo_by(listener, Rate::Khz8));
    }
    let (left, right) = sides(&heard);
    let ends = |side: &[i16]| side.chunks(160).map(|c| c[159]).collect::<Vec<_>>();
    assert_eq!(ends(&left), [8_000, 0, 0, 4_000, 8_000, 8_000]);
    assert_eq!(ends(&right), [8_000, 8_000, 8_000, 8_000, 6_000, 8_000]);
    for side in [left, right] {
        assert!(side.windows(2).all(|w| w[0].abs_diff(w[1]) <= 51));
    }
}

#[test]
fn ones_own_voice_is_on_neither_side_while_the_limiter_works_and_nobody_moves() {
    for listens_at in [Rate::Khz8, Rate::Khz48] {
        let run = |my_level: u32| {
            let mut mixer = Mixer::default();
            let me = mixer.add_source(Rate::Khz8).unwrap();
            mixer.set_pan(me, -0.5).unwrap();
            let ear = mixer.add_listener(listens_at, Some(me)).unwrap();
            mixer.listen_in_stereo_at(ear, listens_at).unwrap();
            let others: Vec<_> = [Rate::Khz8, Rate::Khz16, Rate::Khz48]
                .into_iter()
                .map(|rate| (rate, person(&mut mixer, rate).0))
                .collect();
            for &(_, source) in &others {
                mixer.set_pan(source, 0.5).unwrap();
            }
            let (mut voice, mut crowd) = (2, 3);
            let mut heard = Vec::new();
            for tick in 0..40 {
                let shift = if tick % 7 < 3 { my_level } else { 15 };
                let frame: Vec<i16> = noise(&mut voice, 160, 0)
                    .iter()
                    .map(|&x| (x >> shift).max(0))
                    .collect();
                let _ = mixer.push(me, &frame);
                for &(rate, source) in &others {
                    let _ = mixer.push(source, &noise(&mut crowd, rate.samples(20), 0));
                }
                mixer.tick();
                heard.extend_from_slice(mixer.heard_in_stereo_by(ear, listens_at));
            }
            heard
        };
        let (silent, loud) = (run(15), run(0));
        assert!(silent.iter().any(|&x| x.unsigned_abs() > 30_000));
        assert!(silent == loud, "at {listens_at}");
        // All of them at the same place: left is half of right, whatever the limiter does.
        let (left, right) = sides(&silent);
        for (l, r) in left.iter().zip(&right).skip(2_000) {
            assert!((i32::from(*l) * 2 - i32::from(*r)).abs() <= 12, "{l} {r}");
        }
    }
}

#[test]
fn stereo_listeners_share_one_stereo_encode() {
    let codec: Arc<dyn Codec> = Arc::new(Opus::stereo());
    let options = CodecOptions::new().with_bitrate(64_000);
    let mut mixer = Mixer::default();
    let talker = mixer.add_source(Rate::Khz48).unwrap();
    mixer.set_pan(talker, -1.0).unwrap();
    let listeners: Vec<_> = (0..20)
        .map(|_| {
            let listener = mixer.add_listener(Rate::Khz48, None).unwrap();
            mixer.encode(listener, &codec, &options, 20).unwrap();
            listener
        })
        .collect();
    let mut decoder = codec.decoder(&options).unwrap();
    let mut heard = vec![0; 1920];
    let mut tone = media_mix::Tone::new(Rate::Khz48, 440.0, -12.0);
    for _ in 0..50 {
        let mut said = [0; 960];
        tone.fill(&mut said);
        let _ = mixer.push(talker, &said);
        let tick = mixer.tick();
        assert_eq!((tick.shared_encoders, tick.own_encoders), (1, 0));
        let payload = mixer.payload(listeners[7]).unwrap().to_vec();
        assert_eq!(mixer.payload(listeners[19]), Some(&payload[..]));
        decoder.decode(&payload, &mut heard).unwrap();
    }
    let (left, right) = sides(&heard);
    let peak = |side: &[i16]| side.iter().map(|x| x.unsigned_abs()).max().unwrap();
    assert!(
        peak(&left) > 9_000 && peak(&right) < 600,
        "{} {}",
        peak(&left),
        peak(&right)
    );
}

#[test]
fn a_chime_is_heard_by_all_but_who_comes_and_is_in_no_report() {
    let mut config = MixerConfig::default();
    config.max_talkers = Some(1);
    let mut mixer = Mixer::new(config);
    let loud = mixer.add_participant(Rate::Khz16).unwrap();
    let come = mixer.add_participant(Rate::Khz16).unwrap();
    mixer.chime(Chime::Join, Some(come.1)).unwrap();
    mixer.chime(Chime::Leave, None).unwrap();
    let (mut others, mut newcomer) = (Vec::new(), Vec::new());
    for _ in 0..30 {
        let _ = mixer.push(come.0, &[9_000; 320]);
        let _ = mixer.push(loud.0, &[0; 320]);
        let tick = mixer.tick();
        assert_eq!(tick.sources.len(), 2);
        others.extend_from_slice(mixer.heard_by(loud.1, Rate::Khz16));
        newcomer.extend_from_slice(mixer.heard_by(come.1, Rate::Khz16));
    }
    let (join, leave) = (
        Chime::Join.samples(Rate::Khz16),
        Chime::Leave.samples(Rate::Khz16),
    );
    let expected: Vec<i16> = join.iter().chain(&leave).map(|x| x + 9_000).collect();
    assert!(others[..expected.len()] == expected);
    assert!(others[expected.len()..].iter().all(|&x| x == 9_000));
    assert!(newcomer[..join.len()].iter().all(|&x| x == 0));
    assert!(newcomer[join.len()..][..leave.len()] == leave);
    for _ in 0..10 {
        mixer.chime(Chime::Join, None).unwrap();
    }
    let mut heard = 0;
    for _ in 0..100 {
        mixer.tick();
        heard += usize::from(mixer.heard_by(come.1, Rate::Khz16).iter().any(|&x| x != 0));
    }
    assert_eq!(heard, 4 * 12, "no more than four wait");
    mixer.remove_listener(come.1).unwrap();
    assert_eq!(
        mixer.chime(Chime::Leave, Some(come.1)),
        Err(MixerError::Gone)
    );
}
