//! RTCP: nothing panics, and every part of a compound can be looked at.

use rtp_core::rtcp::{Compound, FeedbackMessage, Packet};

/// One input.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(compound) = Compound::parse(data) else {
        return;
    };
    let mut count = 0;
    for packet in compound.packets() {
        count += 1;
        match packet {
            Packet::SenderReport(report) => assert!(report.blocks().len() <= 31),
            Packet::ReceiverReport(report) => assert!(report.blocks().len() <= 31),
            Packet::SourceDescription(description) => {
                for chunk in description.chunks() {
                    for item in chunk.items() {
                        assert!(item.kind != 0 && item.text.len() <= 255);
                    }
                }
            }
            Packet::Goodbye(bye) => {
                assert!(bye.sources().len() <= 31 && bye.reason().len() <= 255);
            }
            Packet::Feedback(feedback) => {
                assert!(feedback.nacked().count() <= data.len() * 17);
                assert!(feedback.full_intra().count() <= data.len());
                if let FeedbackMessage::TransportWide(report) = feedback.message() {
                    assert!(report.packets().count() <= 2048);
                }
            }
            Packet::ExtendedReport(report) => {
                for block in report.blocks() {
                    assert!(block.content.len() < data.len());
                    let _ = block.voip_metrics();
                }
            }
            Packet::Other { body, .. } => assert!(body.len() < data.len()),
            _ => {}
        }
    }
    assert!(count >= 1 && count * 4 <= data.len());
}
