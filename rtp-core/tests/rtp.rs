//! RTP and RTCP packets: what is read, what is refused, and that writing is reading's inverse.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rtp_core::rtcp::{Compound, NtpTime, Packet, ReportBlock, RtcpError, SenderInfo, Writer};
use rtp_core::rtp::{ExtensionWriter, Rtp, RtpError, RtpHeader, Ssrc, static_clock_rate};

#[test]
fn reads_every_part_of_a_header() {
    #[rustfmt::skip]
    let bytes = [
        0xb2, 0xe0, 0xff, 0xfe, 0x01, 0x02, 0x03, 0x04, 0xde, 0xad, 0xbe, 0xef,
        0, 0, 0, 1, 0, 0, 0, 2,
        0xbe, 0xde, 0, 1, 0x10, 0xaa, 0, 0,
        b'p', b'a', b'y', 0, 0, 3,
    ];
    let rtp = Rtp::parse(&bytes).unwrap();
    assert!(rtp.marker);
    assert_eq!(rtp.payload_type, 96);
    assert_eq!(rtp.sequence, 0xfffe);
    assert_eq!(rtp.timestamp, 0x0102_0304);
    assert_eq!(rtp.ssrc, Ssrc(0xdead_beef));
    assert_eq!(rtp.csrcs().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
    assert_eq!(rtp.extension(), Some((0xbede, &[0x10, 0xaa, 0, 0][..])));
    let element = rtp.elements().next().unwrap();
    assert_eq!((element.id, element.data), (1, &[0xaa][..]));
    assert_eq!((rtp.payload, rtp.padding_len()), (&b"pay"[..], 3));
}

#[test]
fn refuses_what_is_no_rtp() {
    let plain = {
        let mut bytes = [0; 16];
        bytes[0] = 0x80;
        bytes
    };
    let with = |at: usize, value: u8| {
        let mut bytes = plain;
        bytes[at] = value;
        bytes
    };
    let mut two_csrcs = with(0, 0x82);
    two_csrcs[15] = 1;
    for (bytes, error) in [
        (&plain[..11], RtpError::TooShort),
        (&[][..], RtpError::TooShort),
        (&with(0, 0x40)[..], RtpError::Version(1)),
        (&with(0, 0xc0)[..], RtpError::Version(3)),
        (&two_csrcs[..], RtpError::Csrcs),
        (&with(0, 0x90)[..14], RtpError::Extension),
        // Padding: 0 of it, and more than there is.
        (&with(0, 0xa0)[..], RtpError::Padding(0)),
        (
            &[&with(0, 0xa0)[..15], &[5]].concat()[..],
            RtpError::Padding(5),
        ),
    ] {
        assert_eq!(Rtp::parse(bytes), Err(error), "{bytes:x?}");
    }
    // An extension of one word more than there is.
    let mut extended = with(0, 0x90);
    extended[15] = 1;
    assert_eq!(Rtp::parse(&extended), Err(RtpError::Extension));
    // A payload may be empty, or all padding.
    assert!(Rtp::parse(&plain[..12]).unwrap().payload.is_empty());
    let all_padding = [&with(0, 0xa0)[..15], &[4]].concat();
    assert!(Rtp::parse(&all_padding).unwrap().payload.is_empty());
}

#[test]
fn extension_elements_follow_rfc_8285() {
    let mut buffer = [0; 32];
    let mut writer = ExtensionWriter::new(&mut buffer);
    writer.push(1, &[0x85]).unwrap();
    writer.push(14, &[7; 16]).unwrap();
    assert!(writer.push(15, &[0]).is_err());
    assert!(writer.push(0, &[0]).is_err());
    assert!(writer.push(2, &[]).is_err());
    assert!(writer.push(2, &[0; 17]).is_err());
    assert!(writer.push(2, &[0; 13]).is_err(), "the buffer is full");
    let extension = writer.finish();
    let header = RtpHeader {
        extension,
        ..RtpHeader::default()
    };
    let mut packet = [0; 80];
    let len = header.write_packet(b"sound", &mut packet).unwrap();
    let rtp = Rtp::parse(&packet[..len]).unwrap();
    let elements: Vec<_> = rtp.elements().map(|e| (e.id, e.data.to_vec())).collect();
    assert_eq!(elements, [(1, vec![0x85]), (14, vec![7; 16])]);
    assert_eq!(rtp.payload, b"sound");

    // Identifier 15 ends the list, padding is passed over, what is cut short is not handed out.
    for (profile, data, ids) in [
        (
            0xbede,
            &[0x10, 1, 0, 0, 0x20, 2, 0xf0, 3, 0x30, 4, 0, 0][..],
            &[1, 2][..],
        ),
        (0xbede, &[0x10, 1, 0x2f, 2], &[1]),
        (0x1000, &[1, 0, 2, 1, 9, 0, 0, 0], &[1, 2]),
        (0x100f, &[3, 9, 0, 0], &[]),
        (0x1234, &[0x10, 1, 0, 0], &[]),
    ] {
        let header = RtpHeader {
            extension: Some((profile, data)),
            ..RtpHeader::default()
        };
        let len = header.write(&mut packet).unwrap();
        let rtp = Rtp::parse(&packet[..len]).unwrap();
        let got: Vec<u8> = rtp.elements().map(|e| e.id).collect();
        assert_eq!(got, ids, "{profile:x} {data:x?}");
    }
}

#[test]
fn static_payload_types_have_the_clocks_of_rfc_3551() {
    for (payload_type, rate) in [
        (0, Some(8000)),
        (8, Some(8000)),
        (9, Some(8000)),
        (10, Some(44_100)),
        (13, Some(8000)),
        (18, Some(8000)),
        (34, Some(90_000)),
        (1, None),
        (72, None),
        (96, None),
        (127, None),
    ] {
        assert_eq!(static_clock_rate(payload_type), rate, "{payload_type}");
    }
}

#[test]
fn refuses_what_is_no_rtcp() {
    let report = [0x80, 201, 0, 1, 0, 0, 0, 7];
    assert!(Compound::parse(&report).is_ok());
    for (bytes, error) in [
        (&report[..3], RtcpError::TooShort),
        (&report[..7], RtcpError::TooShort),
        (&[0x40, 201, 0, 1, 0, 0, 0, 7], RtcpError::Version(1)),
        (&[0x80, 191, 0, 1, 0, 0, 0, 7], RtcpError::PacketType(191)),
        (&[0x80, 224, 0, 1, 0, 0, 0, 7], RtcpError::PacketType(224)),
        (&[0x81, 201, 0, 1, 0, 0, 0, 7], RtcpError::Count(201)),
        (&[0x80, 200, 0, 1, 0, 0, 0, 7], RtcpError::Count(200)),
        (&[0x82, 203, 0, 1, 0, 0, 0, 7], RtcpError::Count(203)),
        (&[0x80, 205, 0, 1, 0, 0, 0, 7], RtcpError::Count(205)),
        (&[0xa0, 201, 0, 1, 0, 0, 0, 0], RtcpError::Padding),
        (&[0xa0, 201, 0, 1, 0, 0, 0, 8], RtcpError::Padding),
        (&[0xa0, 201, 0, 1, 0, 0, 0, 3], RtcpError::Padding),
    ] {
        assert_eq!(Compound::parse(bytes), Err(error), "{bytes:x?}");
    }
    // Padding may only be in the last packet.
    let padded = [0xa0, 201, 0, 2, 0, 0, 0, 7, 0, 0, 0, 4];
    assert!(Compound::parse(&padded).is_ok());
    let both = [&padded[..], &report[..]].concat();
    assert_eq!(Compound::parse(&both), Err(RtcpError::Padding));
    assert!(Compound::parse(&[&report[..], &padded[..]].concat()).is_ok());
    // One bad packet spoils the compound.
    let spoilt = [&report[..], &[0x80, 201, 0, 9]].concat();
    assert_eq!(Compound::parse(&spoilt), Err(RtcpError::TooShort));
}

type Header = (bool, u8, u16, u32, u32, Vec<u32>, Option<(u16, Vec<u8>)>);

fn header() -> impl Strategy<Value = Header> {
    (
        any::<bool>(),
        0u8..128,
        any::<u16>(),
        any::<u32>(),
        any::<u32>(),
        proptest::collection::vec(any::<u32>(), 0..16),
        proptest::option::of((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..40))),
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        (marker, payload_type, sequence, timestamp, ssrc, csrcs, extension) in header(),
        payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let csrcs: Vec<Ssrc> = csrcs.into_iter().map(Ssrc).collect();
        let header = RtpHeader {
            marker,
            payload_type,
            sequence,
            timestamp,
            ssrc: Ssrc(ssrc),
            csrcs: &csrcs,
            extension: extension.as_ref().map(|(profile, data)| (*profile, &data[..])),
        };
        let mut out = vec![0xcc; header.len() + payload.len()];
        prop_assert!(header.write_packet(&payload, &mut out[1..]).is_err());
        let len = header.write_packet(&payload, &mut out).unwrap();
        prop_assert_eq!(len, out.len());
        let rtp = Rtp::parse(&out).unwrap();
        prop_assert_eq!(
            (rtp.marker, rtp.payload_type, rtp.sequence, rtp.timestamp, rtp.ssrc, rtp.payload),
            (marker, payload_type, sequence, timestamp, Ssrc(ssrc), &payload[..])
        );
        prop_assert_eq!(rtp.csrcs().collect::<Vec<_>>(), csrcs);
        match (rtp.extension(), &extension) {
            (Some((a, data)), Some((b, wanted))) => {
                prop_assert_eq!(a, *b);
                prop_assert_eq!(&data[..wanted.len()], &wanted[..]);
                prop_assert!(data[wanted.len()..].iter().all(|b| *b == 0));
            }
            (None, None) => {}
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn reports_are_read_back(
        ssrc in any::<u32>(),
        info in any::<(u64, u32, u32, u32)>(),
        blocks in proptest::collection::vec(any::<(u32, u8, i32, u32, u32, u32, u32)>(), 0..31),
    ) {
        let info = SenderInfo {
            ntp: NtpTime(info.0),
            rtp_timestamp: info.1,
            packets: info.2,
            octets: info.3,
        };
        let blocks: Vec<ReportBlock> = blocks
            .into_iter()
            .map(|b| ReportBlock {
                ssrc: Ssrc(b.0),
                fraction_lost: b.1,
                cumulative_lost: b.2 >> 8,
                highest_sequence: b.3,
                jitter: b.4,
                last_sr: b.5,
                delay_since_last_sr: b.6,
            })
            .collect();
        let mut out = [0; 2000];
        let mut writer = Writer::new(&mut out);
        writer.sender_report(Ssrc(ssrc), &info, &blocks).unwrap();
        let compound = writer.finish();
        let mut packets = Compound::parse(compound).unwrap().packets();
        let Some(Packet::SenderReport(report)) = packets.next() else {
            return Err(TestCaseError::fail("no SR"));
        };
        prop_assert_eq!(report.info, info);
        prop_assert_eq!(report.blocks().collect::<Vec<_>>(), blocks);
    }

    #[test]
    fn hostile_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), rtcp in any::<bool>()) {
        if let [first, kind, ..] = &mut bytes[..] {
            *first = 0x80 | (*first & 0x3f);
            if rtcp {
                *kind = 200 + (*kind & 7);
            }
        }
        if let Ok(rtp) = Rtp::parse(&bytes) {
            let _ = (rtp.csrcs().count(), rtp.elements().count());
        }
        if let Ok(compound) = Compound::parse(&bytes) {
            for packet in compound.packets() {
                if let Packet::SourceDescription(sdes) = packet {
                    let _: usize = sdes.chunks().map(|c| c.items().count()).sum();
                }
            }
        }
    }
}
