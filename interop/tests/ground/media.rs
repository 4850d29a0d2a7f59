//! What a phone has once a stream is agreed on.

use super::{OURS, random};
use interop::Heard;
use media_mix::codec::{CodecOptions, Decoder, Encoder};
use media_mix::{Registry, Tone};
use rtp_core::dtmf::{DtmfConfig, DtmfOut, DtmfReceiver, DtmfSender};
use rtp_core::jitter::{JitterBuffer, JitterConfig, Playout};
use rtp_core::negotiate::AudioStream;
use rtp_core::rtcp;
use rtp_core::srtp::SrtpError;
use rtp_core::transport::{
    Component, Config, Keys, MediaPath, OutFrame, PacketBuf, Path, Protocol, Reason, Received,
    RtcpMode,
};
use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime};

/// What exists once a stream is agreed on.
pub(crate) struct Media {
    pub(crate) path: MediaPath,
    pub(crate) stream: AudioStream,
    encoder: Box<dyn Encoder>,
    decoder: Box<dyn Decoder>,
    jitter: JitterBuffer,
    tone: Tone,
    pub(crate) dtmf_out: DtmfSender,
    dtmf_in: DtmfReceiver,
    pub(crate) keys: String,
    next_tick: Instant,
    timestamp: u32,
    heard: Vec<i16>,
    frame: usize,
    channels: usize,
    rate: u32,
}

impl Media {
    pub(super) fn new(now: Instant, stream: AudioStream) -> Self {
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
        config.keys = keys(&stream);
        for payload in stream.receive.iter().chain(&stream.receive_dtmf) {
            config
                .clock_rates
                .push((payload.payload_type, payload.codec.clock_rate));
        }
        let mut path = MediaPath::new(now, config, random());
        let direction = stream.direction;
        path.set_direction(now, direction.sends(), direction.receives());
        Self {
            path,
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

    /// What a later exchange changed. The stream goes on: SSRC, sequence numbers, timestamps.
    pub(super) fn change(&mut self, now: Instant, stream: AudioStream) {
        let direction = stream.direction;
        self.path
            .set_direction(now, direction.sends(), direction.receives());
        if let Some(remote) = stream.remote_rtp {
            self.path.set_remote(now, remote, stream.remote_rtcp);
        }
        self.path.set_keys(now, keys(&stream));
        for payload in stream.receive.iter().chain(&stream.receive_dtmf) {
            self.path
                .set_clock_rate(payload.payload_type, payload.codec.clock_rate);
        }
        self.stream = stream;
    }

    pub(super) fn turn(&mut self, sockets: &[UdpSocket; 2]) {
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
                    // packet, the BYE after the last. Linphone asks by STUN what its own address is, and sends the end
                    // of an event three times as one packet.
                    Received::Dropped(why) => assert!(
                        component == Component::Rtcp
                            || matches!(
                                why,
                                Reason::Held
                                    | Reason::NotMedia(Protocol::Stun)
                                    | Reason::Srtp(SrtpError::Replayed)
                            ),
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
            // Longer or shorter is not needed here: the other clock is the same.
            Playout::Frame(frame)
            | Playout::Stretch { frame, .. }
            | Playout::Shrink { frame, .. } => {
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

    pub(crate) fn heard(&self) -> Heard {
        Heard::new(self.rate, self.heard.clone())
    }
}

fn keys(stream: &AudioStream) -> Option<Keys> {
    let keys = stream.srtp.clone()?;
    Some(Keys {
        send: keys.local,
        receive: keys.remote,
    })
}

fn send(sockets: &[UdpSocket; 2], to: rtp_core::transport::Transmit, packet: &PacketBuf) {
    let socket = match to.component {
        Component::Rtp => &sockets[0],
        Component::Rtcp => &sockets[1],
    };
    socket.send_to(packet, to.to).expect("a packet sent");
}
