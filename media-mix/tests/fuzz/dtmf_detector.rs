//! The DTMF detector: any sound, cut anywhere, gives the same keys, and every key that goes up went down.

use media_mix::{DtmfDetector, Key, Rate};

/// One input: a rate and a step, then 16-bit samples.
pub(crate) fn fuzz(data: &[u8]) {
    let [rate, step, samples @ ..] = data else {
        return;
    };
    let rate = Rate::ALL[usize::from(*rate) % 6];
    let pcm: Vec<i16> = samples
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]))
        .collect();
    let listen = |step: usize| {
        let mut detector = DtmfDetector::new(rate);
        let mut keys = Vec::new();
        for part in pcm.chunks(step) {
            detector.hear(part, |key| keys.push(key));
        }
        keys
    };
    let keys = listen(160);
    assert_eq!(keys, listen(usize::from(*step) + 1));
    let mut down = None;
    for key in keys {
        match key {
            Key::Down(key) => assert_eq!(down.replace(key), None),
            Key::Up(key, _) => assert_eq!(down.take(), Some(key)),
            _ => {}
        }
    }
}
