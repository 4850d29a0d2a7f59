//! `mini_pbx` and `softphone` as processes: lines in, objects out.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::Scratch;

/// How long anything that they say may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One of the example applications, built as the README builds it.
#[derive(Debug)]
pub struct App {
    name: String,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<Value>,
    seen: Vec<Value>,
}

impl App {
    /// Starts `mini_pbx` or `softphone` with `--json` and these arguments, in `folder`; `name` stands in what a failed
    /// wait says.
    ///
    /// # Panics
    /// When it cannot be built or started.
    pub fn start(example: &str, name: &str, folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(folder_of_examples().join(example))
            .arg("--json")
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{example}: {error}"));
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tx, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let object = serde_json::from_str(&line);
                if object.is_ok_and(|object| tx.send(object).is_err()) {
                    break;
                }
            }
        });
        Self {
            name: name.to_owned(),
            child,
            stdin,
            lines,
            seen: Vec::new(),
        }
    }

    /// Types a line.
    ///
    /// # Panics
    /// When it has ended.
    pub fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("a running program");
    }

    /// The next object of this event for which `fits` holds; those before it are passed over.
    ///
    /// # Panics
    /// With everything that it said, when none comes in time.
    #[track_caller]
    pub fn until(&mut self, event: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(object) = self.lines.recv_timeout(left) else {
                let said: Vec<String> = self.seen.iter().map(Value::to_string).collect();
                panic!("{}: no {event:?} in\n{}", self.name, said.join("\n"))
            };
            self.seen.push(object.clone());
            if object["event"] == event && fits(&object) {
                return object;
            }
        }
    }

    /// The next object of this event.
    ///
    /// # Panics
    /// As [`App::until`].
    #[track_caller]
    pub fn hears(&mut self, event: &str) -> Value {
        self.until(event, |_| true)
    }

    /// What it has said and a wait has seen.
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// Ends it as a person would.
    ///
    /// # Panics
    /// When it does not end well.
    #[track_caller]
    pub fn quit(mut self) {
        self.say("quit");
        self.hears("closed");
        let status = self.child.wait().expect("an exit status");
        assert!(status.success(), "{}: {status}", self.name);
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // Ended already, when all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds both once, unless `INTEROP_EXAMPLES` says where they are.
fn folder_of_examples() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os("INTEROP_EXAMPLES") {
            return folder.into();
        }
        let program = built(
            &[
                "--release",
                "--example",
                "mini_pbx",
                "--example",
                "softphone",
            ],
            "mini_pbx",
        );
        program.parent().expect("a folder").to_owned()
    })
}

/// Builds examples of the project with `cargo build` and these arguments, and gives the place of the one of this name.
///
/// # Panics
/// With what the compiler says.
pub fn built(arguments: &[&str], name: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .arg("build")
        .args(arguments)
        .args(["--message-format", "json"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("cargo");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("the built program")
}

/// A running `mini_pbx` with users alice, bob and carol, whose passwords are `secret-` and the name.
#[derive(Debug)]
pub struct Switchboard {
    /// The program.
    pub app: App,
    folder: Scratch,
    places: Vec<(String, u16)>,
}

impl Switchboard {
    /// Over every transport, each on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same, with these arguments as well.
    ///
    /// # Panics
    /// When it does not start.
    pub fn with(more: &[&str]) -> Self {
        let folder = Scratch::new("mini_pbx");
        let any = "127.0.0.1:0";
        let mut arguments = [&["--out", "."], more].concat();
        for user in ["alice:secret-alice", "bob:secret-bob", "carol:secret-carol"] {
            arguments.extend(["--user", user]);
        }
        for door in ["--udp", "--tcp", "--tls", "--ws", "--wss"] {
            arguments.extend([door, any]);
        }
        let mut app = App::start("mini_pbx", "mini_pbx", folder.path(), &arguments);
        app.hears("ready");
        let places = app.seen().iter().filter_map(|object| {
            let address = object["address"].as_str()?;
            let (_, port) = address.rsplit_once(':')?;
            let transport = object["transport"].as_str()?.to_ascii_lowercase();
            Some((transport, port.parse().ok()?))
        });
        Self {
            places: places.collect(),
            app,
            folder,
        }
    }

    /// The port of `udp`, `tcp`, `tls`, `ws` or `wss`.
    ///
    /// # Panics
    /// For anything else.
    pub fn port(&self, transport: &str) -> u16 {
        let found = self.places.iter().find(|(known, _)| known == transport);
        found.expect("a transport").1
    }

    /// The certificate that it shows.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// A softphone that has registered, and what it is told further.
    ///
    /// # Panics
    /// When it does not register.
    pub fn phone(&self, user: &str, transport: &str, more: &[&str]) -> App {
        let registrar = format!("127.0.0.1:{}", self.port(transport));
        let (password, ca) = (format!("secret-{user}"), self.certificate());
        let mut arguments = vec!["--register", "--user", user, "--password", &password];
        arguments.extend(["--registrar", &registrar, "--transport", transport]);
        arguments.extend(["--ca", ca.to_str().expect("a path of letters")]);
        arguments.extend(more);
        let mut app = App::start("softphone", user, self.folder.path(), &arguments);
        app.hears("registered");
        app
    }

    /// Its folder, in which phones of ours write.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
