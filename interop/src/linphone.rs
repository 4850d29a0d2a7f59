//! One headless linphonec (tried: Debian's 5.1.65).

use crate::{Codec, Heard, Ports, Process, Proto, Scratch, Security, bound, tone, wait_until};
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

/// How to start one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinphoneOptions {
    /// The codec that it offers first and, of those of [`Codec::ALL`], alone.
    pub codec: Codec,
    /// Its media's protection. Default: clear.
    pub security: Security,
    /// The tone that it plays to its peer, in Hz. Default: 1020.
    pub hz: f64,
}

impl LinphoneOptions {
    /// The defaults, with this codec.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            security: Security::Clear,
            hz: 1020.0,
        }
    }
}

/// A user agent `sip:linphone@127.0.0.1:PORT` over UDP and TCP that answers at once.
#[derive(Debug)]
pub struct Linphone {
    process: Process,
    scratch: Scratch,
    ports: Ports,
}

/// The tone that it plays lasts so many seconds; no test takes longer.
const LIFE_S: u32 = 60;

impl Linphone {
    /// Starts one and waits until it listens.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(options: &LinphoneOptions) -> Self {
        let (scratch, ports) = (Scratch::new("linphone"), Ports::take());
        let (dir, sip) = (scratch.path(), ports.port(0));
        for folder in [".local/share/linphone", ".config/linphone"] {
            std::fs::create_dir_all(dir.join(folder)).expect("its folders");
        }
        tone(options.hz, 48_000, 1, LIFE_S)
            .write(&dir.join("in.wav"))
            .expect("the tone to play");
        std::fs::write(dir.join("rc"), configuration(options, &ports)).expect("its configuration");

        let mut command = Command::new("linphonec");
        command
            .arg("-c")
            .arg(dir.join("rc"))
            .args(["-a", "-d", "5", "-l"])
            .arg(dir.join("linphone.log"))
            .env("HOME", dir)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME");
        let mut process = Process::start_typing(command, &dir.join("log"));
        wait_until("linphonec listens", Duration::from_secs(20), || {
            assert!(
                process.ended().is_none(),
                "linphonec ended:\n{}",
                process.log()
            );
            (bound(Proto::Udp, sip) && bound(Proto::Tcp, sip)).then_some(())
        });
        process.type_line("soundcard use files");
        for (what, file) in [("play", "in.wav"), ("record", "out.wav")] {
            process.type_line(&format!("{what} {}", dir.join(file).display()));
        }
        Self {
            process,
            scratch,
            ports,
        }
    }

    /// The URI to call it at, over UDP.
    pub fn uri(&self) -> String {
        format!("sip:linphone@127.0.0.1:{}", self.ports.port(0))
    }

    /// Types a command: `call URI`, `terminate`, `pause`, `resume`, or a key to send.
    ///
    /// # Panics
    /// When it has ended.
    pub fn command(&mut self, line: &str) {
        self.process.type_line(line);
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The keys that it received, oldest first.
    pub fn keys(&self) -> String {
        self.log()
            .lines()
            .filter_map(|line| line.split("Receiving tone ").nth(1)?.chars().next())
            .collect()
    }

    /// What it has heard so far.
    ///
    /// # Panics
    /// When there is no recording.
    pub fn heard(&self) -> Heard {
        Heard::wav(&self.scratch.path().join("out.wav"))
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("-- linphonec's log\n{}", self.log());
        }
    }
}

fn configuration(options: &LinphoneOptions, ports: &Ports) -> String {
    let (encryption, mandatory) = match options.security {
        Security::Clear => ("none", 0),
        Security::Sdes => ("srtp", 1),
        Security::SdesOffered => ("srtp", 0),
        Security::Dtls => ("dtls", 1),
    };
    let mut text = format!(
        "[sip]\n\
         sip_port={sip}\n\
         sip_tcp_port={sip}\n\
         sip_tls_port=0\n\
         bind_address=127.0.0.1\n\
         contact=sip:linphone@127.0.0.1:{sip}\n\
         guess_hostname=0\n\
         use_ipv6=0\n\
         media_encryption={encryption}\n\
         media_encryption_mandatory={mandatory}\n\
         [net]\n\
         firewall_policy=0\n\
         [rtp]\n\
         bind_address=127.0.0.1\n\
         audio_rtp_port={rtp}\n\
         [misc]\n\
         hide_empty_phone_numbers=1\n",
        sip = ports.port(0),
        rtp = ports.port(10),
    );
    for (n, codec) in Codec::ALL.into_iter().enumerate() {
        let (rate, channels) = match codec {
            Codec::Opus => (48_000, 2),
            _ => (8000, 1),
        };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[audio_codec_{n}]\nmime={}\nrate={rate}\nchannels={channels}\nenabled={}\n",
            codec.name(),
            u8::from(codec == options.codec),
        );
    }
    text
}
