//! RTP: nothing panics, and what was understood is written the same way.

use rtp_core::rtp::{Rtp, RtpHeader, Ssrc};

/// One input.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(rtp) = Rtp::parse(data) else {
        return;
    };
    let csrcs: Vec<Ssrc> = rtp.csrcs().collect();
    for element in rtp.elements() {
        assert!(element.id != 0 && element.data.len() <= 255);
    }
    let header = RtpHeader {
        marker: rtp.marker,
        payload_type: rtp.payload_type,
        sequence: rtp.sequence,
        timestamp: rtp.timestamp,
        ssrc: rtp.ssrc,
        csrcs: &csrcs,
        extension: rtp.extension(),
    };
    let mut out = vec![0; header.len() + rtp.payload.len()];
    let len = header
        .write_packet(rtp.payload, &mut out)
        .expect("the buffer is as long as it says");
    let padding = usize::from(rtp.padding_len());
    assert_eq!(len + padding, data.len());
    let again = Rtp::parse(&out).expect("what we write is RTP");
    assert_eq!(again.payload, rtp.payload);
    assert_eq!(out[1..], data[1..len]);
}
