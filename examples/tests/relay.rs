//! `mini_pbx --relay` between two phones of the test's own: what each says of its video reaches the other, and so does
//! every packet of pictures and of feedback, as it was.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Programs and sockets; a test may fail.

#[path = "relay/phone.rs"]
mod phone;
#[allow(dead_code)] // Phones as programs are not wanted here.
#[path = "support/phones.rs"]
mod phones;
#[path = "support/program.rs"]
mod program;

use rtp_core::rtcp::{Compound, FeedbackMessage, Packet, Writer};
use rtp_core::rtp::Ssrc;
use rtp_core::sdp::{Description, Media, MediaKind};

use phone::{Phone, Sockets, is_empty, next};
use phones::{Folder, Pbx};

/// What describes pictures, and must arrive as it is.
const FORMATS: &str = "\
a=rtpmap:96 VP8/90000\r\n\
a=rtpmap:97 VP9/90000\r\n\
a=fmtp:97 profile-id=2\r\n\
a=rtpmap:98 H264/90000\r\n\
a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
a=rtcp-fb:* nack\r\n\
a=rtcp-fb:* nack pli\r\n\
a=rtcp-fb:* ccm fir\r\n\
a=rtcp-fb:98 goog-remb\r\n\
a=rtcp-fb:98 transport-cc\r\n";

/// A description of sound that nobody sends and pictures in `formats`.
fn described(sound: &Sockets, pictures: &Sockets, numbers: &str, formats: &str) -> String {
    let [audio, _] = sound.ports();
    let [video, rtcp] = pictures.ports();
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {audio} RTP/AVP 0\r\n\
         m=video {video} RTP/AVPF {numbers}\r\na=rtcp:{rtcp}\r\n{formats}"
    )
}

fn video(said: &Description) -> &Media {
    let found = said
        .media
        .iter()
        .find(|media| media.kind == MediaKind::Video);
    found.unwrap()
}

/// What a section says of its formats, in order.
fn formats(section: &Media) -> Vec<String> {
    let names = ["rtpmap", "fmtp", "rtcp-fb"];
    let said = section.attributes.iter();
    said.filter(|attribute| names.contains(&attribute.name.as_str()))
        .map(|attribute| format!("{}:{}", attribute.name, attribute.value.as_ref().unwrap()))
        .collect()
}

fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.strip_prefix("a=").unwrap());
    lines.map(str::to_owned).collect()
}

/// An RTP packet with some bytes of a picture.
fn picture(format: u8, sequence: u16, ssrc: Ssrc) -> Vec<u8> {
    let mut packet = vec![0x80, 0x80 | format];
    packet.extend(sequence.to_be_bytes());
    packet.extend(90_000_u32.to_be_bytes());
    packet.extend(ssrc.0.to_be_bytes());
    packet.extend((0..1100).map(|n| (n % 251) as u8 ^ format));
    packet
}

/// What a receiver says of the pictures of `media`: each a compound of its own, the last without a report (RFC 5506).
fn feedback(sender: Ssrc, media: Ssrc) -> Vec<Vec<u8>> {
    type Said<'w> = &'w dyn Fn(&mut Writer<'_>);
    let said: [Said<'_>; 5] = [
        &|writer| writer.picture_loss(sender, media).unwrap(),
        &|writer| writer.full_intra(sender, media, 7).unwrap(),
        &|writer| writer.nack(sender, media, &[1000, 1003, 1016]).unwrap(),
        &|writer| writer.maximum_bitrate(sender, 750_000, &[media]).unwrap(),
        &|writer| {
            let arrivals = [Some(4), None, Some(12)];
            writer
                .transport_wide((sender, media), (17, 3), 65_534, &arrivals)
                .map(drop)
                .unwrap();
        },
    ];
    let compound = |say: Said<'_>, report: bool| {
        let mut bytes = [0; 512];
        let mut writer = Writer::new(&mut bytes);
        if report {
            writer.receiver_report(sender, &[]).unwrap();
            writer.cname(sender, "a phone").unwrap();
        }
        say(&mut writer);
        writer.finish().to_vec()
    };
    let mut all: Vec<_> = said.iter().map(|say| compound(*say, true)).collect();
    all.push(compound(said[0], false));
    all
}

/// What feedback asks for, and of whose pictures.
fn asked(compound: &[u8]) -> Vec<(String, Ssrc)> {
    let packets: Vec<_> = Compound::parse(compound).unwrap().packets().collect();
    let said = packets.iter().filter_map(|packet| match packet {
        Packet::Feedback(feedback) => Some(feedback),
        _ => None,
    });
    said.map(|said| match said.message() {
        FeedbackMessage::PictureLoss => ("PLI".to_owned(), said.media),
        FeedbackMessage::FullIntra => {
            let (whose, number) = said.full_intra().next().unwrap();
            (format!("FIR {number}"), whose)
        }
        FeedbackMessage::Nack => {
            let lost: Vec<u16> = said.nacked().collect();
            (format!("NACK {lost:?}"), said.media)
        }
        FeedbackMessage::MaximumBitrate { bits_per_second } => {
            let whose = said.control[8..12].try_into().unwrap();
            (
                format!("REMB {bits_per_second}"),
                Ssrc(u32::from_be_bytes(whose)),
            )
        }
        FeedbackMessage::TransportWide(said_of) => (
            format!("TWCC {} of {}", said_of.base, said_of.count),
            said.media,
        ),
        other => panic!("{other:?}"),
    })
    .collect()
}

#[tokio::test]
async fn pictures_and_what_is_said_of_them_pass_as_they_are() {
    let folder = Folder::new();
    let pbx = Pbx::start(&folder, &["--relay"]);
    let mut alice = Phone::registered("alice", pbx.at("udp")).await;
    let mut bob = Phone::registered("bob", pbx.at("udp")).await;
    let [sound_a, mut eyes_a, sound_b, mut eyes_b] = std::array::from_fn(|_| Sockets::open());

    // The three codecs are offered; the answer has two, the third's parameters its own.
    let offer = described(&sound_a, &eyes_a, "96 97 98", FORMATS);
    let of_bob = "\
        a=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1;profile-level-id=42e034\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtcp-fb:* nack pli\r\n";
    let answer = described(&sound_b, &eyes_b, "98 96", of_bob);
    let ((call, told_alice), told_bob) =
        tokio::join!(alice.call("bob", &offer), bob.answer(|_| answer.clone()));
    for (told, numbers, wanted) in [
        (&told_bob, "96 97 98", FORMATS),
        (&told_alice, "98 96", of_bob),
    ] {
        let section = video(told);
        assert_eq!(section.protocol.as_str(), "RTP/AVPF");
        assert_eq!(section.formats.join(" "), numbers);
        assert_eq!(formats(section), lines(wanted));
        let own = [&eyes_a, &eyes_b].map(|eyes| eyes.ports()[0]);
        assert!(
            !own.contains(&section.port),
            "the way leads past the switchboard"
        );
    }
    eyes_a.point_at(video(&told_alice));
    eyes_b.point_at(video(&told_bob));

    // Pictures of each codec, each way.
    let of_alice = Ssrc(0x0a11_ce00);
    let of_bob = Ssrc(0x0b0b_0b0b);
    for (sequence, format) in [(1000, 96), (1001, 97), (1002, 98)] {
        for (from, to, ssrc) in [(&eyes_a, &eyes_b, of_alice), (&eyes_b, &eyes_a, of_bob)] {
            let sent = picture(format, sequence, ssrc);
            from.send_rtp(&sent);
            assert_eq!(next(&to.rtp).as_ref(), Some(&sent), "format {format}");
        }
    }

    // What each says of the other's pictures, each way.
    let wanted = [
        "PLI",
        "FIR 7",
        "NACK [1000, 1003, 1016]",
        "REMB 750000",
        "TWCC 65534 of 3",
        "PLI",
    ];
    for (from, to, sender, media) in [
        (&eyes_b, &eyes_a, of_bob, of_alice),
        (&eyes_a, &eyes_b, of_alice, of_bob),
    ] {
        for (sent, wanted) in feedback(sender, media).iter().zip(wanted) {
            from.send_rtcp(sent);
            let came = next(&to.rtcp).unwrap_or_else(|| panic!("no {wanted}"));
            assert_eq!(asked(&came), [(wanted.to_owned(), media)]);
            assert_eq!(&came, sent, "{wanted}");
        }
    }

    // And nothing else came to anybody.
    std::thread::sleep(std::time::Duration::from_millis(200));
    for line in [&sound_a, &sound_b, &eyes_a, &eyes_b] {
        let empty = [&line.rtp, &line.rtcp].map(is_empty);
        assert_eq!(empty, [true, true], "nobody sent that");
    }
    tokio::join!(alice.over(Some(call)), bob.over(None));
    pbx.process.quit();
}
