//! Any bytes as a stream, cut in any places: the frames are those of the whole, and no byte is
//! looked at more than twice. The first four bytes choose the cuts.

use sip_core::{Frame, Framer};

use super::exercise;

fn frames(framer: &mut Framer, out: &mut Vec<Frame>) {
    while let Some(frame) = framer.next_frame() {
        out.push(frame);
    }
}

pub fn run(data: &[u8]) {
    let Some((seed, data)) = data.split_first_chunk::<4>() else {
        return;
    };
    let (mut whole, mut expected) = (Framer::stream(), Vec::new());
    whole.push(data.to_vec());
    frames(&mut whole, &mut expected);
    assert!(
        whole.examined() <= 2 * data.len() as u64,
        "{} for {}",
        whole.examined(),
        data.len()
    );

    let mut state = u32::from_le_bytes(*seed) | 1;
    let (mut cut, mut got) = (Framer::stream(), Vec::new());
    let mut rest = data;
    while !rest.is_empty() {
        // xorshift: mostly small pieces.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let size = 1 + (state >> 8) as usize % if state & 3 == 0 { 300 } else { 7 };
        let (piece, left) = rest.split_at(size.min(rest.len()));
        cut.push(piece.to_vec());
        frames(&mut cut, &mut got);
        rest = left;
    }
    assert_eq!(got, expected);
    assert_eq!(cut.is_partial(), whole.is_partial());
    assert!(
        cut.examined() <= 2 * data.len() as u64,
        "{} for {} cut",
        cut.examined(),
        data.len()
    );
    for frame in &got {
        match frame {
            Frame::Message(message) => {
                // On a stream, a message has exactly one length, and it is the body's.
                let mut lengths = message.headers_named("Content-Length");
                let length = lengths.next().expect("a stream's message has its length");
                assert_eq!(
                    String::from_utf8_lossy(length.value()).parse(),
                    Ok(message.body().len())
                );
                assert_eq!(lengths.next(), None);
                exercise::message(message);
            }
            Frame::Refused(refused) => assert!(refused.close),
            _ => {}
        }
    }
    let refusals = got
        .iter()
        .filter(|f| matches!(f, Frame::Refused(_)))
        .count();
    assert!(refusals <= 1, "nothing comes behind a refusal");
}
