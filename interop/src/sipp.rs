//! One run of a SIPp scenario (tried: Debian's 3.6.1).

use crate::{Bridge, Ports, Process, Proto, Scratch, bound, tone, wait_until};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Under SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
    /// A connection in TLS: SIPp speaks TCP to a [`Bridge`].
    Tls,
}

/// How to run one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SippOptions {
    /// Under SIP. Default: UDP.
    pub transport: Transport,
    /// Realm-independent credentials for digest, on either side. Default: `alice`, `secret`.
    pub credentials: (String, String),
    /// Longest run. Default: 30 s.
    pub limit: Duration,
    /// Further arguments of sipp's own.
    pub more: Vec<String>,
}

impl Default for SippOptions {
    fn default() -> Self {
        Self {
            transport: Transport::Udp,
            credentials: ("alice".into(), "secret".into()),
            limit: Duration::from_secs(30),
            more: Vec::new(),
        }
    }
}

/// Whether SIPp sent or received a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// SIPp sent it.
    Sent,
    /// SIPp received it.
    Received,
}

/// A message in SIPp's trace.
#[derive(Clone, Debug)]
pub struct Traced {
    /// Which way.
    pub direction: Direction,
    /// All of it.
    pub text: String,
}

impl Traced {
    /// The request or status line.
    pub fn start_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The first value of the header field of this name (its long form), without blanks around it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text
            .lines()
            .skip(1)
            .take_while(|l| !l.is_empty())
            .find_map(|line| {
                let (n, value) = line.split_once(':')?;
                n.trim().eq_ignore_ascii_case(name).then(|| value.trim())
            })
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether the scenario went to its end as written.
    pub passed: bool,
    /// Every message, in order.
    pub messages: Vec<Traced>,
    /// SIPp's error log and last screen.
    pub errors: String,
}

impl Outcome {
    /// The messages that went this way and whose start line begins with `start`.
    pub fn with(&self, direction: Direction, start: &str) -> Vec<&Traced> {
        self.messages
            .iter()
            .filter(|m| m.direction == direction && m.start_line().starts_with(start))
            .collect()
    }

    /// Gives itself when the scenario went to its end.
    ///
    /// # Panics
    /// With the errors and the trace when it did not.
    pub fn expect_passed(self) -> Self {
        let trace: Vec<_> = self
            .messages
            .iter()
            .map(|m| format!("-- {:?}\n{}", m.direction, m.text))
            .collect();
        assert!(
            self.passed,
            "SIPp did not pass:\n{}\n{}",
            self.errors,
            trace.join("\n")
        );
        self
    }
}

/// A scenario that is running, for one call.
#[derive(Debug)]
pub struct Sipp {
    process: Process,
    scratch: Scratch,
    ports: Ports,
    limit: Duration,
    transport: Transport,
    _bridge: Option<Bridge>,
}

impl Sipp {
    /// Lets SIPp wait for a call, and returns when it listens.
    ///
    /// # Panics
    /// When it does not come up, or there is no such scenario.
    pub fn uas(scenario: &str, options: &SippOptions) -> Self {
        let mut sipp = Self::start(scenario, None, options);
        let (proto, port) = (sipp.proto(), sipp.ports.port(0));
        wait_until("SIPp listens", Duration::from_secs(20), || {
            assert!(
                sipp.process.ended().is_none(),
                "SIPp ended:\n{}",
                sipp.process.log()
            );
            bound(proto, port).then_some(())
        });
        if sipp.transport == Transport::Tls {
            sipp._bridge = Some(Bridge::into_clear(sipp.port(), port));
        }
        sipp
    }

    /// Lets SIPp call `user` at a port on 127.0.0.1.
    ///
    /// # Panics
    /// When it cannot be started, or there is no such scenario.
    pub fn uac(scenario: &str, user: &str, port: u16, options: &SippOptions) -> Self {
        Self::start(scenario, Some((user, port)), options)
    }

    /// Its SIP port.
    pub fn port(&self) -> u16 {
        self.ports.port(if self.transport == Transport::Tls {
            2
        } else {
            0
        })
    }

    /// The URI to call it at.
    pub fn uri(&self) -> String {
        let parameter = match self.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
        };
        format!("sip:peer@127.0.0.1:{}{parameter}", self.port())
    }

    /// Waits for the end of the run.
    ///
    /// # Panics
    /// When it does not end by itself, which its own limit prevents.
    pub fn wait(mut self) -> Outcome {
        let status = self.process.wait(self.limit + Duration::from_secs(10));
        let read = |name: &str| {
            String::from_utf8_lossy(
                &std::fs::read(self.scratch.path().join(name)).unwrap_or_default(),
            )
            .into_owned()
        };
        let screen = self.process.log();
        let tail: Vec<_> = screen.lines().rev().take(30).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        Outcome {
            passed: status.success(),
            messages: trace(&read("messages")),
            errors: format!("{status}\n{}\n{}", read("errors"), tail.join("\n")),
        }
    }

    fn proto(&self) -> Proto {
        match self.transport {
            Transport::Udp => Proto::Udp,
            Transport::Tcp | Transport::Tls => Proto::Tcp,
        }
    }

    fn start(scenario: &str, remote: Option<(&str, u16)>, options: &SippOptions) -> Self {
        let (scratch, ports) = (Scratch::new("sipp"), Ports::take());
        let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("sipp")
            .join(format!("{scenario}.xml"));
        assert!(file.is_file(), "no scenario {scenario}");
        // What `rtp_stream` plays in the scenarios that send sound.
        let mulaw: Vec<u8> = tone(440.0, 8000, 1, 5)
            .samples
            .into_iter()
            .map(mulaw)
            .collect();
        std::fs::write(scratch.path().join("tone.ulaw"), mulaw).expect("a tone");

        let (name, mode) = match options.transport {
            Transport::Udp => ("UDP", "u1"),
            Transport::Tcp => ("TCP", "t1"),
            Transport::Tls => ("TLS", "t1"),
        };
        let (sip, media, control) = (ports.port(0), ports.port(10), ports.port(50));
        let bridge = match remote {
            Some((_, port)) if options.transport == Transport::Tls => {
                Some(Bridge::into_tls(ports.port(2), port))
            }
            _ => None,
        };
        // What peers are told: over TLS the bridge's port when SIPp is called.
        let told = match (options.transport, remote) {
            (Transport::Tls, None) => ports.port(2),
            _ => sip,
        };
        let remote_port = remote.map_or(0, |(_, port)| port);
        let mut command = Command::new("sipp");
        command.current_dir(scratch.path()).arg("-sf").arg(file);
        match remote {
            Some((user, port)) => {
                let port = bridge.as_ref().map_or(port, Bridge::port);
                command.args(["-s", user]).arg(format!("127.0.0.1:{port}"))
            }
            None => command.arg("-rtp_echo"),
        };
        let limit = options.limit.as_secs().max(1);
        for (key, value) in [
            ("-i", "127.0.0.1"),
            ("-mi", "127.0.0.1"),
            ("-ci", "127.0.0.1"),
            ("-t", mode),
            ("-m", "1"),
            ("-p", &sip.to_string()),
            ("-mp", &media.to_string()),
            ("-cp", &control.to_string()),
            ("-timeout", &limit.to_string()),
            ("-message_file", "messages"),
            ("-error_file", "errors"),
            ("-au", &options.credentials.0),
            ("-ap", &options.credentials.1),
        ] {
            command.args([key, value]);
        }
        for (key, value) in [
            ("tp", name),
            ("cport", &told.to_string()),
            ("rport", &remote_port.to_string()),
            ("user", &options.credentials.0),
            ("pass", &options.credentials.1),
        ] {
            command.args(["-key", key, value]);
        }
        command
            .args([
                "-bind_local",
                "-timeout_error",
                "-nostdin",
                "-trace_msg",
                "-trace_err",
            ])
            .args(&options.more);
        let process = Process::start(command, &scratch.path().join("screen"));
        Self {
            process,
            scratch,
            ports,
            limit: options.limit,
            transport: options.transport,
            _bridge: bridge,
        }
    }
}

/// Cuts SIPp's message file into messages.
fn trace(text: &str) -> Vec<Traced> {
    let mut found = Vec::new();
    let mut rest = text;
    // A line of dashes, a time; then `UDP message sent (500 bytes):` or `UDP message received [500] bytes :`, an empty
    // line, the message.
    while let Some(at) = rest.find(" message ") {
        let line = rest[at..].lines().next().unwrap_or_default();
        let sent = line.starts_with(" message sent");
        let Some(bytes) = line
            .split(|c: char| !c.is_ascii_digit())
            .find_map(|n| n.parse::<usize>().ok())
            .filter(|_| sent || line.starts_with(" message received"))
        else {
            rest = &rest[at + line.len()..];
            continue;
        };
        let body = rest[at + line.len()..].trim_start_matches(['\r', '\n']);
        let end = (0..=bytes.min(body.len()))
            .rev()
            .find(|&i| body.is_char_boundary(i))
            .unwrap_or(0);
        found.push(Traced {
            direction: if sent {
                Direction::Sent
            } else {
                Direction::Received
            },
            text: body[..end].replace("\r\n", "\n"),
        });
        rest = &body[end..];
    }
    found
}

/// G.711 µ-law, by its definition: 14 bits, a bias of 33, eight segments of sixteen steps.
fn mulaw(sample: i16) -> u8 {
    let magnitude = (i32::from(sample).abs() / 4 + 33).min(8191);
    let segment = magnitude.ilog2() - 5;
    let step = (magnitude >> (segment + 1)) & 15;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment as u8) << 4 | step as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_is_cut_into_messages() {
        let text = "----------------------------------------------- 2026-01-01\tUDP message sent (30 bytes):\n\n\
                    SIP/2.0 200 OK\r\nTo: <a:b>\r\n\r\n\n\
                    ----------------------------------------------- 2026-01-01\tUDP message received [21] bytes :\n\n\
                    ACK a:b SIP/2.0\r\n\r\n\n";
        let got = trace(text);
        assert_eq!(got.len(), 2, "{got:?}");
        assert_eq!(
            (got[0].direction, got[0].start_line()),
            (Direction::Sent, "SIP/2.0 200 OK")
        );
        assert_eq!(got[0].header("to"), Some("<a:b>"));
        assert_eq!(
            (got[1].direction, got[1].start_line()),
            (Direction::Received, "ACK a:b SIP/2.0")
        );
    }

    #[test]
    fn mulaw_of_silence_and_of_the_extremes() {
        // G.711, table 2b: 0 is 0xFF, the largest magnitudes are 0x80 and 0x00.
        assert_eq!([0, 32_767, -32_768].map(mulaw), [0xFF, 0x80, 0x00]);
    }
}
