//! Comfort noise: any payload gives noise that is no louder than full scale and dies when the level does.

use media_mix::{ComfortNoise, Level, NoiseAnalyser};

/// One input: payloads of up to 16 bytes.
pub(crate) fn fuzz(data: &[u8]) {
    let (mut noise, mut analyser) = (ComfortNoise::new(), NoiseAnalyser::new());
    let mut frame = [0; 160];
    for payload in data.chunks(16) {
        noise.update(payload);
        noise.fill(&mut frame);
        analyser.hear(&frame);
        noise.update(&analyser.payload());
        noise.fill(&mut frame);
    }
    noise.update(&[127]);
    for _ in 0..20 {
        noise.fill(&mut frame);
    }
    assert!(Level::of(&frame).to_wire() > 100);
}
