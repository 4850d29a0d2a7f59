//! Decoders: a stream of payloads, some lost, some repaired from the next; whatever is in them, nothing panics, and
//! what is decoded is as long as was said before.

use media_mix::{CodecError, CodecOptions, Registry};

/// One input: which codec, then payloads, each after its length.
pub(crate) fn fuzz(data: &[u8]) {
    let Some((&which, mut rest)) = data.split_first() else {
        return;
    };
    let registry = Registry::default();
    let codec = registry
        .iter()
        .nth(usize::from(which) % registry.iter().len())
        .expect("within range");
    let mut decoder = codec
        .decoder(&CodecOptions::new())
        .expect("the defaults are valid");
    let mut out = vec![0; 5760];
    let frame = codec.description().frame_samples(20);
    while let Some((&len, after)) = rest.split_first() {
        let (payload, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        if payload.is_empty() {
            decoder.conceal(&mut out[..frame]);
        }
        if len % 16 == 3 {
            decoder.recover(payload, &mut out[..frame]);
        }
        let said = decoder.samples(payload);
        match decoder.decode(payload, &mut out) {
            Ok(samples) => assert_eq!(said, Ok(samples)),
            Err(CodecError::Malformed { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
