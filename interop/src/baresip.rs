//! One headless baresip (tried: Debian's 1.0.0).

use crate::{Control, Heard, Ports, Process, Proto, Scratch, Transport, bound, tone, wait_until};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The one audio codec that a [`Baresip`] offers and accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 (16 kHz; its RTP clock says 8000).
    G722,
    /// Opus at 48 kHz.
    Opus,
}

impl Codec {
    /// All of them.
    pub const ALL: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

    /// Its name in SDP.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
            Codec::Opus => "opus",
        }
    }

    /// baresip's module, sampling rate in Hz and channels; its player takes files of exactly that shape only.
    fn shape(self) -> (&'static str, u32, u16) {
        match self {
            Codec::Pcmu | Codec::Pcma => ("g711", 8000, 1),
            Codec::G722 => ("g722", 16_000, 1),
            Codec::Opus => ("opus", 48_000, 2),
        }
    }
}

/// How its media is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    Clear,
    /// SDES keys, RTP/SAVP, nothing else taken (`srtp-mand`).
    Sdes,
    /// SDES keys offered under RTP/AVP, clear media taken (`srtp`).
    SdesOffered,
    /// A DTLS handshake and rtcp-mux, UDP/TLS/RTP/SAVPF, nothing else taken (`dtls_srtp`).
    Dtls,
}

/// How to start one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BaresipOptions {
    /// Its codec.
    pub codec: Codec,
    /// Its media's protection. Default: clear.
    pub security: Security,
    /// Whether it multiplexes RTCP with RTP where its peer does. Default: with DTLS alone.
    pub mux: Option<bool>,
    /// Whether it wants ICE. It then names the machine's addresses on networks, never 127.0.0.1. Default: no.
    pub ice: bool,
    /// The tone that it plays to its peer, in Hz. Default: 1020.
    pub hz: f64,
    /// Whether it answers calls at once. Default: yes; else it rings until [`Control::command`] `accept`.
    pub answers: bool,
    /// Its user name. Default: `peer`.
    pub user: String,
    /// The transport to its registrar as a URI names it, where that is not the one of `registrar`: `tls`.
    pub over: Option<&'static str>,
    /// User and password for challenges from its peer. Default: none.
    pub credentials: Option<(String, String)>,
    /// The port of 127.0.0.1 at which it registers, and how. Default: nowhere.
    pub registrar: Option<(u16, Transport)>,
    /// Whether it registers a flow of RFC 5626. Default: no.
    pub outbound: bool,
}

impl BaresipOptions {
    /// The defaults, with this codec.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            security: Security::Clear,
            mux: None,
            ice: false,
            hz: 1020.0,
            answers: true,
            user: "peer".to_owned(),
            over: None,
            credentials: None,
            registrar: None,
            outbound: false,
        }
    }
}

/// How many RTP packets a [`Baresip`] has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packets {
    /// From its peer.
    pub received: u64,
    /// To its peer.
    pub sent: u64,
}

/// A user agent `sip:peer@127.0.0.1:PORT` over UDP and TCP.
#[derive(Debug)]
pub struct Baresip {
    /// Commands to it and events from it.
    pub control: Control,
    process: Process,
    scratch: Scratch,
    ports: Ports,
}

/// It ends by itself after so many seconds, whatever becomes of the test.
const LIFE_S: u32 = 120;

impl Baresip {
    /// Starts one and waits until it listens.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(options: &BaresipOptions) -> Self {
        let (scratch, ports) = (Scratch::new("baresip"), Ports::take());
        let (sip, control_port) = (ports.port(0), ports.port(2));
        let dir = scratch.path();
        let (module, rate, channels) = options.codec.shape();
        std::fs::create_dir(dir.join("rec")).expect("a directory for recordings");
        tone(options.hz, rate, channels, LIFE_S)
            .write(&dir.join("in.wav"))
            .expect("the tone to play");

        let encryption = match options.security {
            Security::Clear => "",
            Security::Sdes => ";mediaenc=srtp-mand",
            Security::SdesOffered => ";mediaenc=srtp",
            Security::Dtls => ";mediaenc=dtls_srtp",
        };
        let (nat, ice) = match options.ice {
            true => (
                ";medianat=ice",
                "module stun.so\nmodule turn.so\nmodule ice.so\n",
            ),
            false => ("", ""),
        };
        let credentials = options
            .credentials
            .as_ref()
            .map(|(user, password)| format!(";auth_user={user};auth_pass={password}"))
            .unwrap_or_default();
        let (domain, registering) = match options.registrar {
            None => (sip.to_string(), "regint=0".to_owned()),
            Some((port, transport)) => {
                let transport = match transport {
                    Transport::Udp => "udp",
                    Transport::Tcp => "tcp",
                    Transport::Tls => "tls",
                };
                let transport = options.over.unwrap_or(transport);
                let proxy = format!("outbound=\"sip:127.0.0.1:{port};transport={transport}\"");
                let flow = if options.outbound {
                    ";sipnat=outbound"
                } else {
                    ""
                };
                (port.to_string(), format!("regint=60;{proxy}{flow}"))
            }
        };
        let account = format!(
            "<sip:{}@127.0.0.1:{domain}>;{registering};answermode={};audio_codecs={}/{rate}/{channels}{encryption}{nat}{credentials}\n",
            options.user,
            if options.answers { "auto" } else { "manual" },
            options.codec.name(),
        );
        let config = format!(
            "poll_method epoll\n\
             sip_listen 127.0.0.1:{sip}\n\
             net_interface 127.0.0.1\n\
             rtp_ports {}-{}\n\
             rtcp_mux {}\n\
             rtp_stats yes\n\
             call_max_calls 8\n\
             audio_source aufile,{dir}/in.wav\n\
             audio_player aubridge,sink\n\
             audio_alert aubridge,alert\n\
             audio_path {dir}\n\
             snd_path {dir}/rec\n\
             ctrl_tcp_listen 127.0.0.1:{control_port}\n\
             menu_bell no\n\
             ringback_disabled yes\n\
             module_path /usr/lib/baresip/modules\n\
             module {module}.so\n\
             module aufile.so\n\
             module aubridge.so\n\
             module sndfile.so\n\
             {ice}\
             module srtp.so\n\
             module dtls_srtp.so\n\
             module_tmp uuid.so\n\
             module_tmp account.so\n\
             module_app menu.so\n\
             module_app debug_cmd.so\n\
             module_app ctrl_tcp.so\n",
            ports.port(10),
            ports.port(49),
            match options.mux.unwrap_or(options.security == Security::Dtls) {
                true => "yes",
                false => "no",
            },
            dir = dir.display(),
        );
        for (name, text) in [
            ("accounts", account),
            ("config", config),
            ("contacts", String::new()),
        ] {
            std::fs::write(dir.join(name), text).expect("baresip's configuration");
        }

        let mut command = Command::new("baresip");
        command
            .args(["-4", "-v", "-s", "-t", &LIFE_S.to_string(), "-f"])
            .arg(dir);
        let mut process = Process::start(command, &dir.join("log"));
        let control = wait_until("baresip listens", Duration::from_secs(20), || {
            assert!(
                process.ended().is_none(),
                "baresip ended:\n{}",
                process.log()
            );
            let up =
                bound(Proto::Udp, sip) && bound(Proto::Tcp, sip) && bound(Proto::Tcp, control_port);
            up.then(|| Control::connect(control_port).ok()).flatten()
        });
        Self {
            control,
            process,
            scratch,
            ports,
        }
    }

    /// Its SIP port, UDP and TCP.
    pub fn port(&self) -> u16 {
        self.ports.port(0)
    }

    /// The URI to call it at.
    pub fn uri(&self, transport: Transport) -> String {
        match transport {
            Transport::Udp => format!("sip:peer@127.0.0.1:{}", self.port()),
            Transport::Tcp => format!("sip:peer@127.0.0.1:{};transport=tcp", self.port()),
            // baresip listens for TLS one port above.
            Transport::Tls => format!("sip:peer@127.0.0.1:{};transport=tls", self.port() + 1),
        }
    }

    /// RTP packets of its only call so far, in and out.
    ///
    /// # Panics
    /// When there is no call.
    pub fn packets(&mut self) -> Packets {
        let report = self.control.command("audio_debug", "");
        let number = |name: &str| {
            let digits = report
                .split(name)
                .nth(1)?
                .split(|c: char| !c.is_ascii_digit())
                .next()?;
            digits.parse().ok()
        };
        // A peer that has sent nothing yet has no line in the report.
        let received = number("rcvd=").unwrap_or(0);
        Packets {
            received,
            sent: number("TX: packets=").unwrap_or_else(|| panic!("no call: {report}")),
        }
    }

    /// Counts its packets over `window`.
    ///
    /// # Panics
    /// When there is no call.
    pub fn packets_within(&mut self, window: Duration) -> Packets {
        let before = self.packets();
        std::thread::sleep(window);
        let after = self.packets();
        Packets {
            received: after.received - before.received,
            sent: after.sent - before.sent,
        }
    }

    /// What it has printed so far, SIP messages included.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// What it heard from its peers, a recording a call. A recording ends at the first re-INVITE.
    pub fn recordings(&self) -> Vec<PathBuf> {
        let mut found: Vec<_> = std::fs::read_dir(self.scratch.path().join("rec"))
            .map(|dir| dir.flatten().map(|e| e.path()).collect())
            .unwrap_or_default();
        found.retain(|p: &PathBuf| p.to_string_lossy().ends_with("-dec.wav"));
        found.sort();
        found
    }

    /// What it heard in its only call so far.
    ///
    /// # Panics
    /// When there is not exactly one recording.
    pub fn heard(&self) -> Heard {
        let found = self.recordings();
        assert_eq!(found.len(), 1, "recordings: {found:?}\n{}", self.log());
        Heard::wav(&found[0])
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("-- baresip's log\n{}", self.log());
        }
    }
}
