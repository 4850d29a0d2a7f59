//! Calls whose packets go through coturn, over UDP, TCP and TLS: addresses that it relays are ICE candidates, and SRTP with
//! a tone crosses it both ways.

mod house;

use house::House;
use interop::{Coturn, Heard, installed};
use media_mix::codec::{CodecOptions, Decoder, Encoder};
use media_mix::{Rate, Registry, Tone};
use rtp_core::ice::{self, Agent};
use rtp_core::jitter::{JitterBuffer, JitterConfig, Playout};
use rtp_core::rtcp::Epoch;
use rtp_core::srtp::{MasterKey, Suite};
use rtp_core::transport::{
    Keys, MediaPath, OutFrame, PacketBuf, Path, Protocol, Received, RtcpMode,
};
use rtp_core::turn::{self, Client, Event, Failure, Framer, Sent, Transport};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use signaling::session::Join;
use signaling::{Ice, Secure};
use sip_core::Uninvited;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use token::Role;

const SOON: Duration = Duration::from_secs(10);

fn random() -> rtp_core::Random {
    let mut file = std::fs::File::open("/dev/urandom").expect("randomness");
    Box::new(move |out| file.read_exact(out).expect("randomness"))
}

/// The way to the server.
enum Line {
    Udp(UdpSocket),
    Tcp(TcpStream, Framer),
    Tls(TcpStream, Box<ClientConnection>, Framer),
}

/// What `read` gives while there is something.
fn read(from: &mut dyn Read, framer: &mut Framer) {
    let mut bytes = [0; 4096];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return,
            Ok(n) => framer.push(&bytes[..n]).expect("a stream of TURN"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}

fn write(to: &mut TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Line {
    fn open(server: &Coturn, transport: Transport) -> Line {
        let at = server.address(transport == Transport::Tls);
        if transport == Transport::Udp {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket
                .set_nonblocking(true)
                .expect("one that does not block");
            socket.connect(at).expect("a server");
            return Line::Udp(socket);
        }
        let stream = TcpStream::connect(at).expect("a server");
        stream.set_nodelay(true).expect("a stream");
        stream
            .set_nonblocking(true)
            .expect("one that does not block");
        if transport == Transport::Tcp {
            return Line::Tcp(stream, Framer::new());
        }
        let mut roots = RootCertStore::empty();
        roots.add(server.certificate()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::new(config), name).expect("TLS");
        Line::Tls(stream, Box::new(tls), Framer::new())
    }

    fn send(&mut self, bytes: &[u8]) {
        match self {
            Line::Udp(socket) => drop(socket.send(bytes).expect("sent")),
            Line::Tcp(stream, _) => write(stream, bytes),
            Line::Tls(_, tls, _) => tls.writer().write_all(bytes).expect("room"),
        }
    }

    /// The next message from the server.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let framer = match self {
            Line::Udp(socket) => {
                let mut bytes = [0; 2048];
                return socket.recv(&mut bytes).ok().map(|n| bytes[..n].to_vec());
            }
            Line::Tcp(stream, framer) => {
                read(stream, framer);
                framer
            }
            Line::Tls(stream, tls, framer) => {
                while let Ok(1..) = tls.read_tls(stream) {
                    tls.process_new_packets().expect("TLS that fits");
                    read(&mut tls.reader(), framer);
                }
                while tls.wants_write() && tls.write_tls(stream).is_ok() {}
                framer
            }
        };
        framer.next_message().expect("TURN").map(<[u8]>::to_vec)
    }
}

/// One end of a call. Its host address is not told, so that nothing goes but through the server.
struct End {
    client: Client,
    line: Line,
    agent: Agent,
    path: Option<MediaPath>,
    keys: Option<Keys>,
    jitter: JitterBuffer,
    encoder: Box<dyn Encoder>,
    decoder: Box<dyn Decoder>,
    tone: Tone,
    ticks: u32,
    heard: Vec<i16>,
    relayed: Option<SocketAddr>,
}

impl End {
    fn new(now: Instant, server: &Coturn, transport: Transport, hz: f64, keys: Keys) -> End {
        let config = turn::Config::new(transport, Coturn::USER, Coturn::PASSWORD);
        let registry = Registry::default();
        let codec = registry.find("PCMU", 8000, 1).expect("PCMU");
        let options = CodecOptions::new();
        End {
            client: Client::new(now, config).expect("a name"),
            line: Line::open(server, transport),
            agent: Agent::new(now, ice::Config::default(), random()),
            path: None,
            keys: Some(keys),
            jitter: JitterBuffer::new(JitterConfig::new(8000)),
            encoder: codec.encoder(&options).expect("an encoder"),
            decoder: codec.decoder(&options).expect("a decoder"),
            tone: Tone::new(Rate::Khz8, hz, -9.0),
            ticks: 0,
            heard: Vec::new(),
            relayed: None,
        }
    }

    /// Sends a datagram from the relayed address.
    fn send(&mut self, now: Instant, to: SocketAddr, bytes: &[u8]) {
        let mut out = PacketBuf::new();
        if self.client.send(now, to, bytes, &mut out) == Ok(Sent::Now) {
            self.line.send(&out);
        }
    }

    fn turn(&mut self, now: Instant) {
        self.client.handle_timeout(now);
        while let Some(bytes) = self.line.receive() {
            let turn::Received::Data { peer, payload } = self.client.receive(now, &bytes) else {
                continue;
            };
            let local = self.relayed.expect("data after an address");
            if Protocol::of(payload[0]) == Protocol::Stun {
                self.agent.receive(now, local, peer, payload);
            } else if let Some(path) = &mut self.path {
                let mut packet = payload.to_vec();
                if let Received::Rtp(rtp) = path.receive(now, Path::rtp(peer), &mut packet) {
                    self.jitter.push(now, rtp);
                }
            }
        }
        while let Some(event) = self.client.poll_event() {
            let Event::Allocated { relayed, .. } = event else {
                panic!("{event:?}")
            };
            self.relayed = Some(relayed);
            self.agent.add_relayed(now, relayed).expect("a candidate");
            self.agent.finish_gathering(now);
        }
        self.agent.handle_timeout(now);
        while let Some(transmit) = self.agent.poll_transmit() {
            self.send(now, transmit.to, &transmit.bytes);
        }
        while let Some(event) = self.agent.poll_event() {
            if let ice::Event::Selected(pair) = event {
                self.client.bind(now, pair.remote).expect("a channel");
                let mut config = rtp_core::transport::Config::new(
                    pair.remote,
                    Epoch::new(now, SystemTime::now()),
                );
                config.rtcp = RtcpMode::Mux;
                config.keys = self.keys.take();
                if config.keys.is_some() {
                    self.path = Some(MediaPath::new(now, config, random()));
                }
            }
        }
        while let Some(bytes) = self.client.poll_transmit() {
            self.line.send(&bytes);
        }
    }

    /// 20 ms of sound out, and as much in.
    fn tick(&mut self, now: Instant) {
        let Some(path) = &mut self.path else { return };
        let (mut pcm, mut payload, mut packet) = ([0; 160], [0; 1500], PacketBuf::new());
        self.tone.fill(&mut pcm);
        let n = self.encoder.encode(&pcm, &mut payload).expect("a frame");
        let frame = OutFrame {
            payload_type: 0,
            marker: self.ticks == 0,
            timestamp: self.ticks * 160,
            payload: &payload[..n],
        };
        let to = path.send(now, frame, &mut packet).expect("a packet").to;
        self.ticks += 1;
        match self.jitter.pull(now, &mut payload) {
            Playout::Frame(frame)
            | Playout::Stretch { frame, .. }
            | Playout::Shrink { frame, .. } => {
                let n = self.decoder.decode(&payload[..frame.len], &mut pcm);
                self.heard.extend(&pcm[..n.expect("a frame")]);
            }
            _ => self.heard.extend([0; 160]),
        }
        self.send(now, to, &packet);
    }
}

/// Both ends until `done`.
fn run(ends: &mut [End; 2], limit: Duration, done: impl Fn(&[End; 2]) -> bool) -> bool {
    let (start, mut ticks) = (Instant::now(), 0);
    loop {
        let now = Instant::now();
        ends.iter_mut().for_each(|end| end.turn(now));
        if done(ends) {
            return true;
        }
        if now - start >= limit {
            return false;
        }
        while now - start >= Duration::from_millis(20) * ticks {
            ends.iter_mut().for_each(|end| end.tick(now));
            ticks += 1;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn call(server: &Coturn, transports: [Transport; 2]) {
    let now = Instant::now();
    let suite = Suite::AesCm128HmacSha1_80;
    let [a, b] = [0, 1].map(|_| MasterKey::generate(suite, &mut *random()));
    let keys = |send: &MasterKey, receive: &MasterKey| Keys {
        send: send.clone(),
        receive: receive.clone(),
    };
    let mut ends = [
        End::new(now, server, transports[0], 440.0, keys(&a, &b)),
        End::new(now, server, transports[1], 1020.0, keys(&b, &a)),
    ];
    let gathered = |ends: &[End; 2]| ends.iter().all(|end| end.agent.is_gathered());
    assert!(
        run(&mut ends, SOON, gathered),
        "{transports:?}: no addresses"
    );
    let [offer, answer] = ends.each_ref().map(|end| end.agent.description());
    for description in [&offer, &answer] {
        let kinds: Vec<_> = description
            .candidates
            .iter()
            .map(|c| c.kind.as_str())
            .collect();
        assert_eq!(kinds, ["relay"]);
    }
    let now = Instant::now();
    ends[1]
        .agent
        .set_remote(now, &offer, ice::Role::Controlled)
        .expect("an offer");
    ends[0]
        .agent
        .set_remote(now, &answer, ice::Role::Controlling)
        .expect("an answer");
    let connected = |ends: &[End; 2]| ends.iter().all(|end| end.path.is_some());
    assert!(run(&mut ends, SOON, connected), "{transports:?}: no way");
    run(&mut ends, Duration::from_millis(1500), |_| false);
    for (end, hz) in ends.iter().zip([1020.0, 440.0]) {
        let heard = Heard::new(8000, end.heard.clone());
        let seconds = heard.seconds_of(hz);
        assert!(
            seconds >= 1.0,
            "{transports:?}: {hz} Hz for {seconds} s of {}",
            heard.seconds()
        );
        let stats = end.path.as_ref().expect("a path").stats();
        assert_eq!(
            (stats.packets_lost, stats.dropped.total()),
            (0, 0),
            "{transports:?}"
        );
    }
    // Both give their addresses back.
    let now = Instant::now();
    for end in &mut ends {
        end.client.close(now);
    }
    let over = |ends: &[End; 2]| ends.iter().all(|end| end.client.is_over());
    for end in &mut ends {
        end.path = None;
    }
    assert!(
        run(&mut ends, SOON, over),
        "{transports:?}: addresses that are not given back"
    );
}

#[test]
fn a_tone_crosses_a_relay_over_udp_tcp_and_tls() {
    if !installed(&["turnserver"]) {
        return;
    }
    let server = Coturn::start();
    std::thread::scope(|scope| {
        for transports in [
            [Transport::Udp, Transport::Udp],
            [Transport::Tcp, Transport::Udp],
            [Transport::Tls, Transport::Tcp],
            [Transport::Tls, Transport::Tls],
        ] {
            let server = &server;
            scope.spawn(move || call(server, transports));
        }
    });
}

#[test]
fn a_wrong_password_gets_no_address() {
    if !installed(&["turnserver"]) {
        return;
    }
    let server = Coturn::start();
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let config = turn::Config::new(transport, Coturn::USER, "guess");
        let mut client = Client::new(Instant::now(), config).expect("a name");
        let mut line = Line::open(&server, transport);
        let start = Instant::now();
        let event = loop {
            while let Some(bytes) = client.poll_transmit() {
                line.send(&bytes);
            }
            while let Some(bytes) = line.receive() {
                let _ = client.receive(Instant::now(), &bytes);
            }
            client.handle_timeout(Instant::now());
            if let Some(event) = client.poll_event() {
                break event;
            }
            assert!(start.elapsed() < SOON, "{transport:?}");
            std::thread::sleep(Duration::from_millis(2));
        };
        assert_eq!(event, Event::Failed(Failure::Refused(401)), "{transport:?}");
    }
}

/// A gateway whose sound goes through the server alone.
fn house(server: &Coturn) -> House {
    House::with(|config| {
        let at = server.address(false);
        let server = signaling::net::TurnServer::new(at, Coturn::USER, Coturn::PASSWORD);
        config.servers.turn = vec![server];
        config.servers.relay_only = true;
        config.servers.reserve = 1;
        config.uninvited = Uninvited::Accept;
    })
}

#[test]
fn two_gateways_whose_sound_goes_through_relays_alone() {
    if !installed(&["turnserver"]) {
        return;
    }
    let server = Coturn::start();
    let mut houses = [house(&server), house(&server)];
    let uri = format!("sip:room@{}", houses[1].gateway.sip_addr());
    let call = houses[0].dial(&uri, |request| {
        request.secure = Secure::Dtls;
        request.ice = Ice::Require;
    });
    let [ours, theirs] = &mut houses;
    let answered = theirs.wait_for("the call", |event| match event {
        signaling::net::Event::Incoming { call, .. } => Some(*call),
        _ => None,
    });
    let session = theirs.session;
    let join = Join::new(Role::Publisher);
    theirs
        .gateway
        .answer(answered, session, join)
        .expect("a session");
    // Each hears the other's talkers: the one who says the first tone hears it from the other side alone.
    let end = Instant::now() + SOON;
    loop {
        for _ in 0..15 {
            ours.turn();
            theirs.turn();
        }
        let heard = |house: &mut House| {
            let [ear, _] = std::mem::take(&mut house.heard);
            Heard::new(16_000, ear).level_db(house::TALKERS[0])
        };
        let (here, there) = (heard(ours), heard(theirs));
        if here > -30.0 && there > -30.0 {
            break;
        }
        assert!(
            Instant::now() < end,
            "{here} dB and {there} dB; {:?}",
            ours.events
        );
    }
    for (house, call) in [(&houses[0], call), (&houses[1], answered)] {
        let info = house.gateway.call(call).expect("a call");
        let pair = info.pair.expect("a way");
        assert!(
            server.relays(pair.local) && server.relays(pair.remote),
            "{pair:?}"
        );
    }
    let [ours, theirs] = &mut houses;
    ours.gateway.hang_up(call).expect("a BYE");
    let is_over = |house: &House| {
        let mut events = house.events.iter();
        events.any(|event| matches!(event, signaling::net::Event::Ended { .. }))
    };
    while !is_over(ours) || !is_over(theirs) {
        assert!(Instant::now() < end, "no end");
        ours.turn();
        theirs.turn();
    }
}
