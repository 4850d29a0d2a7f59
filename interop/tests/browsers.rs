//! JsSIP and SIP.js in headless Chromium at `mini_pbx`, over WS and WSS, with passwords and with HA1s: they register,
//! refresh, call and are called, unregister, and are told of a wrong password.

use interop::{Switchboard, absent, installed};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// MD5 of `alice:mini_pbx:secret-alice`, and of the same for bob.
const HA1: [&str; 2] = [
    "4e7a06ad690d8c63a37f2708369457c6",
    "8e4f0d2b36b34b1aee7a67bc8e1a6efd",
];

/// Debian's; its wrapper in the path would start a session of its own.
const CHROMIUM: &str = "/usr/lib/chromium/chromium";

#[test]
fn register_refresh_call_are_called_unregister() {
    if !installed(&["node", "npm"]) {
        return;
    }
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| CHROMIUM.to_owned());
    if !Path::new(&chromium).exists() {
        absent("chromium");
        return;
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&place).expect("a folder below target");
    for (name, text) in [
        ("package.json", include_str!("../browser/package.json")),
        ("page.js", include_str!("../browser/page.js")),
        ("run.mjs", include_str!("../browser/run.mjs")),
    ] {
        std::fs::write(place.join(name), text).expect("its files");
    }
    if !place.join("node_modules/playwright-core").exists() {
        let npm = Command::new("npm")
            .args(["install", "--no-package-lock", "--no-audit", "--no-fund"])
            .current_dir(&place)
            .status();
        assert!(npm.is_ok_and(|status| status.success()), "npm install");
    }
    let mut pbx = Switchboard::start();
    let job = json!({
        "ws": format!("ws://127.0.0.1:{}", pbx.port("ws")),
        "wss": format!("wss://127.0.0.1:{}", pbx.port("wss")),
        "host": format!("127.0.0.1:{}", pbx.port("udp")),
        "realm": "mini_pbx",
        "ha1": {"alice": HA1[0], "bob": HA1[1]},
    });
    let ran = Command::new("timeout")
        .args(["120", "node", "run.mjs", &job.to_string()])
        .current_dir(&place)
        .env("CHROMIUM", chromium)
        .output()
        .expect("node");
    let said = String::from_utf8_lossy(&ran.stdout);
    println!("{said}");
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{errors}");
    assert_eq!(said.matches("holds: ").count(), 12, "{said}");
    // And what the switchboard saw of it.
    for transport in ["WS", "WSS"] {
        pbx.app.until("refreshed", |o| o["transport"] == transport);
    }
    for (from, to) in [("alice", "bob"), ("bob", "alice")] {
        pbx.app
            .until("answered", |o| o["from"] == from && o["to"] == to);
    }
    pbx.app
        .until("unregistered", |o| o["registered"] == json!([]));
    pbx.app.quit();
}
