//! The built gateway, asked over plain HTTP; every status that it answers must stand in its own description.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use token::{Algorithm, OpenTokConnect, OpenTokProject, Role, StaticSecret, mint};

use crate::program::program;

pub(crate) const KEY: &str = "100";
pub(crate) const SECRET: &str = "a secret of the project, 32 bytes or more";
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) struct Gate {
    child: Child,
    pub(crate) http: SocketAddr,
    operator: String,
    pub(crate) phone: String,
    /// Where SIP listens on TLS.
    pub(crate) sip_tls: Option<SocketAddr>,
    described: Value,
    lines: Arc<Mutex<Vec<String>>>,
    pub(crate) scratch: std::path::PathBuf,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
    /// As it came.
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Value,
}

impl Got {
    /// An error of this status that says `part`, as JSON.
    #[track_caller]
    pub(crate) fn failed(&self, status: u16, part: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body["code"], status, "{self:?}");
        let message = self.body["message"].as_str().unwrap();
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }

    pub(crate) fn text_of(&self, name: &str) -> String {
        self.body[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
            .to_owned()
    }
}

pub(crate) fn secret() -> StaticSecret {
    StaticSecret::new(Algorithm::Hs256, SECRET.as_bytes()).unwrap()
}

/// What the SDKs put into X-OPENTOK-AUTH.
pub(crate) fn project_token(key: &str, secret: &StaticSecret, issued: SystemTime) -> String {
    mint(
        &OpenTokProject::new(key, issued, Duration::from_secs(180)),
        secret,
    )
    .unwrap()
}

impl Gate {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut gate = Self::start_over("http://", args);
        gate.described = gate.raw("GET", "/openapi.json", &[], b"").body;
        gate
    }

    /// Starts one whose address begins so, and asks it nothing.
    pub(crate) fn start_over(scheme: &str, args: &[&str]) -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("opentok_gateway-{}-{number}", std::process::id());
        let scratch = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&scratch).unwrap();
        let mut child = Command::new(program("opentok_gateway"))
            .args([
                "--http",
                "127.0.0.1:0",
                "--api-key",
                KEY,
                "--api-secret",
                SECRET,
            ])
            .args(["--phone", "--rtp-ports", "30000-39999"])
            .args(args)
            .current_dir(&scratch)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (mut http, mut sip_tls) = (None, None);
        let (mut operator, mut phone) = (String::new(), String::new());
        while phone.is_empty() {
            let mut line = String::new();
            assert!(out.read_line(&mut line).unwrap() > 0, "it ended at once");
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("REST"), Some(url)) => {
                    http = url.strip_prefix(scheme).map(|addr| addr.parse().unwrap());
                }
                (Some("SIP,"), Some("TLS")) => {
                    sip_tls = words.next().map(|addr| addr.parse().unwrap());
                }
                (Some("operator"), Some(url)) => {
                    operator = url.split('#').nth(1).unwrap().to_owned();
                }
                (Some("phone"), Some(uri)) => uri.clone_into(&mut phone),
                _ => {}
            }
        }
        let said = lines.clone();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                said.lock().unwrap().push(line);
            }
        });
        Self {
            child,
            http: http.unwrap(),
            operator,
            phone,
            sip_tls,
            described: Value::Null,
            lines,
            scratch,
        }
    }

    /// What it has printed since it was up.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Asks with these headers.
    pub(crate) fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Got {
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(90)))
            .unwrap();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A server that has heard enough may not read it all.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        let body = bytes.split_off(end.expect("a whole answer") + 4);
        let (head, text) = (
            String::from_utf8(bytes).unwrap(),
            String::from_utf8_lossy(&body),
        );
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        self.is_described(method, path, status);
        Got {
            status,
            head,
            text: text.to_string(),
            body: serde_json::from_str(&text).unwrap_or_default(),
            bytes: body,
        }
    }

    /// No route answers a status that its description does not name, but for those of the router itself.
    fn is_described(&self, method: &str, path: &str, status: u16) {
        let Some(paths) = self.described["paths"].as_object() else {
            return;
        };
        if matches!(status, 405 | 413) {
            return;
        }
        let path: Vec<_> = path.split('?').next().unwrap().split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<_> = template.split('/').collect();
            parts.len() == path.len()
                && parts
                    .iter()
                    .zip(&path)
                    .all(|(part, here)| part.starts_with('{') || part == here)
        };
        let exact = paths.keys().filter(|template| fits(template));
        let Some(template) = exact.min_by_key(|template| template.matches('{').count()) else {
            assert_eq!(status, 404);
            return;
        };
        let responses = &paths[template][method.to_ascii_lowercase()]["responses"];
        assert!(
            responses.get(status.to_string()).is_some(),
            "{method} {template} answers {status}, which it does not describe"
        );
    }

    /// Asks as the project, as the Node SDK does: with its odd header too.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Value) -> Got {
        let token = project_token(KEY, &secret(), SystemTime::now());
        let headers = [
            ("X-OPENTOK-AUTH", token.as_str()),
            ("headers", "[object Object]"),
            ("Content-Type", "application/json"),
        ];
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        self.raw(method, path, &headers, body.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Got {
        self.ask("GET", path, Value::Null)
    }

    /// Makes a session.
    pub(crate) fn session(&self, form: &str) -> String {
        let token = project_token(KEY, &secret(), SystemTime::now());
        let headers = [("X-OPENTOK-AUTH", token.as_str())];
        let got = self.raw("POST", "/session/create", &headers, form.as_bytes());
        assert!(
            got.head
                .to_ascii_lowercase()
                .contains("content-type: application/json\r\n"),
            "{got:?}"
        );
        got.ok()[0]["session_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn token(&self, session: &str, role: Role) -> String {
        let mut claims = OpenTokConnect::new(KEY, session, SystemTime::now(), HOUR);
        claims.role = role;
        claims.connection_data = Some("sip=true".into());
        mint(&claims, &secret()).unwrap()
    }

    pub(crate) fn dial_with(&self, session: &str, query: &str, sip: Value) -> Got {
        let token = self.token(session, Role::Publisher);
        let body = json!({"sessionId": session, "token": token, "sip": sip});
        self.ask("POST", &format!("/v2/project/{KEY}/dial{query}"), body)
    }

    pub(crate) fn dial(&self, session: &str, uri: &str) -> Got {
        self.dial_with(session, "", json!({"uri": uri}))
    }

    /// A dial, once it is over.
    pub(crate) fn ended(&self, id: &str) -> Value {
        self.until(&format!("dial {id} is over"), || {
            let dial = self.get(&format!("/v2/project/{KEY}/dial/{id}")).ok();
            (dial["status"] == "ended").then_some(dial)
        })
    }

    pub(crate) fn until<T>(&self, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
        // A BYE that nobody answers is given up after 32 s (RFC 3261, timer F).
        let end = Instant::now() + Duration::from_secs(45);
        loop {
            if let Some(value) = ready() {
                return value;
            }
            assert!(
                Instant::now() < end,
                "not in time: {what}\n{:?}",
                self.lines()
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    pub(crate) fn state(&self) -> Value {
        self.raw(
            "GET",
            "/operator/state",
            &[("X-Operator-Key", &self.operator)],
            b"",
        )
        .ok()
    }

    pub(crate) fn figure(&self, name: &str) -> f64 {
        let text = self.raw("GET", "/metrics", &[], b"").text;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name}: {text}"))
            .parse()
            .unwrap()
    }

    /// No call, no session, no participant and no media port is left.
    pub(crate) fn nothing_left(&self) {
        self.until("nothing is left", || {
            let left = ["calls", "sessions", "participants", "media_port_pairs"];
            left.iter()
                .all(|name| self.figure(&format!("patchcord_{name}")) == 0.0)
                .then_some(())
        });
        let state = self.state();
        assert_eq!(
            (&state["calls"], &state["sessions"], &state["sip"]["calls"]),
            (&json!([]), &json!([]), &json!(0)),
            "no call, no session, no dialog"
        );
    }

    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    pub(crate) fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        panic!("it does not end");
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

/// A callback as it came: its head, its body, and the body read.
pub(crate) struct Callback {
    pub(crate) head: String,
    pub(crate) text: String,
    pub(crate) body: Value,
}

/// Takes callbacks.
pub(crate) struct Told {
    pub(crate) url: String,
    came: Receiver<Callback>,
}

impl Told {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/told", listener.local_addr().unwrap());
        let (tell, came) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = Vec::new();
                let callback = loop {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if let Some((head, text)) = text.split_once("\r\n\r\n")
                        && let Ok(body) = serde_json::from_str(text)
                    {
                        let (head, text) = (head.to_owned(), text.to_owned());
                        break Callback { head, text, body };
                    }
                    let mut more = [0; 4096];
                    let read = stream.read(&mut more).unwrap();
                    assert!(read > 0, "a callback breaks off: {text}");
                    bytes.extend_from_slice(&more[..read]);
                };
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .unwrap();
                if tell.send(callback).is_err() {
                    return;
                }
            }
        });
        Self { url, came }
    }

    /// Asks `gate` to be told of these.
    pub(crate) fn of(gate: &Gate, events: &[(&str, &str)]) -> Self {
        let told = Self::start();
        for (group, event) in events {
            let body = json!({"group": group, "event": event, "url": told.url});
            gate.ask("POST", &format!("/v2/project/{KEY}/callback"), body)
                .ok();
        }
        told
    }

    /// The next callback.
    #[track_caller]
    pub(crate) fn next(&self) -> Callback {
        self.came
            .recv_timeout(Duration::from_secs(45))
            .expect("a callback")
    }

    /// Nobody was told anything.
    #[track_caller]
    pub(crate) fn nothing(&self) {
        if let Ok(callback) = self.came.try_recv() {
            panic!("told: {}", callback.text);
        }
    }

    /// The callbacks up to the one of a dial that is over.
    #[track_caller]
    pub(crate) fn until_ended(&self) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let body = self.next().body;
            let over = body["call"]["status"] == "ended";
            all.push(body);
            if over {
                return all;
            }
        }
    }
}
