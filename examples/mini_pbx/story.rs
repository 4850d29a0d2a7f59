//! What the switchboard says: lines for people, objects for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use examples::checks::Table;
use examples::screen::Screen;
use serde_json::{Value, json};
use sip_core::Transport;

use crate::places::Places;

/// What is said at the start.
pub(crate) struct Shown<'a> {
    pub(crate) places: &'a Places,
    pub(crate) users: &'a BTreeSet<String>,
    /// Users whose passwords nobody knows yet.
    pub(crate) fresh: &'a [(String, String)],
    pub(crate) groups: &'a BTreeMap<String, Vec<String>>,
    pub(crate) realm: &'a str,
    pub(crate) certificate: Option<&'a Path>,
}

/// Tells everything.
pub(crate) struct Story {
    screen: Screen,
}

impl Story {
    /// On this screen.
    pub(crate) fn new(screen: Screen) -> Self {
        Self { screen }
    }

    /// A line for people and an object for programs.
    pub(crate) fn tell(&self, line: &str, object: &Value) {
        self.screen.say(format_args!("  {line}"));
        self.screen.object(object);
    }

    /// An object for programs alone.
    pub(crate) fn object(&self, object: &Value) {
        self.screen.object(object);
    }

    /// A table.
    pub(crate) fn table(&self, table: &Table) {
        self.screen.say(table.print(self.screen.ink()));
    }

    pub(crate) fn opened(&self, shown: &Shown<'_>) {
        let (screen, ink) = (&self.screen, self.screen.ink());
        let heading = format!("a switchboard for {} users", shown.users.len());
        screen.say(ink.strong(&heading));
        for name in shown.users {
            let password = shown.fresh.iter().find(|(user, _)| user == name);
            match password {
                Some((_, password)) => {
                    screen.say(format_args!("  user {name:<10} password {password}"));
                }
                None => screen.say(format_args!("  user {name}")),
            }
        }
        for (name, members) in shown.groups {
            screen.say(format_args!(
                "  group {name:<9} rings {}",
                members.join(", ")
            ));
        }
        for (transport, at) in shown.places.iter() {
            let way = match transport {
                Transport::Ws => format!("ws://{at}"),
                Transport::Wss => format!("wss://{at}"),
                _ => at.to_string(),
            };
            screen.say(format_args!("  {:<4} {way}", transport.via()));
            screen.object(&json!({
                "event": "listening",
                "transport": transport.via(),
                "address": at.to_string(),
            }));
        }
        for (name, password) in shown.fresh {
            screen.object(&json!({"event": "user", "user": name, "password": password}));
        }
        if let Some(path) = shown.certificate {
            screen.say(format_args!("  certificate {}", path.display()));
            screen.object(&json!({"event": "certificate", "file": path}));
        }
        let first = shown.places.iter().next();
        if let (Some((transport, at)), Some(user)) = (first, shown.users.first()) {
            let asked = match shown.fresh.first() {
                Some((_, password)) => format!("password {password}"),
                None => "its password".to_owned(),
            };
            screen.say(format_args!(
                "  point a phone at it: server {at}, transport {transport}, user {user}, {asked}"
            ));
        }
        screen.say(ink.quiet(&format!(
            "  realm {:?}; who, calls, quit; Ctrl-C ends",
            shown.realm
        )));
        screen.object(&json!({"event": "ready", "realm": shown.realm}));
    }
}
