//! A room that mixes its loudest talkers alone does not decode the others, where packets say how loud they are (RFC 6464).
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used)]

mod world;

use media_mix::codec::{Codec, CodecOptions, Decoder, Description, Encoder, Registry};
use media_mix::{CodecError, MixerConfig, Rate};
use rtp_core::negotiate::{AudioStream, Negotiation};
use rtp_core::rtcp;
use rtp_core::rtp::{ExtensionWriter, RtpHeader, Ssrc};
use rtp_core::transport::{Component, Path};
use signaling::call::{capabilities, with_levels};
use signaling::engine::{LegConfig, Room, Voice, Who};
use signaling::session::{Join, Session, SessionOptions};
use signaling::{CallId, Secure};
use sip_core::header::NameAddr;
use sip_core::{Config, Endpoint, Epoch, Invite, Local, Transport};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};
use token::Role;
use world::{TICK, heard, random};

/// A codec that counts what it decodes.
struct Counting(Arc<dyn Codec>, Arc<AtomicUsize>);

impl Codec for Counting {
    fn description(&self) -> &Description {
        self.0.description()
    }

    fn decoder(&self, options: &CodecOptions) -> Result<Box<dyn Decoder>, CodecError> {
        let decoder = self.0.decoder(options)?;
        Ok(Box::new(Counted(decoder, self.1.clone())))
    }

    fn encoder(&self, options: &CodecOptions) -> Result<Box<dyn Encoder>, CodecError> {
        self.0.encoder(options)
    }
}

struct Counted(Box<dyn Decoder>, Arc<AtomicUsize>);

impl Decoder for Counted {
    fn samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        self.0.samples(payload)
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.decode(payload, out)
    }

    fn conceal(&mut self, out: &mut [i16]) {
        self.0.conceal(out);
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

/// A phone that speaks a tone in PCMU and says how loud it is.
struct Talker {
    call: CallId,
    from: SocketAddr,
    hz: f64,
    /// In -dBov.
    level: u8,
    decodes: Arc<AtomicUsize>,
    says: bool,
    sent: u32,
}

impl Talker {
    fn packet(&mut self, frame_ms: u32) -> Vec<u8> {
        let mut extension = [0; 4];
        let mut writer = ExtensionWriter::new(&mut extension);
        writer.push(5, &[0x80 | self.level]).unwrap();
        let header = RtpHeader {
            marker: false,
            payload_type: 0,
            sequence: self.sent as u16,
            timestamp: self.sent * 8 * frame_ms,
            ssrc: Ssrc(u32::from(self.from.port())),
            csrcs: &[],
            extension: writer.finish().filter(|_| self.says),
        };
        let peak = 32_767.0 * 10_f64.powf(-f64::from(self.level) / 20.0) * std::f64::consts::SQRT_2;
        let start = u64::from(self.sent * 8 * frame_ms);
        let tone = (0..u64::from(8 * frame_ms)).map(|n| {
            let turn = (start + n) as f64 * self.hz / 8000.0 * std::f64::consts::TAU;
            (peak * turn.sin()) as i16
        });
        let pcm: Vec<i16> = tone.collect();
        let registry = only_pcmu();
        let codec = registry.iter().next().unwrap();
        let mut encoder = codec.encoder(&CodecOptions::new()).unwrap();
        let mut payload = vec![0; encoder.max_payload(pcm.len())];
        let mut length = 0;
        for frame in pcm.chunks(80) {
            length += encoder.encode(frame, &mut payload[length..]).unwrap();
        }
        let mut packet = vec![0; 1500];
        let size = header
            .write_packet(&payload[..length], &mut packet)
            .unwrap();
        packet.truncate(size);
        self.sent += 1;
        packet
    }
}

fn only_pcmu() -> Registry {
    let mut registry = Registry::default();
    assert!(registry.prefer(&["PCMU"]).is_empty());
    registry
}

fn agreed(registry: &Registry, rtp: SocketAddr, offers: bool) -> AudioStream {
    let can = capabilities(registry, rtp.into(), Secure::Off, &[], None);
    let mut ours = Negotiation::new(1, with_levels(can), random(3).boxed());
    let extension = match offers {
        true => "a=extmap:5 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n",
        false => "",
    };
    let offer = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
         m=audio {} RTP/AVP 0\r\n{extension}",
        rtp.port()
    );
    let offer = ours.receive_offer(offer).unwrap();
    let answer = String::from_utf8(ours.answer(offer).unwrap().to_bytes().to_vec()).unwrap();
    assert_eq!(answer.contains("a=extmap:5 urn:"), offers, "{answer}");
    let stream = ours.agreement().unwrap().audio().next().cloned();
    stream.unwrap()
}

/// Five talkers, of whom two are mixed; ten seconds.
fn decodes(frame_ms: u32, says: bool, max_talkers: Option<usize>) -> (Vec<usize>, Vec<u64>, f64) {
    let mut now = Instant::now();
    let wall = SystemTime::UNIX_EPOCH;
    let here = SocketAddr::from(([127, 0, 0, 1], 5060));
    let config = Config::new(Local::new(Transport::Udp, here));
    let epoch = Epoch { instant: now, wall };
    let mut endpoint = Endpoint::new(config, epoch, random(1).boxed());
    let mut config = MixerConfig::default();
    config.max_talkers = max_talkers;
    let mut room = Room::new(config);
    let mut session = Session::new("s", SessionOptions::default());
    let ear = session.join(now, Join::new(Role::Subscriber)).unwrap();
    room.add_participant(ear, Voice::silent(), true).unwrap();
    let mut hears = room.listen(Who::Participant(ear), Rate::Khz48).unwrap();
    let mut talkers = Vec::new();
    for (n, (hz, level)) in [
        (440.0, 15),
        (1020.0, 18),
        (700.0, 30),
        (900.0, 35),
        (1500.0, 70),
    ]
    .into_iter()
    .enumerate()
    {
        let name = NameAddr::new(&"sip:desk@example.org".parse().unwrap());
        let invite = Invite::new("sip:x@127.0.0.2".parse().unwrap(), name);
        let call = endpoint.invite(now, invite).unwrap();
        let decodes = Arc::new(AtomicUsize::new(0));
        let mut registry = only_pcmu();
        let inner = registry.iter().next().unwrap().clone();
        registry.register(Arc::new(Counting(inner, decodes.clone())));
        let from = SocketAddr::from(([127, 0, 0, 2], 4000 + 2 * n as u16));
        let stream = agreed(&registry, from, says);
        let leg = LegConfig::new(registry, random(2), rtcp::Epoch::new(now, wall));
        room.add_call(call, leg, true).unwrap();
        room.update_call(now, call, Some(&stream)).unwrap();
        talkers.push(Talker {
            call,
            from,
            hz,
            level,
            decodes,
            says,
            sent: 0,
        });
    }
    for tick in 0..500 {
        now += TICK;
        for talker in &mut talkers {
            let due = match frame_ms {
                10 => 2,
                20 => 1,
                // In the last of its three ticks.
                _ => u32::from(tick % 3 == 2),
            };
            for _ in 0..due {
                let mut packet = talker.packet(frame_ms);
                let path = Path {
                    component: Component::Rtp,
                    from: talker.from,
                };
                room.receive(now, talker.call, path, &mut packet);
            }
        }
        room.tick(now);
    }
    let (share, _) = heard(&mut hears, 440.0);
    let left_out = talkers.iter().map(|talker| {
        let report = room.call_report(talker.call).unwrap();
        report.left_out
    });
    let left_out = left_out.collect();
    let decodes = talkers.iter().map(|t| t.decodes.load(Ordering::Relaxed));
    (decodes.collect(), left_out, share)
}

#[test]
fn only_the_loudest_are_decoded_where_packets_say_how_loud_they_are() {
    for (frame_ms, frames) in [(10, 1000_usize), (20, 500), (60, 166)] {
        let (decodes, left_out, share) = decodes(frame_ms, true, Some(2));
        let few = frames / 10;
        for loud in 0..2 {
            assert!(
                decodes[loud] + 20 > frames && left_out[loud] < 10,
                "{frame_ms} ms: {decodes:?} {left_out:?}"
            );
        }
        for quiet in 2..5 {
            assert!(
                decodes[quiet] < few && left_out[quiet] as usize + few > frames,
                "{frame_ms} ms: {decodes:?} {left_out:?}"
            );
        }
        // Of the two that are mixed the louder one has two thirds of the power, and nothing of the others is there.
        assert!((0.62..0.71).contains(&share), "{frame_ms} ms: {share}");
    }
}

#[test]
fn all_are_decoded_where_nothing_is_said_or_everybody_is_mixed() {
    for (says, max_talkers) in [(false, Some(2)), (true, None)] {
        let (decodes, left_out, _) = decodes(20, says, max_talkers);
        assert!(
            decodes.iter().all(|frames| frames + 20 > 500),
            "{decodes:?}"
        );
        assert_eq!(left_out, [0; 5]);
    }
}
