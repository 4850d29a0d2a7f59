//! One headless linphonec (tried: Debian's 5.1.65).

use crate::{Codec, Heard, Ports, Process, Proto, Scratch, Security, bound, tone, wait_until};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
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
    /// Whether it wants ICE. Its media is then on the machine's addresses on networks, never 127.0.0.1. Default: no.
    pub ice: bool,
    /// Whether it multiplexes RTCP with RTP where its peer does. Default: no, as Linphone's own.
    pub mux: bool,
    /// The tone that it plays to its peer, in Hz. Default: 1020.
    pub hz: f64,
    /// Whether it sends keys by INFO. Default: no, in RTP.
    pub keys_by_info: bool,
    /// The account that it registers. Default: none.
    pub account: Option<LinphoneAccount>,
}

/// An account, as its settings name it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinphoneAccount {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// Domain: host and port of the server.
    pub domain: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// The certificates to trust.
    pub ca: Option<PathBuf>,
}

impl LinphoneAccount {
    /// An account over UDP.
    pub fn new(user: &str, password: &str, domain: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            domain: domain.to_owned(),
            transport: "udp".to_owned(),
            ca: None,
        }
    }

    /// Over this transport, with the certificate to trust.
    pub fn over(mut self, transport: &str, ca: &Path) -> Self {
        self.transport = transport.to_owned();
        self.ca = Some(ca.to_owned());
        self
    }

    fn settings(&self) -> String {
        let Self {
            user,
            password,
            domain,
            transport,
            ..
        } = self;
        format!(
            "[auth_info_0]\nusername={user}\npasswd={password}\n\
             [proxy_0]\nreg_proxy=<sip:{domain};transport={transport}>\n\
             reg_route=<sip:{domain};transport={transport};lr>\n\
             reg_identity=sip:{user}@{domain}\nreg_expires=600\nreg_sendregister=1\npublish=0\n"
        )
    }
}

impl LinphoneOptions {
    /// The defaults, with this codec.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            security: Security::Clear,
            ice: false,
            mux: false,
            hz: 1020.0,
            keys_by_info: false,
            account: None,
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

    /// Waits until it has printed or logged `part`.
    ///
    /// # Panics
    /// When it does not.
    pub fn shows(&self, part: &str) {
        wait_until(part, Duration::from_secs(15), || {
            (self.logged(part) || self.log().contains(part)).then_some(())
        });
    }

    /// Whether it has logged `part`.
    pub fn logged(&self, part: &str) -> bool {
        let path = self.scratch.path().join("linphone.log");
        let logged = std::fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&logged).contains(part)
    }

    /// Hangs up, unregisters and ends.
    ///
    /// # Panics
    /// When it does not end.
    pub fn quit(&mut self) {
        self.process.type_line("quit");
        self.process.wait(Duration::from_secs(15));
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
    // With an account it tells others whatever address it reaches its server from.
    let here = match &options.account {
        None => format!(
            "bind_address=127.0.0.1\ncontact=sip:linphone@127.0.0.1:{}\nguess_hostname=0\nsip_tls_port=0\n",
            ports.port(0)
        ),
        Some(account) => {
            let trust = account.ca.as_ref().map_or(String::new(), |path| {
                format!("root_ca={}\n", path.display())
            });
            format!("guess_hostname=1\ndefault_proxy=0\nsip_tls_port=-1\n{trust}")
        }
    };
    let rtp_bind = match (&options.account, options.ice) {
        (None, false) => "bind_address=127.0.0.1\n",
        _ => "",
    };
    let mut text = format!(
        "[sip]\n\
         sip_port={sip}\n\
         sip_tcp_port={sip}\n\
         {here}\
         use_info={info}\n\
         use_rfc2833={rfc2833}\n\
         use_ipv6=0\n\
         media_encryption={encryption}\n\
         media_encryption_mandatory={mandatory}\n\
         [net]\n\
         firewall_policy={policy}\n\
         [rtp]\n\
         {rtp_bind}\
         rtcp_mux={mux}\n\
         audio_rtp_port={rtp}\n\
         [misc]\n\
         hide_empty_phone_numbers=1\n\
         {account}",
        sip = ports.port(0),
        rtp = ports.port(10),
        // 3 is ICE, 0 takes the network as it is.
        policy = if options.ice { 3 } else { 0 },
        mux = u8::from(options.mux),
        info = u8::from(options.keys_by_info),
        rfc2833 = u8::from(!options.keys_by_info),
        account = options
            .account
            .as_ref()
            .map(LinphoneAccount::settings)
            .unwrap_or_default(),
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
