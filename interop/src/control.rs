//! baresip's control port (its module `ctrl_tcp`): JSON in netstrings, commands one way, answers and events the other.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Something that baresip reported by itself, such as `CALL_ESTABLISHED`.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it came in.
    pub at: Instant,
    /// `CALL_INCOMING`, `CALL_DTMF_START`, `CALL_RTCP`, …
    pub kind: String,
    /// The key of a `CALL_DTMF_START`, the reason of a `CALL_CLOSED`, …
    pub param: String,
    /// All of it.
    pub json: Value,
}

impl Event {
    /// A number inside, by its JSON pointer, such as `/rtcp_stats/rx/sent`.
    pub fn number(&self, pointer: &str) -> Option<i64> {
        self.json.pointer(pointer)?.as_i64()
    }
}

/// The connection: a thread reads, [`Control::command`] and [`Control::wait_for`] sort what came.
#[derive(Debug)]
pub struct Control {
    stream: TcpStream,
    messages: Receiver<Value>,
    events: Vec<Event>,
    /// Up to here, `wait_for` has given events away.
    seen: usize,
}

impl Control {
    /// Connects to the control port on 127.0.0.1.
    pub fn connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        let reader = stream.try_clone()?;
        let (tx, messages) = channel();
        std::thread::spawn(move || read_all(reader, &tx));
        Ok(Self {
            stream,
            messages,
            events: Vec::new(),
            seen: 0,
        })
    }

    /// Sends a command and gives baresip's answer.
    ///
    /// # Panics
    /// When no answer comes within 5 s, or a refusal does.
    pub fn command(&mut self, name: &str, params: &str) -> String {
        let body = json!({ "command": name, "params": params, "token": "t" }).to_string();
        let frame = format!("{}:{body},", body.len());
        self.stream
            .write_all(frame.as_bytes())
            .expect("the control connection");
        let end = Instant::now() + Duration::from_secs(5);
        while let Ok(message) = self
            .messages
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            if message["response"] == true {
                assert_eq!(
                    message["ok"], true,
                    "baresip refused {name} {params}: {message}"
                );
                return message["data"].as_str().unwrap_or_default().to_owned();
            }
            self.keep(message);
        }
        panic!("baresip did not answer {name} {params}")
    }

    /// The next event of this kind that no earlier call has passed over or given.
    ///
    /// # Panics
    /// With the events that did come when `limit` has passed.
    pub fn wait_for(&mut self, kind: &str, limit: Duration) -> Event {
        self.next_event(kind, limit)
            .unwrap_or_else(|| panic!("no {kind} within {limit:?}; events: {:?}", self.kinds()))
    }

    /// As [`Control::wait_for`], with `None` when nothing came.
    pub fn next_event(&mut self, kind: &str, limit: Duration) -> Option<Event> {
        let end = Instant::now() + limit;
        loop {
            while let Some(event) = self.events.get(self.seen) {
                self.seen += 1;
                if event.kind == kind {
                    return Some(event.clone());
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left).ok()?;
            self.keep(message);
        }
    }

    /// Everything reported so far, oldest first, whether waited for or not.
    pub fn events(&mut self) -> &[Event] {
        while let Ok(message) = self.messages.try_recv() {
            self.keep(message);
        }
        &self.events
    }

    /// The parameters of all events of one kind so far, such as every key of `CALL_DTMF_START`.
    pub fn params_of(&mut self, kind: &str) -> Vec<String> {
        self.events()
            .iter()
            .filter(|e| e.kind == kind)
            .map(|e| e.param.clone())
            .collect()
    }

    fn kinds(&self) -> Vec<String> {
        self.events
            .iter()
            .map(|e| format!("{} {}", e.kind, e.param))
            .collect()
    }

    fn keep(&mut self, json: Value) {
        if json["event"] == true {
            let text = |name| json[name].as_str().unwrap_or_default().to_owned();
            self.events.push(Event {
                at: Instant::now(),
                kind: text("type"),
                param: text("param"),
                json,
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Ends the reading thread too.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn read_all(mut stream: TcpStream, tx: &Sender<Value>) {
    let mut buffer = Vec::new();
    let mut chunk = [0; 16_384];
    while let Ok(n @ 1..) = stream.read(&mut chunk) {
        buffer.extend_from_slice(&chunk[..n]);
        while let Some((body, used)) = netstring(&buffer) {
            // baresip does not escape everything that its peers may put into a display name; such a line is lost.
            let message = serde_json::from_slice(body).ok();
            buffer.drain(..used);
            if message.is_some_and(|m| tx.send(m).is_err()) {
                return;
            }
        }
    }
}

/// The first whole netstring's body, and how many bytes it took.
fn netstring(buffer: &[u8]) -> Option<(&[u8], usize)> {
    let colon = buffer.iter().position(|&b| b == b':')?;
    let len: usize = std::str::from_utf8(&buffer[..colon]).ok()?.parse().ok()?;
    let body = buffer.get(colon + 1..colon + 1 + len)?;
    (buffer.len() > colon + 1 + len).then_some((body, colon + len + 2))
}

#[cfg(test)]
mod tests {
    use super::netstring;

    #[test]
    fn netstrings_are_cut_where_they_end() {
        assert_eq!(netstring(b"5:hello,3:"), Some((&b"hello"[..], 8)));
        for partial in [&b""[..], b"5", b"5:", b"5:hell", b"5:hello"] {
            assert_eq!(netstring(partial), None, "{partial:?}");
        }
    }
}
