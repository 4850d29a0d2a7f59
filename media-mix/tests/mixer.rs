//! The mixer through its public face: exact to the last bit, at every rate, for any number of talkers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use media_mix::{
    Audience, Chime, Level, ListenerId, Mixer, MixerConfig, MixerError, Push, Rate, SourceId, Tone,
};

/// Noise that is the same on every run.
struct Noise(u64);

impl Noise {
    fn sample(&mut self) -> i16 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 48) as i16
    }

    fn frame(&mut self, len: usize, shift: u32) -> Vec<i16> {
        (0..len).map(|_| self.sample() >> shift).collect()
    }
}

fn assert_send<T: Send>() {}

#[test]
fn machines_are_send() {
    assert_send::<Mixer>();
    assert_send::<media_mix::Registry>();
    assert_send::<media_mix::Resampler>();
    assert_send::<Box<dyn media_mix::Decoder>>();
    assert_send::<Box<dyn media_mix::Encoder>>();
}

#[test]
fn each_hears_exactly_the_sum_of_the_others() {
    let mut mixer = Mixer::default();
    let mut noise = Noise(1);
    let people: Vec<_> = (0..7)
        .map(|_| mixer.add_participant(Rate::Khz16).unwrap())
        .collect();
    for _ in 0..20 {
        let frames: Vec<_> = people.iter().map(|_| noise.frame(320, 3)).collect();
        for (person, frame) in people.iter().zip(&frames) {
            assert_eq!(mixer.push(person.0, frame), Push::Taken);
        }
        mixer.tick();
        for (me, person) in people.iter().enumerate() {
            for (n, &heard) in mixer.heard_by(person.1, Rate::Khz16).iter().enumerate() {
                let others: i32 = (0..7)
                    .filter(|&i| i != me)
                    .map(|i| i32::from(frames[i][n]))
                    .sum();
                assert_eq!(i32::from(heard), others);
            }
        }
    }
}

#[test]
fn ones_own_voice_is_at_zero_even_while_the_limiter_works() {
    // What I hear among loud others must not depend, by a single bit, on what I say: at my own rate and another's.
    for listens_at in [Rate::Khz8, Rate::Khz48] {
        let run = |my_level: u32| {
            let mut mixer = Mixer::default();
            let me = mixer.add_source(Rate::Khz8).unwrap();
            let my_ear = mixer.add_listener(listens_at, Some(me)).unwrap();
            let others: Vec<_> = [Rate::Khz8, Rate::Khz16, Rate::Khz48]
                .into_iter()
                .map(|rate| (rate, mixer.add_participant(rate).unwrap().0))
                .collect();
            let (mut voice, mut noise) = (Noise(2), Noise(3));
            let mut heard = Vec::new();
            for tick in 0..40 {
                // On and off, so that the way from the shared mix to one's own and back is walked, too.
                let shift = if tick % 7 < 3 { my_level } else { 15 };
                let frame: Vec<_> = voice
                    .frame(160, 0)
                    .iter()
                    .map(|&x| (x >> shift).max(0))
                    .collect();
                let _ = mixer.push(me, &frame);
                for &(rate, source) in &others {
                    let _ = mixer.push(source, &noise.frame(rate.samples(20), 0));
                }
                mixer.tick();
                heard.extend_from_slice(mixer.heard_by(my_ear, listens_at));
            }
            heard
        };
        let (silent, loud) = (run(15), run(0));
        assert!(
            silent.iter().any(|&x| x.unsigned_abs() > 30_000),
            "the others are loud"
        );
        let differs = silent.iter().zip(&loud).position(|(s, l)| s != l);
        assert_eq!(differs, None, "at {listens_at}");
    }
}

#[test]
fn three_hundred_full_scale_squares_neither_wrap_nor_clip() {
    let mut mixer = Mixer::default();
    let people: Vec<_> = (0..300)
        .map(|_| mixer.add_participant(Rate::Khz8).unwrap())
        .collect();
    let square: Vec<i16> = (0..160)
        .map(|n| if n / 8 % 2 == 0 { i16::MAX } else { i16::MIN })
        .collect();
    for _ in 0..10 {
        for person in &people {
            let _ = mixer.push(person.0, &square);
        }
        mixer.tick();
        for person in &people {
            for (&heard, &said) in mixer.heard_by(person.1, Rate::Khz8).iter().zip(&square) {
                assert_eq!(heard.signum(), said.signum(), "the sign survives");
                assert!(heard.unsigned_abs() > 32_700, "and the level: {heard}");
            }
        }
    }
}

#[test]
fn nobody_is_turned_down_because_the_room_is_large() {
    let mut mixer = Mixer::default();
    let people: Vec<_> = (0..100)
        .map(|_| mixer.add_participant(Rate::Khz16).unwrap())
        .collect();
    let mut tone = Tone::new(Rate::Khz16, 440.0, -10.0);
    let mut frame = [0; 320];
    for _ in 0..5 {
        tone.fill(&mut frame);
        let _ = mixer.push(people[0].0, &frame);
        mixer.tick();
        assert_eq!(mixer.heard_by(people[99].1, Rate::Khz16), frame);
        assert!(
            mixer
                .heard_by(people[0].1, Rate::Khz16)
                .iter()
                .all(|&x| x == 0)
        );
    }
}

#[test]
fn ten_millisecond_ticks_and_uneven_pushes() {
    let mut config = MixerConfig::default();
    config.tick = media_mix::TickLength::Ms10;
    let mut mixer = Mixer::new(config);
    let source = mixer.add_source(Rate::Khz8).unwrap();
    let listener = mixer.add_listener(Rate::Khz8, None).unwrap();
    let said = Noise(4).frame(2400, 2);
    let (mut pushed, mut heard) = (0, Vec::new());
    for size in [240, 0, 0, 80, 160, 0, 240, 0, 0]
        .into_iter()
        .cycle()
        .take(28)
    {
        let _ = mixer.push(source, &said[pushed..(pushed + size).min(2400)]);
        pushed = (pushed + size).min(2400);
        assert_eq!(mixer.wanted(source), 80);
        assert!(mixer.buffered(source) >= 80);
        mixer.tick();
        heard.extend_from_slice(mixer.heard_by(listener, Rate::Khz8));
    }
    assert_eq!(heard, said[..2240]);
}

#[test]
fn missing_late_and_overrun_are_counted_and_do_not_click() {
    let mut mixer = Mixer::default();
    let source = mixer.add_source(Rate::Khz8).unwrap();
    let listener = mixer.add_listener(Rate::Khz8, None).unwrap();
    let constant = [10_000; 160];
    let mut heard = Vec::new();
    let mut tick = |mixer: &mut Mixer| {
        mixer.tick();
        heard.extend_from_slice(mixer.heard_by(listener, Rate::Khz8));
    };
    assert_eq!(mixer.push(source, &constant), Push::Taken);
    tick(&mut mixer);
    tick(&mut mixer);
    assert_eq!(mixer.push(source, &constant), Push::Late);
    tick(&mut mixer);
    assert_eq!(mixer.push(source, &[10_000; 1600]), Push::Taken);
    assert_eq!(mixer.push(source, &constant), Push::Overrun);
    tick(&mut mixer);
    let stats = mixer.source_stats(source).unwrap();
    assert_eq!((stats.missing, stats.late, stats.overrun), (1, 1, 160));
    for pair in heard[1..].windows(2) {
        assert!((pair[0] - pair[1]).abs() <= 501, "2.5 ms of fade: {pair:?}");
    }
    assert!(heard[200..320].iter().all(|&x| x == 0));
}

#[test]
fn mute_and_gain_fade_over_one_tick() {
    let mut mixer = Mixer::default();
    let source = mixer.add_source(Rate::Khz8).unwrap();
    let listener = mixer.add_listener(Rate::Khz8, None).unwrap();
    let level = |mixer: &mut Mixer| {
        let _ = mixer.push(source, &[8_000; 160]);
        let speaking = mixer.tick().sources[0].speaking;
        let heard = mixer.heard_by(listener, Rate::Khz8);
        for pair in heard.windows(2) {
            assert!((i32::from(pair[0]) - i32::from(pair[1])).abs() < 200);
        }
        (heard[159], speaking)
    };
    assert_eq!(level(&mut mixer), (8_000, true));
    mixer.set_gain(source, 0.5).unwrap();
    assert_eq!(level(&mut mixer), (4_000, true));
    mixer.set_muted(source, true).unwrap();
    assert_eq!(level(&mut mixer), (0, false));
    assert_eq!(level(&mut mixer), (0, false));
    mixer.set_muted(source, false).unwrap();
    mixer.set_gain(source, 2.0).unwrap();
    assert_eq!(level(&mut mixer), (16_000, true));
    for bad in [-1.0, 17.0, f32::NAN] {
        assert_eq!(mixer.set_gain(source, bad), Err(MixerError::Gain));
    }
}

#[test]
fn who_hears_whom_is_a_table() {
    let mut mixer = Mixer::default();
    // An agent and a caller, and a coach whom only the agent hears, at another rate.
    let (agent, agent_ear) = mixer.add_participant(Rate::Khz8).unwrap();
    let (caller, caller_ear) = mixer.add_participant(Rate::Khz8).unwrap();
    let coach = mixer.add_private_source(Rate::Khz16).unwrap();
    let coach_ear = mixer.add_listener(Rate::Khz16, Some(coach)).unwrap();
    let waiting = mixer
        .add_listener_to(Rate::Khz8, None, Audience::Nobody)
        .unwrap();
    mixer.whisper(coach, agent_ear, true).unwrap();

    let run = |mixer: &mut Mixer| {
        for _ in 0..3 {
            let _ = mixer.push(agent, &[100; 160]);
            let _ = mixer.push(caller, &[1_000; 160]);
            let _ = mixer.push(coach, &[10_000; 320]);
            mixer.tick();
        }
        [
            (agent_ear, Rate::Khz8),
            (caller_ear, Rate::Khz8),
            (coach_ear, Rate::Khz16),
            (waiting, Rate::Khz8),
        ]
        .map(|(ear, rate)| *mixer.heard_by(ear, rate).last().unwrap())
    };
    assert_eq!(run(&mut mixer), [11_000, 100, 1_100, 0]);
    mixer.set_hidden(coach_ear, caller, true).unwrap();
    mixer.whisper(coach, waiting, true).unwrap();
    assert_eq!(run(&mut mixer), [11_000, 100, 100, 10_000]);
    mixer.set_hidden(coach_ear, caller, false).unwrap();
    mixer.whisper(coach, agent_ear, false).unwrap();
    mixer.set_hidden(agent_ear, agent, false).unwrap();
    assert_eq!(
        run(&mut mixer),
        [1_000, 100, 1_100, 10_000],
        "one's own voice cannot be switched on"
    );
}

#[test]
fn a_table_without_exceptions_at_work_costs_nothing_as_all_hear_one_mix() {
    let mut mixer = Mixer::default();
    let talker = mixer.add_source(Rate::Khz16).unwrap();
    let silent = mixer.add_source(Rate::Khz16).unwrap();
    let coach = mixer.add_private_source(Rate::Khz16).unwrap();
    let ears: Vec<_> = (0..4)
        .map(|_| mixer.add_participant(Rate::Khz16).unwrap().1)
        .collect();
    // Exceptions that concern nobody who says anything.
    mixer.set_hidden(ears[1], silent, true).unwrap();
    mixer.whisper(coach, ears[2], true).unwrap();
    let run = |mixer: &mut Mixer, coached: bool| {
        for _ in 0..3 {
            let _ = mixer.push(talker, &[700; 320]);
            let _ = mixer.push(silent, &[0; 320]);
            let _ = mixer.push(coach, &[if coached { 50 } else { 0 }; 320]);
            mixer.tick();
        }
        let heard = |&ear: &ListenerId| {
            let pcm = mixer.heard_by(ear, Rate::Khz16);
            (pcm.as_ptr() as usize, *pcm.last().unwrap())
        };
        ears.iter().map(heard).collect::<Vec<_>>()
    };
    let heard = run(&mut mixer, false);
    assert_eq!(heard[0].1, 700);
    assert_eq!(heard, [heard[0]; 4], "the very same samples in memory");
    // Who is told something has a mix of its own, and nobody else.
    let heard = run(&mut mixer, true);
    assert_eq!(heard[2].1, 750);
    assert_ne!(heard[2].0, heard[0].0);
    assert_eq!([heard[1], heard[3]], [heard[0]; 2]);
    let heard = run(&mut mixer, false);
    assert_eq!(heard, [heard[0]; 4], "and is back with the others");
}

#[test]
fn in_a_holding_room_nobody_hears_anybody_but_all_hear_the_music() {
    let mut mixer = Mixer::default();
    let music = mixer.add_private_source(Rate::Khz16).unwrap();
    let rates = [Rate::Khz8, Rate::Khz16, Rate::Khz16];
    let people = rates.map(|rate| {
        let source = mixer.add_source(rate).unwrap();
        let ear = mixer
            .add_listener_to(rate, Some(source), Audience::Nobody)
            .unwrap();
        (rate, source, ear)
    });
    let said = [1_000, 2_000, 4_000];
    let run = |mixer: &mut Mixer| {
        for _ in 0..3 {
            let _ = mixer.push(music, &[300; 320]);
            for ((rate, source, _), &level) in people.iter().zip(&said) {
                let _ = mixer.push(*source, &vec![level; rate.samples(20)]);
            }
            mixer.tick();
        }
        // Filters between rates round.
        people.map(|(rate, _, ear)| {
            let last = *mixer.heard_by(ear, rate).last().unwrap();
            (f32::from(last) / 10.0).round() as i16 * 10
        })
    };
    assert_eq!(run(&mut mixer), [0; 3]);
    for (_, _, ear) in people {
        mixer.whisper(music, ear, true).unwrap();
    }
    assert_eq!(run(&mut mixer), [300; 3]);
    // The host opens the door for two, and the music stops for them.
    for (_, _, ear) in &people[..2] {
        mixer.whisper(music, *ear, false).unwrap();
        mixer.set_audience(*ear, Audience::Everyone).unwrap();
    }
    mixer.set_hidden(people[0].2, people[2].1, true).unwrap();
    mixer.set_hidden(people[1].2, people[2].1, true).unwrap();
    assert_eq!(run(&mut mixer), [2_000, 1_000, 300]);
}

#[test]
fn only_the_loudest_talkers_are_mixed_and_the_rest_share_one_mix() {
    let mut config = MixerConfig::default();
    config.max_talkers = Some(2);
    let mut mixer = Mixer::new(config);
    let people: Vec<_> = (0..10)
        .map(|_| mixer.add_participant(Rate::Khz8).unwrap())
        .collect();
    let mut mixed = Vec::new();
    for _ in 0..5 {
        for (n, person) in people.iter().enumerate() {
            let _ = mixer.push(person.0, &[(1 << n) * 50; 160]);
        }
        let tick = mixer.tick();
        mixed = tick
            .sources
            .iter()
            .filter(|s| s.mixed)
            .map(|s| s.source)
            .collect();
    }
    assert_eq!(mixed, [people[8].0, people[9].0]);
    for (n, person) in people.iter().enumerate() {
        let heard = *mixer.heard_by(person.1, Rate::Khz8).last().unwrap();
        assert_eq!(
            heard,
            if n == 8 {
                25_600
            } else if n == 9 {
                12_800
            } else {
                32_767
            },
            "{n}"
        );
    }
}

#[test]
fn what_was_removed_is_gone() {
    let mut mixer = Mixer::default();
    let (source, listener) = mixer.add_participant(Rate::Khz8).unwrap();
    mixer.remove_source(source).unwrap();
    assert_eq!(mixer.push(source, &[0; 160]), Push::Gone);
    assert_eq!(mixer.remove_source(source), Err(MixerError::Gone));
    let next: SourceId = mixer.add_source(Rate::Khz8).unwrap();
    assert_ne!(next, source, "the slot is used again, the id is not");
    mixer.remove_listener(listener).unwrap();
    mixer.tick();
    assert!(mixer.heard_by(listener, Rate::Khz8).is_empty());
    assert_eq!(mixer.payload(listener), None);

    let mut config = MixerConfig::default();
    config.max_sources = 1;
    let mut small = Mixer::new(config);
    small.add_source(Rate::Khz8).unwrap();
    assert_eq!(small.add_source(Rate::Khz8), Err(MixerError::Full));
}

#[test]
fn levels_and_speech_are_reported() {
    let mut mixer = Mixer::default();
    let source = mixer.add_source(Rate::Khz48).unwrap();
    let mut tone = Tone::new(Rate::Khz48, 1020.0, -20.0);
    let mut frame = [0; 960];
    let mut speaking = Vec::new();
    for n in 0..60 {
        if n < 10 {
            tone.fill(&mut frame);
        } else {
            frame.fill(0);
        }
        let _ = mixer.push(source, &frame);
        let tick = mixer.tick();
        assert_eq!(
            tick.sources[0].level,
            if n < 10 {
                Level::from_wire(20)
            } else {
                Level::SILENCE
            }
        );
        speaking.push(tick.sources[0].speaking);
    }
    assert!(
        speaking[..30].iter().all(|&s| s),
        "a pause of 400 ms is not the end"
    );
    assert!(speaking[30..].iter().all(|&s| !s));
}

#[test]
fn who_is_too_quiet_to_be_mixed_need_not_be_decoded() {
    let mut config = MixerConfig::default();
    config.max_talkers = Some(2);
    let mut mixer = Mixer::new(config);
    let people: Vec<_> = (0..5)
        .map(|_| mixer.add_participant(Rate::Khz8).unwrap())
        .collect();
    let levels = [20, 26, 40, 60, 127].map(Level::from_wire);
    let mut decoded = [0; 5];
    for _ in 0..20 {
        for (n, (person, level)) in people.iter().zip(levels).enumerate() {
            if mixer.worth_decoding(person.0, level) {
                decoded[n] += 1;
                let peak = (32_768.0 * 10_f32.powf(level.dbov() / 20.0)) as i16;
                let _ = mixer.push(person.0, &[peak; 160]);
            }
        }
        let tick = mixer.tick();
        for (report, level) in tick.sources.iter().zip(levels) {
            assert!(report.level.to_wire().abs_diff(level.to_wire()) <= 1);
        }
    }
    assert_eq!(decoded[..2], [20, 20]);
    assert!(
        decoded[2] <= 2,
        "{decoded:?}: only until two were found louder"
    );
    assert_eq!(decoded[3..], [0, 0], "nor is who does not speak at all");
    assert_eq!(mixer.source_stats(people[3].0).unwrap().missing, 0);
    // The quiet one raises its voice.
    assert!(mixer.worth_decoding(people[2].0, Level::from_wire(10)));
    let unlimited = &mut Mixer::default();
    let source = unlimited.add_source(Rate::Khz8).unwrap();
    assert!(unlimited.worth_decoding(source, Level::SILENCE));
}

#[test]
fn each_track_is_what_its_source_contributed() {
    let mut mixer = Mixer::default();
    let (loud, muted) = (
        mixer.add_source(Rate::Khz8).unwrap(),
        mixer.add_source(Rate::Khz16).unwrap(),
    );
    assert!(mixer.said_by(loud).is_empty());
    mixer.set_gain(loud, 0.5).unwrap();
    mixer.set_muted(muted, true).unwrap();
    for _ in 0..2 {
        let _ = mixer.push(loud, &[1000; 160]);
        let _ = mixer.push(muted, &[1000; 320]);
        mixer.tick();
    }
    assert_eq!(mixer.said_by(loud), [500; 160]);
    assert_eq!(mixer.said_by(muted), [0; 320]);
}

#[test]
fn the_mix_is_the_same_however_ticks_are_pushed_and_whatever_is_said_in_between() {
    let rates = [Rate::Khz8, Rate::Khz16, Rate::Khz16];
    let mut noise = Noise(41);
    let mut below = |n: usize| (noise.sample() as u16 as usize) % n;
    let mut voices = Noise(43);
    // One is given whole ticks, which it may sum as they come; the other the same in pieces.
    let mut mixers = [Mixer::default(), Mixer::default()];
    let mut people = Vec::new();
    let mut exact_ticks = 0;
    for tick in 0..3_000 {
        if people.len() < 3 || people.len() < 8 && below(40) == 0 {
            let rate = rates[below(3)];
            let ids = mixers
                .each_mut()
                .map(|mixer| mixer.add_participant(rate).unwrap());
            people.push((ids, rate));
        }
        for (ids, rate) in &people {
            // From a whisper to full scale, and sometimes silence or too much.
            let shift = [15, 8, 4, 2, 1, 0][below(6)];
            // Mostly one tick a tick and nothing left over, and once in a while more than the ring holds.
            let ticks = match below(300) {
                0 => 14,
                1..50 => 0,
                50..65 => 2,
                _ => 1,
            };
            for _ in 0..ticks {
                let frame = voices.frame(rate.samples(20), shift);
                let (one, two) = frame.split_at(37);
                let whole = mixers[0].push(ids[0].0, &frame);
                let _ = mixers[1].push(ids[1].0, one);
                let _ = mixers[1].push(ids[1].0, two);
                assert_ne!(whole, Push::Gone);
            }
        }
        let who = below(people.len());
        let (gain, command) = ([1.0, 1.0, 0.3, 2.5][below(4)], below(60));
        for (n, mixer) in mixers.iter_mut().enumerate() {
            let (source, listener) = people[who].0[n];
            match command {
                0 | 1 => mixer.set_gain(source, gain).unwrap(),
                2 => mixer.set_muted(source, true).unwrap(),
                3 => mixer.set_muted(source, false).unwrap(),
                4 => mixer.chime(Chime::Join, Some(listener)).unwrap(),
                5 => {
                    mixer.remove_source(source).unwrap();
                    mixer.remove_listener(listener).unwrap();
                }
                6 => mixer.set_source_rate(source, Rate::Khz24).unwrap(),
                _ => {}
            }
        }
        match command {
            5 => drop(people.remove(who)),
            6 => people[who].1 = Rate::Khz24,
            _ => {}
        }
        let [one, two] = mixers.each_mut().map(|mixer| mixer.tick().sources.to_vec());
        assert_eq!(one.len(), two.len());
        for (ids, _) in &people {
            for rate in [Rate::Khz8, Rate::Khz16] {
                let heard = mixers[0].heard_by(ids[0].1, rate);
                assert_eq!(heard, mixers[1].heard_by(ids[1].1, rate), "tick {tick}");
                exact_ticks += usize::from(heard.iter().any(|&x| x != 0));
            }
        }
    }
    assert!(exact_ticks > 5_000, "{exact_ticks}");
}

/// Everything between a push and a payload that is ours to compute, but for Opus.
#[test]
fn the_same_input_gives_the_same_samples_on_every_machine() {
    let codec = |name: &str| {
        let registry = media_mix::Registry::default();
        let found = registry.iter().find(|c| c.description().name == name);
        std::sync::Arc::clone(found.unwrap())
    };
    let mut mixer = Mixer::default();
    let mut voices = Noise(99);
    let people: Vec<_> = [Rate::Khz8, Rate::Khz16, Rate::Khz48, Rate::Khz12]
        .into_iter()
        .map(|rate| (rate, mixer.add_participant(rate).unwrap()))
        .collect();
    for (n, name) in ["PCMU", "G722"].into_iter().enumerate() {
        let options = media_mix::CodecOptions::new();
        mixer
            .encode(people[n].1.1, &codec(name), &options, 20)
            .unwrap();
    }
    mixer
        .listen_in_stereo_at(people[2].1.1, Rate::Khz48)
        .unwrap();
    mixer.set_pan(people[0].1.0, -0.4).unwrap();
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    let mut note = |bytes: &mut dyn Iterator<Item = u8>| {
        for byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
    };
    for tick in 0..100 {
        for (n, (rate, person)) in people.iter().enumerate() {
            // Now and then somebody is missing, and all at once are more than 16 bits hold.
            if (tick + n) % 9 != 0 {
                let frame = voices.frame(rate.samples(20), (tick / 10 % 3) as u32);
                let _ = mixer.push(person.0, &frame);
            }
        }
        let gain = [1.0, 0.7, 1.9][tick / 7 % 3];
        mixer.set_gain(people[tick % 4].1.0, gain).unwrap();
        if tick == 30 {
            mixer.chime(Chime::Join, Some(people[1].1.1)).unwrap();
        }
        let levels: Vec<u8> = mixer
            .tick()
            .sources
            .iter()
            .map(|source| source.level.to_wire())
            .collect();
        note(&mut levels.into_iter());
        for (rate, person) in &people {
            let heard = mixer.heard_by(person.1, *rate);
            note(&mut heard.iter().flat_map(|x| x.to_le_bytes()));
            while let Some(payload) = mixer.payload(person.1) {
                note(&mut payload.iter().copied());
            }
        }
        let heard = mixer.heard_in_stereo_by(people[2].1.1, Rate::Khz48);
        note(&mut heard.iter().flat_map(|x| x.to_le_bytes()));
    }
    assert_eq!(hash, 0x1C6A_C3D4_727B_F366, "{hash:#x}");
}
