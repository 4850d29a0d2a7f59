//! The switchboard and phones as processes, spoken to as a program speaks to them: lines in, objects out.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Programs and clocks; a test may fail.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use examples::spectrum::Spectrum;
use media_mix::wav::{WavReader, WavWriter};
use media_mix::{Rate, Tone};
use serde_json::Value;

use crate::program::program;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder of a test's own.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("phones-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A tone as a file.
    pub(crate) fn tone(&self, hz: f64) -> PathBuf {
        let path = self.path(&format!("{hz}.wav"));
        let file = BufWriter::new(File::create(&path).unwrap());
        let mut wav = WavWriter::new(file, Rate::Khz16, 1).unwrap();
        let mut samples = vec![0; 16_000];
        Tone::new(Rate::Khz16, hz, -12.0).fill(&mut samples);
        wav.write(&samples).unwrap();
        wav.finish().unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program that prints objects.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    seen: Vec<Value>,
}

impl Process {
    pub(crate) fn start(example: &str, name: &str, args: &[&str]) -> Self {
        Self::start_in(PathBuf::from("."), example, name, args)
    }

    /// The same, with this as its working directory.
    pub(crate) fn start_in(folder: PathBuf, example: &str, name: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program(example))
            .current_dir(folder)
            .arg("--json")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let object = serde_json::from_str(&line).expect("one object a line");
                if tell.send(object).is_err() {
                    break;
                }
            }
        });
        Self {
            name: name.to_owned(),
            stdin: child.stdin.take(),
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Types a line.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// The next object of this event for which `fits` holds; what came before it is passed over.
    #[track_caller]
    pub(crate) fn until(&mut self, event: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(object) => {
                    self.seen.push(object.clone());
                    if object["event"] == event && fits(&object) {
                        return object;
                    }
                }
                Err(_) => panic!(
                    "{} never said {event:?}; it said {:#?}",
                    self.name, self.seen
                ),
            }
        }
    }

    #[track_caller]
    pub(crate) fn hears(&mut self, event: &str) -> Value {
        self.until(event, |_| true)
    }

    /// What it has said and a wait has seen.
    #[allow(dead_code)] // Not every test that includes this asks.
    pub(crate) fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// Sends a signal, as `kill` names it.
    #[cfg(unix)]
    pub(crate) fn signal(&mut self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    pub(crate) fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Ends it as a person would.
    #[track_caller]
    pub(crate) fn quit(mut self) {
        self.say("quit");
        self.hears("closed");
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A test that failed in the middle leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The switchboard, and where it listens.
pub(crate) struct Pbx {
    pub(crate) process: Process,
    places: Vec<(String, String)>,
    certificate: PathBuf,
}

impl Pbx {
    /// With users alice, bob and carol, whose passwords are their names backwards, over every transport.
    pub(crate) fn start(folder: &Folder, more: &[&str]) -> Self {
        let out = folder.path("pbx");
        let any = "127.0.0.1:0";
        let mut args = vec![
            "--user",
            "alice:ecila",
            "--user",
            "bob:bob",
            "--user",
            "carol:lorac",
        ];
        args.extend([
            "--udp", any, "--tcp", any, "--tls", any, "--ws", any, "--wss", any,
        ]);
        args.extend(["--out", out.to_str().unwrap()]);
        args.extend(more);
        let mut process = Process::start("mini_pbx", "mini_pbx", &args);
        process.hears("ready");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let listening = process.seen.iter().filter(|o| o["event"] == "listening");
        let places = listening
            .map(|o| {
                (
                    text(&o["transport"]).to_ascii_lowercase(),
                    text(&o["address"]),
                )
            })
            .collect();
        Self {
            process,
            places,
            certificate: out.join("certificate.pem"),
        }
    }

    pub(crate) fn at(&self, transport: &str) -> &str {
        let found = self.places.iter().find(|(known, _)| known == transport);
        &found.unwrap().1
    }

    /// A phone that shall register.
    pub(crate) fn phone(&self, user: &str, transport: &str, more: &[&str]) -> Process {
        let password: String = user.chars().rev().collect();
        let ca = self.certificate.to_str().unwrap();
        let mut args = vec![
            "--register",
            "--user",
            user,
            "--registrar",
            self.at(transport),
        ];
        args.extend(["--transport", transport, "--ca", ca]);
        if !more.contains(&"--password") && !more.contains(&"--ha1") {
            args.extend(["--password", &password]);
        }
        args.extend(more);
        Process::start("softphone", user, &args)
    }

    /// A phone that has registered.
    pub(crate) fn registered(&self, user: &str, transport: &str, more: &[&str]) -> Process {
        let mut phone = self.phone(user, transport, more);
        phone.hears("registered");
        phone
    }
}

/// Waits until a recording of a call that goes on, which is written every second, holds a second of this tone.
pub(crate) fn wait_for_tone(path: &Path, hz: usize) {
    let until = Instant::now() + Duration::from_secs(15);
    while !holds_tone(path, hz) {
        assert!(Instant::now() < until, "no {hz} Hz in {}", path.display());
        sleep(Duration::from_millis(200));
    }
}

/// Whether a whole second of a recording holds nothing but a tone.
pub(crate) fn holds_tone(path: &Path, hz: usize) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    // It may be in the middle of being written.
    let Ok(mut wav) = WavReader::new(BufReader::new(file)) else {
        return false;
    };
    let rate = wav.spec().rate.hz() as usize;
    let (mut samples, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match wav.read_mono(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => samples.extend_from_slice(&buffer[..read]),
        }
    }
    (0..samples.len()).step_by(rate / 4).any(|at| {
        let Some(spectrum) = Spectrum::of(&samples[at..], rate) else {
            return false;
        };
        spectrum.level(hz) > -20.0 && spectrum.loudest_other(&[hz]).db < -30.0
    })
}
