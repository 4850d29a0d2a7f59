//! The mixer's commands in any order: nothing panics, stale ids are refused, every listener gets exactly a tick at every
//! rate that it asked for, and nobody hears a voice that it should not.

use std::sync::Arc;

use media_mix::{
    Audience, Chime, Codec, CodecOptions, ListenerId, Mixer, MixerConfig, Rate, Registry, SourceId,
    TickLength,
};

/// One input: a configuration, then commands of three bytes.
pub(crate) fn fuzz(data: &[u8]) {
    let Some((&first, commands)) = data.split_first() else {
        return;
    };
    let mut config = MixerConfig::default();
    config.tick = if first & 1 == 0 {
        TickLength::Ms20
    } else {
        TickLength::Ms10
    };
    config.max_talkers = (first & 2 != 0).then_some(usize::from(first >> 4));
    config.max_sources = 12;
    config.max_listeners = 12;
    let ms = config.tick.ms();
    let mut mixer = Mixer::new(config);
    // Opus is slow, and its own target fuzzes it.
    let registry = Registry::default();
    let codecs: Vec<Arc<dyn Codec>> = ["PCMU", "PCMA", "G722"]
        .iter()
        .filter_map(|name| registry.find(name, 8000, 1).cloned())
        .collect();
    let mut sources: Vec<SourceId> = Vec::new();
    let mut listeners: Vec<(ListenerId, Rate)> = Vec::new();
    for command in commands.chunks_exact(3).take(200) {
        let [what, which, value] = [command[0], command[1], command[2]];
        let rate = Rate::ALL[usize::from(value) % 6];
        let source = sources
            .get(usize::from(which) % sources.len().max(1))
            .copied();
        let listener = listeners
            .get(usize::from(value) % listeners.len().max(1))
            .copied();
        match (what % 19, source, listener) {
            (0, ..) => sources.extend(mixer.add_source(rate)),
            (1, ..) => sources.extend(mixer.add_private_source(rate)),
            (2, own, _) => listeners.extend(mixer.add_listener(rate, own).map(|id| (id, rate))),
            (3, Some(source), _) => {
                let _ = mixer.remove_source(source);
            }
            (4, _, Some((listener, _))) => {
                let _ = mixer.remove_listener(listener);
            }
            (5, Some(source), _) => {
                let frame = vec![i16::from_be_bytes([value, which]); usize::from(value) * 5];
                let _ = mixer.push(source, &frame);
            }
            (6, Some(source), _) => {
                let _ = mixer.set_gain(source, f32::from(value) / 10.0);
            }
            (7, Some(source), _) => {
                let _ = mixer.set_muted(source, value & 1 == 0);
            }
            (8, Some(source), _) => {
                let _ = mixer.set_source_rate(source, rate);
            }
            (9, Some(source), Some((listener, _))) => {
                let _ = mixer.set_hidden(listener, source, what & 16 == 0);
            }
            (10, Some(source), Some((listener, _))) => {
                let _ = mixer.whisper(source, listener, what & 16 == 0);
            }
            (11, _, Some((listener, _))) => {
                let audience = if what & 16 == 0 {
                    Audience::Nobody
                } else {
                    Audience::Everyone
                };
                let _ = mixer.set_audience(listener, audience);
            }
            (12, _, Some((listener, _))) => {
                let codec = &codecs[usize::from(which) % codecs.len()];
                let ptime = [10, 20, 30, 60, 7][usize::from(which) % 5];
                let _ = mixer.encode(listener, codec, &CodecOptions::new(), ptime);
            }
            (13, _, Some((listener, _))) => {
                let _ = mixer.stop_encoding(listener);
            }
            (14, _, Some((listener, rate))) => {
                let _ = mixer.listen_only_at(listener, rate);
            }
            (15, Some(source), _) => {
                let _ = mixer.set_pan(source, f32::from(value) / 100.0 - 1.0);
            }
            (16, _, Some((listener, rate))) => {
                let _ = mixer.listen_in_stereo_at(listener, rate);
            }
            (17, ..) => {
                let _ = mixer.chime(Chime::Join, listener.map(|(listener, _)| listener));
            }
            _ => {
                let number = mixer.tick().number;
                assert!(number > 0);
                for &(listener, rate) in &listeners {
                    let heard = mixer.heard_by(listener, rate).len();
                    assert!(heard == rate.samples(ms) || heard == 0);
                    let heard = mixer.heard_in_stereo_by(listener, rate).len();
                    assert!(heard == rate.samples(ms) * 2 || heard == 0);
                    let mut payloads = 0;
                    while let Some(payload) = mixer.payload(listener) {
                        assert!(!payload.is_empty());
                        payloads += 1;
                    }
                    assert!(payloads <= 2);
                }
            }
        }
    }
    assert_eq!(mixer.encoder_failures(), 0);
    // Alone in the room, one hears nothing of oneself, whatever was said before.
    for source in sources {
        let _ = mixer.remove_source(source);
    }
    if let Some(&(listener, rate)) = listeners.last()
        && let Ok(own) = mixer.add_source(rate)
        && mixer.remove_listener(listener).is_ok()
        && let Ok(mine) = mixer.add_listener(rate, Some(own))
    {
        // As long as the chimes that may wait last.
        for _ in 0..100 {
            let _ = mixer.push(own, &vec![12_345; rate.samples(ms)]);
            mixer.tick();
        }
        assert!(mixer.heard_by(mine, rate).iter().all(|&x| x == 0));
    }
}
