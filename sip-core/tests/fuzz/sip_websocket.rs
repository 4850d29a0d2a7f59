//! Any bytes as a WebSocket frame: one message or nothing.

use sip_core::{Frame, Framer};

use super::exercise;

pub fn run(data: &[u8]) {
    let mut framer = Framer::websocket();
    framer.push(data.to_vec());
    match framer.next_frame() {
        Some(Frame::Message(message)) => {
            let start = data
                .iter()
                .take_while(|b| matches!(b, b'\r' | b'\n'))
                .count();
            assert_eq!(
                message.as_bytes(),
                &data[start..],
                "a frame holds one message and nothing else"
            );
            exercise::message(&message);
        }
        Some(Frame::Refused(refused)) => {
            if let Some(message) = refused.message {
                exercise::message(&message);
            }
        }
        _ => {}
    }
    assert_eq!(framer.next_frame(), None);
}
