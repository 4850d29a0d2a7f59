//! A page in headless Chromium with JsSIP or SIP.js, over WebSocket straight to the gateway.

use crate::house::{House, PHONE, TALKERS};
use interop::Browser;
use serde_json::{Value, json};
use signaling::call::Side;
use signaling::net::Event;
use sip_core::net::Listen;
use sip_core::{Transport, Uninvited};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn a_page_calls_the_gateway() {
    // One after the other: tones are judged in real time. SIP.js at the port that calls share.
    for (lib, shared_port) in [("jssip", None), ("sipjs", Some(0))] {
        page_calls(lib, shared_port);
    }
}

fn page_calls(lib: &str, shared_port: Option<u16>) {
    let Some(browser) = Browser::find(Path::new(env!("CARGO_TARGET_TMPDIR"))) else {
        return;
    };
    let mut house = House::with(|config| {
        config.uninvited = Uninvited::Accept;
        config.shared_port = shared_port;
    });
    let bind = (Ipv4Addr::LOCALHOST, 0).into();
    let ws = house
        .runtime
        .block_on(
            house
                .gateway
                .driver()
                .listen(Listen::new(Transport::Ws, bind)),
        )
        .expect("a WebSocket listener");
    let job = json!({
        "lib": lib,
        "ws": format!("ws://{ws}"),
        "target": format!("sip:room7@{ws};transport=ws"),
        "hz": PHONE,
        "wanted": TALKERS,
    });
    let mut node = browser
        .command("talk.mjs", &[&job.to_string()], 90)
        .stdout(Stdio::piped())
        .spawn()
        .expect("node");
    let output = BufReader::new(node.stdout.take().expect("its output"));
    let (tell, steps) = std::sync::mpsc::channel::<Value>();
    let reader = std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let _ = tell.send(serde_json::from_str(&line).expect("a line of JSON"));
        }
    });

    let call = house.answer();
    // The talkers hear the page and one another.
    let mut best = [0.0; 2];
    for _ in 0..8 {
        let heard = house.hear(Duration::from_millis(800));
        for (i, heard) in heard.iter().enumerate() {
            best[i] = heard.seconds_of_all(&[TALKERS[1 - i], PHONE]).max(best[i]);
        }
        if best.iter().all(|&seconds| seconds >= 0.7) {
            break;
        }
    }
    assert!(
        best.iter().all(|&s| s >= 0.7),
        "the page is heard for {best:?} s"
    );
    let info = house.gateway.call(call).expect("the call's figures");
    assert!(info.codec.eq_ignore_ascii_case("opus") && info.dtls);
    assert!(info.suite.is_some() && info.pair.is_some(), "{info:?}");
    let pairs = usize::from(shared_port.is_none());
    assert_eq!(house.gateway.figures().ports, pairs);

    house.wait_for("the page's hold", |e| {
        matches!(e, Event::Held { by: Side::Peer, .. }).then_some(())
    });
    house.wait_for("the page's resume", |e| {
        matches!(e, Event::Resumed { by: Side::Peer, .. }).then_some(())
    });
    assert_eq!(house.keys(), "123", "two by RTP, one by INFO");
    let end = house.wait_for("the end", |e| match e {
        Event::Ended { end, .. } => Some(end.clone()),
        _ => None,
    });
    assert!(end.is_clean(), "{end}");
    assert!(node.wait().expect("node").success());
    reader.join().expect("its lines");
    let said: Vec<Value> = steps.iter().collect();
    println!("{said:#?}");
    let step = |name: &str| said.iter().find(|line| line["step"] == name);
    assert!(step("hears").is_some() && step("hears again").is_some());
    let stats = step("stats").expect("its figures");
    assert_eq!(
        (&stats["dtls"], &stats["lost"]),
        (&json!("connected"), &json!(0)),
        "{stats}"
    );
    assert!(stats["received"].as_u64() > Some(50), "{stats}");
}
