//! The ground floor against baresip: `sip-core`, `rtp-core` and `media-mix` joined by hand, without `signaling`.
//!
//! Sound goes both ways for each codec, in the clear and with SDES; keys go both ways; both ends hold and resume; both
//! ends hang up; and a caller must know our password.

use interop::{Baresip, BaresipOptions, Codec, Heard, Ports, Security, Transport, Ua, installed};
use media_mix::codec::{CodecOptions, Decoder, Encoder};
use media_mix::{Description, Registry, Tone};
use rtp_core::dtmf::{Digit, DtmfConfig, DtmfOut, DtmfReceiver, DtmfSender};
use rtp_core::jitter::{JitterBuffer, JitterConfig, Playout};
use rtp_core::negotiate::{
    AudioStream, Capabilities, Hold, Negotiation, Sdes, SdesPolicy, SentOffer,
};
use rtp_core::rtcp;
use rtp_core::transport::{
    Component, Config, Keys, MediaPath, OutFrame, PacketBuf, Path, Reason, Received, RtcpMode,
};
use sip_core::header::NameAddr;
use sip_core::{Body, CallId, EndKind, EndedBy, Event, Invite};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

const SOON: Duration = Duration::from_secs(10);
const OURS: f64 = 440.0;
const THEIRS: f64 = 1020.0;

fn random() -> rtp_core::Random {
    let mut file = std::fs::File::open("/dev/urandom").expect("randomness");
    Box::new(move |out| file.read_exact(out).expect("randomness"))
}

/// What the registry says of a codec, as the negotiator wants it.
fn offer(codec: &Description) -> rtp_core::negotiate::Codec {
    let offered = rtp_core::negotiate::Codec::new(codec.name, codec.clock_rate)
        .with_channels(codec.rtp_channels);
    if codec.fmtp.is_empty() {
        offered
    } else {
        offered.with_fmtp(codec.fmtp)
    }
}

/// A phone of ours with one call.
struct Phone {
    ua: Ua,
    call: Option<CallId>,
    negotiation: Negotiation,
    offer: Option<SentOffer>,
    media: Option<Media>,
    sockets: [UdpSocket; 2],
    _ports: Ports,
    over: Option<(EndedBy, EndKind)>,
}

/// What exists once a stream is agreed on.
struct Media {
    path: MediaPath,
    stream: AudioStream,
    encoder: Box<dyn Encoder>,
    decoder: Box<dyn Decoder>,
    jitter: JitterBuffer,
    tone: Tone,
    dtmf_out: DtmfSender,
    dtmf_in: DtmfReceiver,
    keys: String,
    next_tick: Instant,
    timestamp: u32,
    heard: Vec<i16>,
    frame: usize,
    channels: usize,
    rate: u32,
}

impl Phone {
    fn new(codec: Codec, security: Security) -> Self {
        let ports = Ports::take();
        let address = |n| SocketAddr::from((Ipv4Addr::LOCALHOST, ports.port(n)));
        let sockets = [0, 1].map(|n| {
            let socket = UdpSocket::bind(address(n)).expect("a free port");
            socket
                .set_nonblocking(true)
                .expect("a socket that does not block");
            socket
        });
        // All that we have, the wanted one first; baresip knows only that one.
        let registry = Registry::default();
        let mut offered: Vec<_> = registry.descriptions().map(offer).collect();
        offered.sort_by_key(|c| !c.name.eq_ignore_ascii_case(codec.name()));
        let mut capabilities = Capabilities::new(offered, address(0));
        capabilities.sdes = Sdes::new(match security {
            Security::Clear => SdesPolicy::Off,
            Security::Sdes => SdesPolicy::Require,
            Security::SdesOffered => SdesPolicy::Allow,
        });
        Self {
            ua: Ua::start(|_| {}),
            call: None,
            negotiation: Negotiation::new(7, capabilities, random()),
            offer: None,
            media: None,
            sockets,
            _ports: ports,
            over: None,
        }
    }

    fn dial(&mut self, uri: &str) {
        let offer = self.negotiation.offer().expect("an offer");
        let from = NameAddr::parse("<sip:room7@example.org>").expect("an address");
        let invite =
            Invite::new(uri.parse().expect("a URI"), from).body(Body::sdp(offer.to_bytes()));
        self.offer = Some(offer);
        self.call = Some(
            self.ua
                .endpoint()
                .invite(Instant::now(), invite)
                .expect("a call"),
        );
    }

    fn hold(&mut self, hold: Option<Hold>) {
        let offer = match hold {
            Some(hold) => self.negotiation.offer_hold(hold),
            None => self.negotiation.offer_resume(),
        }
        .expect("an offer");
        let (call, body) = (self.call.expect("a call"), Body::sdp(offer.to_bytes()));
        self.offer = Some(offer);
        self.ua
            .call(call)
            .reinvite(Instant::now(), body)
            .expect("a re-INVITE");
        self.run_until("the answer to the re-INVITE", |p| p.offer.is_none());
    }

    fn hang_up(&mut self) {
        let call = self.call.expect("a call");
        self.ua.call(call).hang_up(Instant::now()).expect("a BYE");
        self.run_until("the end of the call", |p| p.over.is_some());
    }

    fn media(&mut self) -> &mut Media {
        self.media.as_mut().expect("an agreed stream")
    }

    fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + SOON;
        while !done(self) {
            assert!(Instant::now() < end, "not within {SOON:?}: {what}");
            self.turn();
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.ua.turn();
        while let Some(event) = self.ua.next_event() {
            self.event(event);
        }
        if let Some(media) = &mut self.media {
            media.turn(&self.sockets);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Answered {
                body: Some(body), ..
            }
            | Event::ReinviteAnswered {
                answer: Some(body), ..
            } => {
                let offer = self.offer.take().expect("an offer of ours");
                self.negotiation
                    .answered(&offer, &body.bytes)
                    .expect("an answer to our offer");
                self.agreed();
            }
            Event::Offered {
                call,
                offer: Some(body),
                ..
            } => {
                let offer = self
                    .negotiation
                    .receive_offer(&body.bytes)
                    .expect("an offer");
                let answer = self.negotiation.answer(offer).expect("an answer");
                let body = Body::sdp(answer.to_bytes());
                self.ua
                    .call(call)
                    .accept(Instant::now(), body)
                    .expect("a 200");
                self.agreed();
            }
            Event::Ended { cause, .. } => self.over = Some((cause.by, cause.kind)),
            _ => {}
        }
    }

    fn agreed(&mut self) {
        let agreement = self.negotiation.agreement().expect("an agreement");
        let Some(stream) = agreement.audio().next().cloned() else {
            return;
        };
        let now = Instant::now();
        let media = self
            .media
            .get_or_insert_with(|| Media::new(now, stream.clone()));
        let direction = stream.direction;
        media
            .path
            .set_direction(now, direction.sends(), direction.receives());
        if let Some(remote) = stream.remote_rtp {
            media.path.set_remote(now, remote, stream.remote_rtcp);
        }
        media.stream = stream;
    }
}

impl Media {
    fn new(now: Instant, stream: AudioStream) -> Self {
        let registry = Registry::default();
        let agreed = &stream.send.codec;
        let codec = registry
            .find(&agreed.name, agreed.clock_rate, agreed.channels)
            .expect("the codec agreed on");
        let description = codec.description().clone();
        let options = CodecOptions::new().narrowed_by(agreed.fmtp.as_deref().unwrap_or_default());
        let epoch = rtcp::Epoch::new(now, SystemTime::now());
        let mut config = Config::new(stream.remote_rtp.expect("where to send"), epoch);
        config.remote_rtcp = stream.remote_rtcp;
        config.rtcp = if stream.rtcp_mux {
            RtcpMode::Mux
        } else {
            RtcpMode::Separate
        };
        config.rtcp_interval = Duration::from_secs(1);
        config.keys = stream.srtp.clone().map(|k| Keys {
            send: k.local,
            receive: k.remote,
        });
        for payload in stream.receive.iter().chain(&stream.receive_dtmf) {
            config
                .clock_rates
                .push((payload.payload_type, payload.codec.clock_rate));
        }
        Self {
            path: MediaPath::new(now, config, random()),
            encoder: codec.encoder(&options).expect("an encoder"),
            decoder: codec.decoder(&CodecOptions::new()).expect("a decoder"),
            jitter: JitterBuffer::new(JitterConfig::new(agreed.clock_rate)),
            tone: Tone::new(description.rate, OURS, -9.0),
            dtmf_out: DtmfSender::new(DtmfConfig::new(
                stream
                    .send_dtmf
                    .as_ref()
                    .map_or(8000, |p| p.codec.clock_rate),
            )),
            dtmf_in: DtmfReceiver::new(),
            keys: String::new(),
            next_tick: now,
            timestamp: 0,
            heard: Vec::new(),
            frame: description.frame_samples(20),
            channels: usize::from(description.channels),
            rate: description.rate.hz(),
            stream,
        }
    }

    fn turn(&mut self, sockets: &[UdpSocket; 2]) {
        let now = Instant::now();
        let mut bytes = [0; 2048];
        for (socket, component) in sockets.iter().zip([Component::Rtp, Component::Rtcp]) {
            while let Ok((n, from)) = socket.recv_from(&mut bytes) {
                match self
                    .path
                    .receive(now, Path { component, from }, &mut bytes[..n])
                {
                    Received::Rtp(rtp) => {
                        if self
                            .stream
                            .receive_dtmf
                            .iter()
                            .any(|p| p.payload_type == rtp.payload_type)
                        {
                            self.dtmf_in.receive(now, rtp, self.dtmf_clock());
                            self.jitter.skip(now, rtp);
                        } else {
                            self.jitter.push(now, rtp);
                        }
                    }
                    // On an SDES call too baresip sends some of its RTCP in the clear: an APP `PING` before the first
                    // packet, the BYE after the last.
                    Received::Dropped(why) => assert!(
                        component == Component::Rtcp || why == Reason::Held,
                        "RTP: {why:?}"
                    ),
                    _ => {}
                }
            }
        }
        self.dtmf_in.handle_timeout(now);
        while let Some(press) = self.dtmf_in.poll() {
            self.keys.push(press.digit.to_char());
        }
        self.path.handle_timeout(now);
        let mut packet = PacketBuf::new();
        while let Some(to) = self.path.poll_transmit(&mut packet) {
            send(sockets, to, &packet);
        }
        while self.path.poll_event().is_some() {}
        while self.next_tick <= now {
            self.next_tick += Duration::from_millis(20);
            self.tick(now, sockets);
        }
    }

    fn tick(&mut self, now: Instant, sockets: &[UdpSocket; 2]) {
        let clock = self.stream.send.codec.clock_rate / 50;
        let (mut pcm, mut payload, mut packet) = (vec![0; self.frame], [0; 1400], PacketBuf::new());
        let mono = &mut pcm[..self.frame / self.channels];
        self.tone.fill(mono);
        // Events may count more slowly than the stream (8000 Hz beside Opus): their durations do, timestamps do not.
        let per_event = self.stream.send.codec.clock_rate / self.dtmf_clock();
        let frame = match (
            self.dtmf_out.poll(self.timestamp / per_event),
            &self.stream.send_dtmf,
        ) {
            (DtmfOut::Event(event), Some(dtmf)) => {
                payload[..4].copy_from_slice(&event.payload);
                Some((
                    dtmf.payload_type,
                    event.marker,
                    event.timestamp * per_event,
                    4,
                ))
            }
            (DtmfOut::Silence, _) => None,
            _ => {
                for i in (0..self.frame).rev() {
                    pcm[i] = pcm[i / self.channels];
                }
                let n = self
                    .encoder
                    .encode(&pcm, &mut payload)
                    .expect("an encoded frame");
                Some((self.stream.send.payload_type, false, self.timestamp, n))
            }
        };
        if let Some((payload_type, marker, timestamp, n)) = frame {
            let frame = OutFrame {
                payload_type,
                marker,
                timestamp,
                payload: &payload[..n],
            };
            // On hold it refuses, and that is what the test wants to see from outside.
            if let Ok(to) = self.path.send(now, frame, &mut packet) {
                send(sockets, to, &packet);
            }
        }
        self.timestamp = self.timestamp.wrapping_add(clock);

        let mut payload = [0; 1500];
        let mut out = vec![0; self.frame];
        match self.jitter.pull(now, &mut payload) {
            Playout::Frame(frame) => {
                let mut out = vec![0; 6 * self.frame];
                let n = self
                    .decoder
                    .decode(&payload[..frame.len], &mut out)
                    .expect("a decoded frame");
                self.heard.extend(out[..n].iter().step_by(self.channels));
                return;
            }
            Playout::Empty => out.fill(0),
            _ => self.decoder.conceal(&mut out),
        }
        self.heard.extend(out.iter().step_by(self.channels));
    }

    fn dtmf_clock(&self) -> u32 {
        self.stream
            .send_dtmf
            .as_ref()
            .map_or(8000, |p| p.codec.clock_rate)
    }

    fn heard(&self) -> Heard {
        Heard::new(self.rate, self.heard.clone())
    }
}

fn send(sockets: &[UdpSocket; 2], to: rtp_core::transport::Transmit, packet: &PacketBuf) {
    let socket = match to.component {
        Component::Rtp => &sockets[0],
        Component::Rtcp => &sockets[1],
    };
    socket.send_to(packet, to.to).expect("a packet sent");
}

/// Packets that baresip receives and sends while our side runs for half a second.
fn flow(phone: &mut Phone, baresip: &mut Baresip) -> (u64, u64) {
    let before = baresip.packets();
    phone.run_for(Duration::from_millis(500));
    let after = baresip.packets();
    (after.received - before.received, after.sent - before.sent)
}

fn flows((received, sent): (u64, u64)) -> bool {
    (20..=32).contains(&received) && (20..=32).contains(&sent)
}

fn call(codec: Codec, security: Security, transport: Transport, we_hang_up: bool) {
    if !installed(&["baresip"]) {
        return;
    }
    let mut options = BaresipOptions::new(codec);
    options.security = security;
    options.hz = THEIRS;
    let mut baresip = Baresip::start(&options);
    let mut phone = Phone::new(codec, security);
    phone.dial(&baresip.uri(transport));
    phone.run_until("a stream", |p| p.media.is_some());
    phone.run_for(Duration::from_millis(3000));

    assert!(
        phone
            .media()
            .stream
            .send
            .codec
            .name
            .eq_ignore_ascii_case(codec.name())
    );
    // Sound both ways. What baresip heard is in its recording, which ends with the hold below.
    let secured = phone.media().stream.srtp.is_some();
    assert_eq!(secured, security != Security::Clear);
    let heard = phone.media().heard();
    assert!(
        heard.seconds_of(THEIRS) >= 2.3,
        "we heard {THEIRS} Hz for {} of {} s",
        heard.seconds_of(THEIRS),
        heard.seconds()
    );
    let recorded = baresip.heard();
    assert!(
        recorded.seconds_of(OURS) >= 2.0,
        "baresip heard {OURS} Hz for {} of {} s",
        recorded.seconds_of(OURS),
        recorded.seconds()
    );

    // Keys both ways, each once.
    phone.media().dtmf_out.queue("12#").expect("keys");
    baresip.control.command("sndcode", "4");
    phone.run_for(Duration::from_millis(400));
    baresip.control.command("sndcode", "2");
    phone.run_for(Duration::from_millis(900));
    let pressed = baresip.control.params_of("CALL_DTMF_START");
    assert_eq!(pressed, ["1", "2", "#"].map(String::from));
    assert_eq!(phone.media().keys, "42");
    assert_eq!(
        phone
            .media()
            .keys
            .chars()
            .filter_map(Digit::from_char)
            .count(),
        2
    );

    // We hold, three ways; then baresip does.
    assert!(flows(flow(&mut phone, &mut baresip)), "before the hold");
    for hold in [Hold::SendOnly, Hold::Inactive, Hold::PortZero] {
        phone.hold(Some(hold));
        phone.run_for(Duration::from_millis(200));
        let (received, sent) = flow(&mut phone, &mut baresip);
        assert_eq!(sent, 0, "baresip sends while held by {hold:?}");
        assert_eq!(
            received > 0,
            hold == Hold::SendOnly,
            "{received} packets to baresip while held by {hold:?}"
        );
        phone.hold(None);
        phone.run_for(Duration::from_millis(300));
        let resumed = flow(&mut phone, &mut baresip);
        assert!(flows(resumed), "after {hold:?}: {resumed:?}");
    }
    baresip.control.command("hold", "");
    phone.run_for(Duration::from_millis(300));
    assert_eq!(
        flow(&mut phone, &mut baresip),
        (0, 0),
        "while baresip holds"
    );
    baresip.control.command("resume", "");
    phone.run_for(Duration::from_millis(600));
    assert!(
        flows(flow(&mut phone, &mut baresip)),
        "after baresip's resume"
    );
    let now = phone.media().heard();
    let last = now.part(now.seconds() - 0.5, now.seconds());
    assert!(
        last.seconds_of(THEIRS) >= 0.3,
        "we hear baresip again: {}",
        last.seconds_of(THEIRS)
    );

    if we_hang_up {
        phone.hang_up();
        assert_eq!(phone.over, Some((EndedBy::Local, EndKind::HungUp)));
        baresip.control.wait_for("CALL_CLOSED", SOON);
    } else {
        baresip.control.command("hangup", "");
        phone.run_until("baresip's BYE", |p| p.over.is_some());
        assert_eq!(phone.over, Some((EndedBy::Remote, EndKind::HungUp)));
    }
}

#[test]
fn pcmu_clear() {
    call(Codec::Pcmu, Security::Clear, Transport::Udp, true);
}

#[test]
fn pcma_clear() {
    call(Codec::Pcma, Security::Clear, Transport::Udp, false);
}

#[test]
fn g722_clear() {
    call(Codec::G722, Security::Clear, Transport::Udp, true);
}

#[test]
fn opus_clear() {
    call(Codec::Opus, Security::Clear, Transport::Udp, false);
}

#[test]
fn pcmu_sdes() {
    call(Codec::Pcmu, Security::Sdes, Transport::Udp, false);
}

#[test]
fn pcma_sdes_offered() {
    call(Codec::Pcma, Security::SdesOffered, Transport::Udp, true);
}

#[test]
fn g722_sdes() {
    call(Codec::G722, Security::Sdes, Transport::Udp, false);
}

#[test]
fn opus_sdes_over_tcp() {
    call(Codec::Opus, Security::Sdes, Transport::Tcp, true);
}
