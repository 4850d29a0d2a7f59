//! Encode groups: one payload for all who hear the same, and no seam for those who come and go.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use common::Spectrum;
use media_mix::{
    Codec, CodecOptions, ListenerId, Mixer, MixerConfig, MixerError, Rate, Registry, SourceId, Tone,
};

fn codec(name: &str) -> Arc<dyn Codec> {
    let registry = Registry::default();
    let found = registry
        .iter()
        .find(|codec| codec.description().name == name);
    Arc::clone(found.unwrap())
}

fn limited(talkers: usize) -> Mixer {
    let mut config = MixerConfig::default();
    config.max_talkers = Some(talkers);
    Mixer::new(config)
}

#[test]
fn a_thousand_listeners_and_three_talkers_cost_four_encodes() {
    let mut mixer = limited(3);
    let pcmu = codec("PCMU");
    let people: Vec<_> = (0..1000)
        .map(|_| {
            let person = mixer.add_participant(Rate::Khz8).unwrap();
            mixer
                .encode(person.1, &pcmu, &CodecOptions::new(), 20)
                .unwrap();
            person
        })
        .collect();
    let mut voices = [440.0, 660.0, 1020.0].map(|hz| Tone::new(Rate::Khz8, hz, -15.0));
    for _ in 0..5 {
        let mut frame = [0; 160];
        for (person, voice) in people.iter().zip(&mut voices) {
            voice.fill(&mut frame);
            let _ = mixer.push(person.0, &frame);
        }
        let tick = mixer.tick();
        assert_eq!((tick.shared_encoders, tick.own_encoders), (1, 3));
    }
    let shared = mixer.payload(people[3].1).unwrap().to_vec();
    assert_eq!(shared.len(), 160);
    for person in &people[4..] {
        assert_eq!(mixer.payload(person.1), Some(&shared[..]));
        assert_eq!(mixer.payload(person.1), None, "one packet a tick");
    }
    for person in &people[..3] {
        assert_ne!(mixer.payload(person.1), Some(&shared[..]));
    }
}

/// One who talks now and then, one who always does, one who never does; what the first hears, decoded.
fn heard_by_an_occasional_talker(name: &str, ptime: u8, talks: bool) -> (Vec<i16>, u32) {
    let mut mixer = limited(4);
    let codec = codec(name);
    let rate = codec.description().rate;
    let mut add = || -> (SourceId, ListenerId) {
        let person = mixer.add_participant(rate).unwrap();
        mixer
            .encode(person.1, &codec, &CodecOptions::new(), ptime)
            .unwrap();
        person
    };
    let (me, other, _silent) = (add(), add(), add());
    let mut decoder = codec.decoder(&CodecOptions::new()).unwrap();
    let mut voices = [Tone::new(rate, 700.0, -15.0), Tone::new(rate, 440.0, -20.0)];
    let (mut heard, mut switches, mut had_own) = (Vec::new(), 0, false);
    for n in 0..400 {
        for ((source, _), voice) in [me, other].iter().zip(&mut voices) {
            let mut frame = vec![0; rate.samples(20)];
            voice.fill(&mut frame);
            // 200 ms of speech every 1.4 s.
            if *source == me.0 && !(talks && n % 70 < 10) {
                frame.fill(0);
            }
            let _ = mixer.push(*source, &frame);
        }
        // `other` always has an encoder of its own; the second one is mine.
        let own = mixer.tick().own_encoders > 1;
        switches += u32::from(own != had_own);
        had_own = own;
        while let Some(payload) = mixer.payload(me.1) {
            let mut out = vec![0; rate.samples(usize::from(ptime))];
            let n = decoder.decode(payload, &mut out).unwrap();
            heard.extend_from_slice(&out[..n]);
        }
    }
    assert_eq!(mixer.encoder_failures(), 0);
    assert_eq!(
        heard.len(),
        rate.samples(400 * 20 / usize::from(ptime) * usize::from(ptime))
    );
    (heard, switches)
}

#[test]
fn coming_and_going_is_inaudible() {
    // Codecs without memory give the very same samples. The others' states differ a little when a listener comes back:
    // how loud what that adds may be, dBov, beside a tone at -20.
    for (name, ptime, limit) in [
        ("PCMU", 20, None),
        ("PCMU", 10, None),
        ("PCMA", 60, None),
        ("G722", 20, Some(-75.0)),
        ("opus", 20, Some(-55.0)),
    ] {
        let (calm, none) = heard_by_an_occasional_talker(name, ptime, false);
        let (switched, switches) = heard_by_an_occasional_talker(name, ptime, true);
        assert_eq!(none, 0);
        assert!(
            switches >= 11,
            "{name}: {switches} switches in eight seconds"
        );
        let rate = codec(name).description().rate;
        if limit.is_none() {
            let differs = calm.iter().zip(&switched).position(|(c, s)| c != s);
            assert_eq!(differs, None, "{name} at {ptime} ms: the very same samples");
        }
        let start = rate.samples(400);
        let worst = |pcm: &[i16]| {
            let spectrum = Spectrum::of_pcm(&pcm[start..], rate.hz());
            assert!(
                (spectrum.tone(440.0) + 20.0).abs() < 0.5,
                "{name}: {}",
                spectrum.tone(440.0)
            );
            spectrum.worst_but(&[440.0])
        };
        let (calm, switched) = (worst(&calm), worst(&switched));
        let limit = limit.unwrap_or(calm);
        assert!(
            switched <= limit,
            "{name}: {calm:.1} dBov calm, {switched:.1} with switches"
        );
    }
}

#[test]
fn packets_shorter_and_longer_than_a_tick() {
    let mut mixer = Mixer::default();
    let pcmu = codec("PCMU");
    let source = mixer.add_source(Rate::Khz8).unwrap();
    let listeners = [10, 20, 30, 60].map(|ptime| {
        let listener = mixer.add_listener(Rate::Khz8, None).unwrap();
        mixer
            .encode(listener, &pcmu, &CodecOptions::new(), ptime)
            .unwrap();
        listener
    });
    let (mut tone, mut said, mut got) = (
        Tone::new(Rate::Khz8, 440.0, -10.0),
        Vec::new(),
        [const { Vec::new() }; 4],
    );
    let mut counts = [0; 4];
    for _ in 0..12 {
        let mut frame = [0; 160];
        tone.fill(&mut frame);
        said.extend_from_slice(&frame);
        let _ = mixer.push(source, &frame);
        mixer.tick();
        for ((listener, got), count) in listeners.iter().zip(&mut got).zip(&mut counts) {
            while let Some(payload) = mixer.payload(*listener) {
                got.extend_from_slice(payload);
                *count += 1;
            }
        }
    }
    assert_eq!(counts, [24, 12, 8, 4]);
    let mut expected = vec![0; said.len()];
    pcmu.encoder(&CodecOptions::new())
        .unwrap()
        .encode(&said, &mut expected)
        .unwrap();
    for got in got {
        assert_eq!(got, expected);
    }
    let odd = mixer.encode(listeners[0], &pcmu, &CodecOptions::new(), 25);
    assert!(matches!(odd, Err(MixerError::Codec(_))));
}

#[test]
fn a_listener_can_change_its_codec_and_stop() {
    let mut mixer = Mixer::default();
    let (source, listener) = mixer.add_participant(Rate::Khz8).unwrap();
    let round = |mixer: &mut Mixer| {
        let _ = mixer.push(source, &[100; 160]);
        mixer.tick();
        mixer.payload(listener).map(<[u8]>::len)
    };
    assert_eq!(round(&mut mixer), None);
    mixer
        .encode(listener, &codec("PCMU"), &CodecOptions::new(), 20)
        .unwrap();
    assert_eq!(
        mixer.payload(listener),
        None,
        "nothing before the next tick"
    );
    assert_eq!(round(&mut mixer), Some(160));
    mixer
        .encode(
            listener,
            &codec("opus"),
            &CodecOptions::new().with_bitrate(16_000),
            20,
        )
        .unwrap();
    assert!(round(&mut mixer).unwrap() < 160);
    mixer.stop_encoding(listener).unwrap();
    assert_eq!(round(&mut mixer), None);
}

#[test]
fn opus_in_its_speech_mode_does_not_blow_up_when_a_listener_starts_to_talk() {
    let run = |talks: bool| {
        let mut mixer = limited(4);
        let opus = codec("opus");
        let options = CodecOptions::new().with_bitrate(16_000);
        let mut add = || {
            let person = mixer.add_participant(Rate::Khz48).unwrap();
            mixer.encode(person.1, &opus, &options, 20).unwrap();
            person
        };
        let (me, other, _silent) = (add(), add(), add());
        let mut decoder = opus.decoder(&options).unwrap();
        let (mut heard, mut phase, mut position) = (Vec::new(), 0.0_f64, 0);
        for n in 0..700 {
            // A buzz with a moving pitch and formant, in syllables, at about -26 dBov.
            let frame: Vec<i16> = (0..960)
                .map(|_| {
                    let t = f64::from(position) / 48_000.0;
                    position += 1;
                    let pitch = 120.0 + 50.0 * (t * 3.0).sin();
                    phase += pitch / 48_000.0;
                    let formant = 600.0 + 500.0 * (t * 7.0).sin();
                    let buzz: f64 = (1..25)
                        .map(|k| {
                            let distance = (pitch * f64::from(k) - formant) / 250.0;
                            (phase * f64::from(k) * std::f64::consts::TAU).sin()
                                / (1.0 + distance * distance)
                        })
                        .sum();
                    (buzz * (0.55 + 0.45 * (t * 9.0).sin()) * 900.0) as i16
                })
                .collect();
            let _ = mixer.push(other.0, &frame);
            let mine = if talks && n % 61 < 3 { 3_000 } else { 0 };
            let _ = mixer.push(
                me.0,
                &(0..960)
                    .map(|i| if i % 100 < 50 { mine } else { -mine })
                    .collect::<Vec<_>>(),
            );
            mixer.tick();
            let mut out = [0; 960];
            let payload = mixer.payload(me.1).unwrap();
            decoder.decode(payload, &mut out).unwrap();
            heard.extend_from_slice(&out);
        }
        heard
    };
    let (calm, switched) = (run(false), run(true));
    let power = |pcm: &[i16]| {
        pcm.iter()
            .map(|&x| f64::from(x) * f64::from(x))
            .sum::<f64>()
            + 1.0
    };
    // From packet to packet: no louder than without the switches, give or take.
    let mut worst = f64::MIN;
    for (calm, switched) in calm.chunks(2_400).zip(switched.chunks(2_400)) {
        let floor = 100.0 * 100.0 * 2_400.0;
        worst = worst.max(10.0 * ((power(switched) + floor) / (power(calm) + floor)).log10());
    }
    let difference: Vec<i16> = calm
        .iter()
        .zip(&switched)
        .map(|(c, s)| c.saturating_sub(*s))
        .collect();
    let ratio = 10.0 * (power(&calm) / power(&difference)).log10();
    println!("worst packet {worst:+.1} dB, whole {ratio:.1} dB");
    assert!(worst < 3.0, "a packet is {worst:.1} dB louder");
    assert!(ratio > 10.0, "{ratio:.1} dB");
}

#[test]
fn reported_loss_turns_on_copies() {
    let mut mixer = Mixer::default();
    let opus = codec("opus");
    let options = CodecOptions::new()
        .with_bitrate(24_000)
        .narrowed_by("useinbandfec=1");
    let source = mixer.add_source(Rate::Khz48).unwrap();
    let [first, second] = [(); 2].map(|()| {
        let listener = mixer.add_listener(Rate::Khz48, None).unwrap();
        mixer.encode(listener, &opus, &options, 20).unwrap();
        listener
    });
    let mut decoder = opus.decoder(&options).unwrap();
    let mut phase = 0.0_f64;
    let mut copies = |mixer: &mut Mixer| {
        let (mut copies, mut out) = (0, [0; 960]);
        for _ in 0..100 {
            let frame: Vec<i16> = (0..960)
                .map(|_| {
                    // Syllables: to what goes on and on, Opus gives no copies.
                    phase += 140.0 / 48_000.0;
                    let buzz: f64 = (1..12)
                        .map(|k| {
                            (phase * std::f64::consts::TAU * f64::from(k)).sin() / f64::from(k)
                        })
                        .sum();
                    (buzz * 4_000.0 * (phase * 0.15).sin().max(0.0)) as i16
                })
                .collect();
            let _ = mixer.push(source, &frame);
            mixer.tick();
            let payload = mixer.payload(first).unwrap();
            copies += u32::from(decoder.recover(payload, &mut out));
            decoder.decode(payload, &mut out).unwrap();
        }
        copies
    };
    assert_eq!(copies(&mut mixer), 0);
    // They share an encoder: what the second reports counts for both.
    mixer.expect_loss(second, 20).unwrap();
    let told = copies(&mut mixer);
    assert!(told > 20, "{told} of 100");
    mixer.remove_listener(second).unwrap();
    copies(&mut mixer);
    assert_eq!(
        copies(&mut mixer),
        0,
        "it left, and the bits go to the sound again"
    );
    assert_eq!(mixer.expect_loss(second, 1), Err(MixerError::Gone));
}
