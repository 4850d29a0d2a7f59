//! The built `rtp_probe` over captures whose content is known.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // A test may fail, and owns files, ports and clocks.

#[path = "support/program.rs"]
mod program;

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant, SystemTime};

use examples::spectrum::Spectrum;
use media_mix::{CodecOptions, Registry, Tone};
use program::program;
use rtp_core::dtmf::EventPayload;
use rtp_core::rtcp::Epoch;
use rtp_core::srtp::{MasterKey, Suite};
use rtp_core::transport::{Config, Keys, MediaPath, OutFrame, PacketBuf};
use serde_json::Value;
use signaling::capture::{Captured, Carrier, Pcapng};

const MS: Duration = Duration::from_millis(1);

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rtp_probe-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.file(name), bytes).unwrap();
        text(&self.file(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn run(arguments: &[&str]) -> Output {
    Command::new(program("rtp_probe"))
        .args(arguments)
        .output()
        .unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn key(byte: u8) -> MasterKey {
    MasterKey::generate(Suite::AesCm256HmacSha1_80, &mut |out: &mut [u8]| {
        out.fill(byte)
    })
}

/// What a speaker sends: a tone, a key at 2 s, and what the network does to it.
struct Speaker {
    codec: &'static str,
    payload_type: u8,
    hz: u32,
    from: SocketAddr,
    to: SocketAddr,
    keys: Option<(u8, u8)>,
    /// Every so many packets one is lost; 0 for none.
    lose: u64,
}

impl Speaker {
    /// Packets with the moment at which they are seen.
    fn speak(&self, seconds: u64) -> Vec<(Duration, Vec<u8>)> {
        let start = Instant::now();
        let mut config = Config::new(self.to, Epoch::new(start, SystemTime::UNIX_EPOCH));
        config.keys = self.keys.map(|(send, receive)| Keys {
            send: key(send),
            receive: key(receive),
        });
        let seed = self.payload_type;
        let mut path = MediaPath::new(
            start,
            config,
            Box::new(move |out: &mut [u8]| out.fill(seed)),
        );
        let registry = Registry::default();
        let codec = registry
            .iter()
            .find(|c| c.description().name == self.codec)
            .unwrap();
        let description = codec.description();
        let mut encoder = codec.encoder(&CodecOptions::default()).unwrap();
        let mut tone = Tone::new(description.rate, f64::from(self.hz), -10.0);
        let mut pcm = vec![0; description.rate.samples(20)];
        let mut payload = vec![0; 1500];
        let mut packets = Vec::new();
        for n in 0..seconds * 50 {
            tone.fill(&mut pcm);
            let len = encoder.encode(&pcm, &mut payload).unwrap();
            let ticks = n as u32 * description.rtp_units(20);
            let event = (100..108).contains(&n).then(|| {
                EventPayload {
                    event: 5,
                    end: n >= 105,
                    volume: 10,
                    duration: ((n.min(105) - 99) * 160) as u16,
                }
                .to_bytes()
            });
            let frame = match &event {
                Some(event) => OutFrame {
                    payload_type: 101,
                    marker: n == 100,
                    timestamp: 100 * description.rtp_units(20),
                    payload: event,
                },
                None => OutFrame {
                    payload_type: self.payload_type,
                    marker: n == 0,
                    timestamp: ticks,
                    payload: &payload[..len],
                },
            };
            let mut out = PacketBuf::new();
            let at = 20 * MS * n as u32;
            let _to = path.send(start + at, frame, &mut out).unwrap();
            if self.lose == 0 || n % self.lose != self.lose - 1 {
                packets.push((at + 5 * MS, out.to_vec()));
            }
        }
        packets
    }

    fn sdp(&self) -> String {
        let (protocol, crypto) = match self.keys {
            Some((send, _)) => {
                let line = rtp_core::sdes::Crypto::new(1, &key(send));
                ("RTP/SAVP", format!("a=crypto:{line}\r\n"))
            }
            None => ("RTP/AVP", String::new()),
        };
        let codec = match self.codec {
            "opus" => "opus/48000/2".to_owned(),
            name => format!("{name}/8000"),
        };
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {port} {protocol} {number} 101\r\na=rtpmap:{number} {codec}\r\n\
             a=rtpmap:101 telephone-event/8000\r\n{crypto}",
            ip = self.from.ip(),
            port = self.from.port(),
            number = self.payload_type,
        )
    }
}

/// A capture of SIP messages and of what the speakers say.
fn capture(messages: &[Vec<u8>], speakers: &[&Speaker]) -> Vec<u8> {
    let mut all: Vec<(Duration, SocketAddr, SocketAddr, Vec<u8>)> = Vec::new();
    let phones = (
        SocketAddr::from(([192, 0, 2, 1], 5060)),
        SocketAddr::from(([192, 0, 2, 2], 5060)),
    );
    for message in messages {
        all.push((Duration::ZERO, phones.0, phones.1, message.clone()));
    }
    for speaker in speakers {
        for (at, packet) in speaker.speak(6) {
            all.push((at, speaker.from, speaker.to, packet));
        }
    }
    all.sort_by_key(|(at, ..)| *at);
    let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut out = Pcapng::new(Vec::new()).unwrap();
    for (at, source, destination, bytes) in &all {
        let captured = Captured {
            at: epoch.duration_since(SystemTime::UNIX_EPOCH).unwrap() + *at,
            carrier: Carrier::Udp,
            source: *source,
            destination: *destination,
            bytes,
        };
        out.write(&captured).unwrap();
    }
    out.into_inner().unwrap()
}

fn invite(sdp: &str) -> Vec<u8> {
    format!(
        "INVITE sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:b@192.0.2.2>\r\nCall-ID: {}\r\nCSeq: 1 INVITE\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len(),
        sdp.len()
    )
    .into_bytes()
}

/// Whether a recording holds this tone above all, and is as long as the call was.
fn hears(file: &Path, hz: usize) -> bool {
    let mut reader = media_mix::wav::WavReader::new(std::fs::File::open(file).unwrap()).unwrap();
    let rate = reader.spec().rate.hz() as usize;
    let mut pcm = vec![0; rate];
    let mut all = Vec::new();
    loop {
        let n = reader.read_mono(&mut pcm).unwrap();
        if n == 0 {
            break;
        }
        all.extend_from_slice(&pcm[..n]);
    }
    assert!((6 * rate..8 * rate).contains(&all.len()), "{}", all.len());
    let spectrum = Spectrum::of(&all[rate..2 * rate], rate).unwrap();
    spectrum.level(hz) > -30.0 && spectrum.loudest_other(&[hz]).db < -15.0
}

fn caller() -> Speaker {
    Speaker {
        codec: "PCMU",
        payload_type: 0,
        hz: 440,
        from: SocketAddr::from(([192, 0, 2, 1], 4000)),
        to: SocketAddr::from(([192, 0, 2, 2], 5000)),
        keys: None,
        lose: 0,
    }
}

fn callee() -> Speaker {
    Speaker {
        codec: "G722",
        payload_type: 9,
        hz: 1000,
        from: SocketAddr::from(([192, 0, 2, 2], 5000)),
        to: SocketAddr::from(([192, 0, 2, 1], 4000)),
        keys: None,
        lose: 20,
    }
}

#[test]
fn a_capture_without_sip_shows_streams_of_static_types_loss_and_keys() {
    let folder = Folder::new("plain");
    let file = folder.write("call.pcapng", capture(&[], &[&caller(), &callee()]));
    let (wav, svg) = (folder.file("wav"), folder.file("call.svg"));
    let output = run(&[&file, "--json", "--wav", &text(&wav), "--svg", &text(&svg)]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let streams = objects(&output);
    assert_eq!(streams.len(), 2);
    let (clean, lossy) = (&streams[0], &streams[1]);
    assert_eq!(
        (&clean["codecs"][0], &lossy["codecs"][0]),
        (&Value::from("PCMU"), &Value::from("G722"))
    );
    assert_eq!(
        (&clean["packets"], &clean["lost"]),
        (&Value::from(300), &Value::from(0))
    );
    assert_eq!(clean["encryption"], "none");
    assert!(
        (lossy["loss"].as_f64().unwrap() - 0.05).abs() < 0.005,
        "{lossy}"
    );
    assert!(clean["lowest_mos"].as_f64().unwrap() > 4.3, "{clean}");
    assert!(
        lossy["mos"].as_f64().unwrap() < clean["mos"].as_f64().unwrap() - 0.1,
        "{lossy}"
    );
    assert!(clean["jitter_ms"].as_f64().unwrap() < 1.0, "{clean}");
    for stream in &streams {
        assert_eq!(stream["keys"].as_array().unwrap().len(), 1, "{stream}");
        assert_eq!(stream["keys"][0]["key"], "5");
        assert!(
            (5..=7).contains(&stream["intervals"].as_array().unwrap().len()),
            "{stream}"
        );
    }
    for (stream, hz) in streams.iter().zip([440, 1000]) {
        let file = stream["files"][0].as_str().unwrap();
        assert!(hears(Path::new(file), hz), "{hz} Hz in {file}");
    }
    let drawing = std::fs::read_to_string(svg).unwrap();
    assert!(drawing.starts_with("<svg") && drawing.ends_with("</svg>\n"));
    assert_eq!(
        drawing.matches("stroke-width=\"1.5\"").count(),
        6,
        "three panels, two streams"
    );
    // The axes' ends, and the key that was pressed.
    for text in ["loss, %", "6 s", "5</text>", "PCMU", "MOS 4"] {
        assert!(drawing.contains(text), "{text} in {drawing}");
    }
    // For people.
    let shown = String::from_utf8(run(&[&file]).stdout).unwrap();
    for part in [
        "PCMU",
        "G722",
        "in the clear",
        "4.7 % lost",
        "keys 5",
        "MOS 4.",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn keys_in_the_sip_of_a_capture_decrypt_it_and_without_them_nothing_is_made_up() {
    let folder = Folder::new("sdes");
    let talks = Speaker {
        codec: "opus",
        payload_type: 96,
        keys: Some((1, 2)),
        ..caller()
    };
    let listener = Speaker {
        codec: "opus",
        payload_type: 96,
        keys: Some((2, 1)),
        lose: 0,
        ..callee()
    };
    let sip = [invite(&talks.sdp()), invite(&listener.sdp())];
    let file = folder.write("call.pcapng", capture(&sip, &[&talks, &listener]));
    let wav = folder.file("wav");
    let streams = objects(&run(&[&file, "--json", "--wav", &text(&wav)]));
    assert_eq!(streams.len(), 2);
    for (stream, hz) in streams.iter().zip([440, 1000]) {
        assert_eq!(stream["encryption"], "AES_256_CM_HMAC_SHA1_80");
        assert_eq!(
            (&stream["codecs"][0], &stream["refused"]),
            (&Value::from("opus"), &Value::from(0))
        );
        assert_eq!(stream["keys"][0]["key"], "5");
        let file = stream["files"][0].as_str().unwrap();
        assert!(hears(Path::new(file), hz), "{hz} Hz in {file}");
    }

    // The same packets with a description that has another key: counted, never played.
    let file = folder.write("dark.pcapng", capture(&[], &[&talks]));
    let other = Speaker {
        keys: Some((9, 9)),
        ..callee()
    };
    let sdp = folder.write(
        "other.sdp",
        other
            .sdp()
            .replace("G722/8000", "opus/48000/2")
            .replace(" 9 ", " 96 ")
            .replace(":9 ", ":96 "),
    );
    let wav = folder.file("dark");
    let output = run(&[&file, "--json", "--sdp", &sdp, "--wav", &text(&wav)]);
    let streams = objects(&output);
    assert_eq!(
        streams.len(),
        1,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(streams[0]["encryption"], "unknown key");
    assert_eq!(
        (&streams[0]["packets"], &streams[0]["mos"]),
        (&Value::from(300), &Value::Null)
    );
    assert_eq!(std::fs::read_dir(wav).unwrap().count(), 0);

    // And with the right one in a file.
    let sdp = folder.write("right.sdp", talks.sdp());
    let streams = objects(&run(&[&file, "--json", "--sdp", &sdp]));
    assert_eq!(streams[0]["encryption"], "AES_256_CM_HMAC_SHA1_80");
}

#[test]
fn a_live_port_is_listened_to() {
    let folder = Folder::new("live");
    let free = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let speaker = Speaker {
        from: sender.local_addr().unwrap(),
        to: free,
        keys: Some((3, 4)),
        ..caller()
    };
    let sdp = folder.write("far.sdp", speaker.sdp());
    let wav = folder.file("wav");
    let child = Command::new(program("rtp_probe"))
        .args([
            "--listen",
            &free.to_string(),
            "--sdp",
            &sdp,
            "--for",
            "3s",
            "--json",
            "--wav",
            &text(&wav),
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Until the program has ended: how long it takes to begin is not for a test to guess.
    let mut child = Some(child);
    let packets = speaker.speak(60);
    let begin = Instant::now();
    let mut output = None;
    for (at, packet) in &packets {
        std::thread::sleep(at.saturating_sub(begin.elapsed()));
        let _ = sender.send_to(packet, free);
        if child.as_mut().unwrap().try_wait().unwrap().is_some() {
            output = Some(child.take().unwrap().wait_with_output().unwrap());
            break;
        }
    }
    let output = output.expect("it ends by itself");
    let streams = objects(&output);
    assert_eq!((output.status.code(), streams.len()), (Some(0), 1));
    assert_eq!(streams[0]["encryption"], "AES_256_CM_HMAC_SHA1_80");
    assert_eq!(streams[0]["codecs"][0], "PCMU");
    assert!(
        streams[0]["packets"].as_u64().unwrap() > 50,
        "{}",
        streams[0]
    );
}

#[test]
fn exit_codes_say_what_was_wrong() {
    let folder = Folder::new("bad");
    let empty = folder.write("empty.pcapng", capture(&[], &[]));
    let none = run(&[&empty]);
    assert_eq!(none.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&none.stdout), "no RTP stream\n");
    let junk = folder.write("junk", "no capture");
    for arguments in [
        &[junk.as_str()][..],
        &["no such file"],
        &[&empty, "--sdp", &junk],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("rtp_probe: "));
    }
    assert_eq!(
        run(&["--listen", "127.0.0.1:0"]).status.code(),
        Some(2),
        "a port needs a description"
    );
}
