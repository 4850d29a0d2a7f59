//! Users of JsSIP and SIP.js in the pages of one Chromium, told what to do.

use crate::Browser;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long any order may take: more than the pages' own limits.
const PATIENCE: Duration = Duration::from_secs(30);

/// It ends by itself after so many seconds, whatever becomes of the test.
const LIFE_S: u32 = 120;

/// Chromium with a page a user; `browser/page.js` says what a user can do.
#[derive(Debug)]
pub struct Pages {
    node: Child,
    orders: Option<ChildStdin>,
    answers: Receiver<Value>,
    early: HashMap<u64, Value>,
    next: u64,
}

/// An order that is being carried out.
#[derive(Debug)]
#[must_use = "what came of it is told by `Pages::done`"]
pub struct Order(u64, String);

impl Pages {
    /// Starts Chromium, with these flags on top of the usual.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn open(browser: &Browser, flags: &[&str]) -> Self {
        let mut node = browser
            .command("drive.mjs", flags, LIFE_S)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node");
        let orders = node.stdin.take();
        let lines = BufReader::new(node.stdout.take().expect("a pipe"));
        let (tx, answers) = channel();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let answer = serde_json::from_str(&line).expect("a line of JSON");
                if tx.send(answer).is_err() {
                    break;
                }
            }
        });
        Self {
            node,
            orders,
            answers,
            early: HashMap::new(),
            next: 0,
        }
    }

    /// Makes a page of that name with a user on `jssip` or `sipjs`, and connects it.
    ///
    /// # Panics
    /// When it does not connect.
    pub fn user(&mut self, page: &str, lib: &str, options: &Value) {
        let order = self.order(json!({"page": page, "user": [lib, options]}));
        self.done(order);
    }

    /// Has a user do something: the name of one of its functions.
    pub fn begin(&mut self, page: &str, what: &str, arguments: &[&str]) -> Order {
        let mut act = vec![what];
        act.extend(arguments);
        self.order(json!({"page": page, "act": act}))
    }

    /// The same, and waits for what comes of it.
    ///
    /// # Panics
    /// With what the page tells when that is an error.
    #[track_caller]
    pub fn act(&mut self, page: &str, what: &str, arguments: &[&str]) -> Value {
        let order = self.begin(page, what, arguments);
        self.done(order)
    }

    /// Waits until a user hears all of the tones `wanted`, in Hz, and none of the `others`.
    ///
    /// # Panics
    /// With the levels in dB, when that is not so in time.
    #[track_caller]
    pub fn hears(&mut self, page: &str, wanted: &[f64], others: &[f64]) {
        let order = self.order(json!({"page": page, "hears": [wanted, others]}));
        self.done(order);
    }

    /// What came of an order.
    ///
    /// # Panics
    /// With what the page tells when that is an error.
    #[track_caller]
    pub fn done(&mut self, Order(id, line): Order) -> Value {
        let mut answer = loop {
            if let Some(answer) = self.early.remove(&id) {
                break answer;
            }
            let Ok(answer) = self.answers.recv_timeout(PATIENCE) else {
                panic!("no answer to {line}");
            };
            self.early
                .insert(answer["id"].as_u64().expect("an id"), answer);
        };
        let error = answer["error"].take();
        assert!(error.is_null(), "{line}: {error}");
        answer["gave"].take()
    }

    fn order(&mut self, mut order: Value) -> Order {
        self.next += 1;
        order["id"] = json!(self.next);
        let line = order.to_string();
        let orders = self
            .orders
            .as_mut()
            .expect("its input, until it is dropped");
        writeln!(orders, "{line}").expect("a running browser");
        Order(self.next, line)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // The end of its input ends it, and Chromium with it.
        self.orders = None;
        let _ = self.node.wait();
    }
}
