//! The built `opentok_gateway` over its REST interface: what each request answers, what callbacks tell, and that
//! nothing is left of a call that is over.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "opentok_gateway/access.rs"]
mod access;
#[path = "opentok_gateway/gate.rs"]
mod gate;
#[path = "opentok_gateway/phone.rs"]
mod phone;
#[path = "support/program.rs"]
mod program;
#[path = "opentok_gateway/secure.rs"]
mod secure;

use std::time::{Duration, SystemTime};

use gate::{Callback, Gate, KEY, Told, project_token, secret};
use media_mix::wav::WavReader;
use phone::Phone;
use serde_json::{Value, json};
use token::{
    Algorithm, OpenTokConnect, OpenTokProject, Role, StaticSecret, T1Secret, mint, mint_t1,
};

const HOUR: Duration = Duration::from_secs(3600);
const STATUS: &[(&str, &str)] = &[("call", "status")];
const EVENTS: [(&str, &str); 9] = [
    ("session", "created"),
    ("session", "destroyed"),
    ("connection", "created"),
    ("connection", "destroyed"),
    ("stream", "created"),
    ("stream", "destroyed"),
    ("signal", "sent"),
    ("archive", "status"),
    ("call", "status"),
];

fn dial_path() -> String {
    format!("/v2/project/{KEY}/dial")
}

#[test]
fn who_may_ask() {
    let gate = Gate::start(&[]);
    let now = SystemTime::now();
    let other =
        StaticSecret::new(Algorithm::Hs256, b"some other secret of thirty-two bytes").unwrap();
    let connect = mint(&OpenTokConnect::new(KEY, "s", now, HOUR), &secret()).unwrap();
    let table = [
        (None, "missing"),
        (Some("garbage".to_owned()), "malformed"),
        (Some(project_token(KEY, &other, now)), "X-OPENTOK-AUTH"),
        (Some(project_token("101", &secret(), now)), "issuer"),
        (Some(project_token(KEY, &secret(), now - HOUR)), "expired"),
        (Some(connect), "another kind of token"),
    ];
    for (token, part) in table {
        let headers: Vec<_> = token
            .iter()
            .map(|token| ("X-OPENTOK-AUTH", token.as_str()))
            .collect();
        for (method, path) in [("POST", "/session/create".to_owned()), ("GET", dial_path())] {
            gate.raw(method, &path, &headers, b"").failed(403, part);
        }
    }
    // Its own token opens no other project's paths.
    gate.get("/v2/project/101/dial").failed(403, "project");
    let wrong = [("X-Operator-Key", "pck_AAAAAAAAAAAA.AAAA")];
    gate.raw("GET", "/operator/state", &wrong, b"")
        .failed(403, "X-Operator-Key");
    for path in [
        "/operator",
        "/operator/page.js",
        "/operator/page.css",
        "/health",
        "/metrics",
    ] {
        assert_eq!(gate.raw("GET", path, &[], b"").status, 200, "{path}");
    }
    gate.nothing_left();
}

#[test]
fn what_cannot_be_dialled() {
    let gate = Gate::start(&[]);
    let routed = gate.session("p2p.preference=disabled");
    let relayed = gate.session("p2p.preference=enabled");
    let told = Told::of(&gate, &EVENTS);
    let uri = gate.phone.as_str();
    gate.dial(&relayed, uri).failed(409, "not routed");
    gate.dial("1_bogus!", uri).failed(400, "session id");
    let forgotten = examples::opentok::SessionName::new(KEY, "", 1, [1; 16]);
    gate.dial(forgotten.as_str(), uri)
        .failed(404, "no such session");
    let sips = [
        (
            json!({"uri": uri, "headers": {"Room": "1"}}),
            "must begin with X-",
        ),
        (
            json!({"uri": uri, "headers": {"X-A": "1\r\nVia: x"}}),
            "control",
        ),
        (json!({"uri": "http://example.org"}), "sip.uri"),
        (json!({"uri": uri, "from": "nobody"}), "sip.from"),
        (json!({}), "uri"),
    ];
    for (sip, part) in sips {
        gate.dial_with(&routed, "", sip).failed(400, part);
    }
    gate.dial_with(&routed, "?wait=forever", json!({"uri": uri}))
        .failed(400, "wait");
    let body = |token: &str| json!({"sessionId": routed, "token": token, "sip": {"uri": uri}});
    let now = SystemTime::now();
    let mint_for = |session: &str, role: Role, since: SystemTime| {
        let mut claims = OpenTokConnect::new(KEY, session, since, HOUR);
        claims.role = role;
        mint(&claims, &secret()).unwrap()
    };
    let project = mint(&OpenTokProject::new(KEY, now, HOUR), &secret()).unwrap();
    for (token, part) in [
        (
            mint_for(&routed, Role::Subscriber, now),
            "a subscriber may not dial",
        ),
        (mint_for(&routed, Role::PublisherOnly, now), "may not dial"),
        (
            mint_for(&routed, Role::Publisher, now - 2 * HOUR),
            "expired",
        ),
        (mint_for(&relayed, Role::Publisher, now), "another session"),
        (project, "a connect token is needed"),
        ("T1==garbage".to_owned(), "token"),
        (String::new(), "token"),
    ] {
        gate.ask("POST", &dial_path(), body(&token))
            .failed(403, part);
    }
    gate.ask("POST", &dial_path(), json!([]))
        .failed(400, "body");
    gate.ask(
        "POST",
        &dial_path(),
        json!({"sessionId": "x".repeat(70_000)}),
    )
    .failed(413, "bytes");
    gate.ask("PUT", &dial_path(), Value::Null)
        .failed(405, "PUT");
    gate.get("/v2/project/100/nothing").failed(404, "nothing");
    for bad in [
        "p2p.preference=maybe",
        "archiveMode=always&p2p.preference=enabled",
    ] {
        let token = project_token(KEY, &secret(), now);
        let headers = [("X-OPENTOK-AUTH", token.as_str())];
        assert_eq!(
            gate.raw("POST", "/session/create", &headers, bad.as_bytes())
                .status,
            400
        );
    }
    assert_eq!(
        gate.figure("patchcord_calls_dialled_total"),
        0.0,
        "nothing was dialled"
    );
    gate.nothing_left();
    told.nothing();
}

/// A call from the first request to the last, with a phone that proves what it saw.
#[test]
fn a_call_and_all_that_is_done_to_it() {
    let gate = Gate::start(&["--talker", "--callback-secret", "of the receiver"]);
    let phone = Phone::start(Some("secret"));
    let told = Told::of(&gate, &EVENTS);
    let session = gate.session("");
    let at = format!("/v2/project/{KEY}/session/{session}");
    assert_eq!(gate.get(&format!("{at}/stream")).ok()["count"], 0);
    gate.ask("POST", &format!("{at}/mute"), json!({"active": true}))
        .failed(404, "nobody");

    let sip = json!({
        "uri": phone.uri(), "from": "15550100@example.com", "headers": {"X-Room": "42"},
        "auth": {"username": "desk", "password": "secret"}, "secure": true,
    });
    let mut claims = OpenTokConnect::new(KEY, &session, SystemTime::now(), HOUR);
    claims.connection_data = Some("sip=true".into());
    let key = T1Secret::new(KEY, gate::SECRET.as_bytes()).unwrap();
    let body = json!({"sessionId": session, "token": mint_t1(&claims, &key).unwrap(), "sip": sip});
    let got = gate.ask("POST", &format!("{}?wait=answered", dial_path()), body);
    let (connection, stream) = (got.text_of("connectionId"), got.text_of("streamId"));
    let (id, dial) = (got.text_of("id"), got.ok());
    assert_eq!(
        (&dial["status"], &dial["projectId"]),
        (&json!("answered"), &json!(KEY))
    );
    let invite = phone.expect("invite");
    for part in ["X-Room: 42", "sip:15550100@example.com", "RTP/SAVP"] {
        assert!(invite.contains(part), "{part}: {invite}");
    }

    let streams = gate.get(&format!("{at}/stream")).ok();
    assert_eq!(streams["count"], 2, "{streams}");
    let one = gate.get(&format!("{at}/stream/{stream}"));
    assert_eq!((one.status, &one.body["id"]), (200, &json!(stream)));
    gate.get(&format!("{at}/stream/other"))
        .failed(404, "stream");

    let dtmf = |path: &str, digits: &str| {
        gate.ask(
            "POST",
            &format!("{at}{path}/play-dtmf"),
            json!({"digits": digits}),
        )
    };
    dtmf(&format!("/connection/{connection}"), "1p2").ok();
    for key in ["key 1", "key 2"] {
        phone.expect(key);
    }
    dtmf("", "#").ok();
    phone.expect("key #");
    dtmf("", "x").failed(400, "no key");
    dtmf("/connection/other", "1").failed(404, "connection");

    let muted = || {
        let state = gate.state();
        let people = state["sessions"][0]["people"].as_array().unwrap().clone();
        people
            .iter()
            .map(|one| one["muted"].as_bool().unwrap())
            .collect::<Vec<_>>()
    };
    gate.ask("POST", &format!("{at}/stream/{stream}/mute"), Value::Null)
        .ok();
    assert_eq!(muted(), [false, true]);
    let except = json!({"active": true, "excludedStreams": [stream]});
    gate.ask("POST", &format!("{at}/mute"), except).ok();
    assert_eq!(muted(), [true, true]);
    gate.ask("POST", &format!("{at}/mute"), json!({"active": false}))
        .ok();
    assert_eq!(muted(), [false, false]);
    gate.ask(
        "POST",
        &format!("{at}/mute"),
        json!({"excludedStreams": ["other"]}),
    )
    .failed(404, "stream");

    let signal = json!({"type": "chat", "data": "hello"});
    assert_eq!(
        gate.ask("POST", &format!("{at}/signal"), signal.clone())
            .status,
        204
    );
    let to = format!("{at}/connection/{connection}/signal");
    assert_eq!(gate.ask("POST", &to, signal).status, 204);
    let long = json!({"type": "t".repeat(200), "data": ""});
    gate.ask("POST", &to, long).failed(400, "128");

    let archive = json!({"sessionId": session, "name": "test"});
    let archives = format!("/v2/project/{KEY}/archive");
    let started = gate.ask("POST", &archives, archive.clone());
    let (archive_id, file) = (started.text_of("id"), started.text_of("file"));
    assert_eq!(started.ok()["status"], "started");
    gate.ask("POST", &archives, archive).failed(409, "already");
    assert_eq!(
        gate.get(&format!("{at}/stream")).ok()["count"],
        2,
        "a recorder is nobody"
    );
    std::thread::sleep(Duration::from_millis(1200));
    gate.ask(
        "POST",
        &format!("{archives}/{archive_id}/stop"),
        Value::Null,
    )
    .ok();
    gate.ask(
        "POST",
        &format!("{archives}/{archive_id}/stop"),
        Value::Null,
    )
    .failed(409, "already");
    let done = gate.until("the recording is whole", || {
        let one = gate.get(&format!("{archives}/{archive_id}")).ok();
        (one["status"] == "available").then_some(one)
    });
    let url = done["url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{}", gate.http)).unwrap();
    gate.raw("GET", path, &[], b"").failed(403, "missing");
    let sent = gate.get(path);
    assert!(sent.head.contains("audio/wav"), "{}", sent.head);
    let recorded = std::fs::read(gate.scratch.join(file)).unwrap();
    assert_eq!(done["size"], recorded.len());
    assert!(sent.bytes == recorded, "{} bytes came", sent.bytes.len());
    let other = path.replace(&archive_id, "other");
    gate.get(&other).failed(404, "no archive");
    let mut file = WavReader::new(std::io::Cursor::new(&recorded[..])).unwrap();
    let mut sound = vec![0; 96_000];
    let read = file.read_mono(&mut sound).unwrap();
    let heard = examples::spectrum::Spectrum::of(&sound[read - 48_000..read], 48_000).unwrap();
    let other = heard.loudest_other(&[440, 1020]);
    assert!(
        other.db < -30.0,
        "the talker and the phone, and nobody else: {other:?}"
    );
    assert!((heard.level(440) - heard.level(1020)).abs() < 3.0);
    assert_eq!(gate.get(&archives).ok()["count"], 1);

    let path = format!("{at}/connection/{connection}");
    assert_eq!(gate.ask("DELETE", &path, Value::Null).status, 204);
    gate.ask("DELETE", &path, Value::Null).failed(404, "");
    assert!(phone.expect("ended").contains("hung up by the peer"));
    let over = gate.ended(&id);
    assert!(over["duration"].as_f64().unwrap() > 1.0, "{over}");
    gate.nothing_left();

    let mut seen: Vec<String> = Vec::new();
    // The session closes with its last phone; what became of the call is told after that.
    while seen.last().is_none_or(|last| last != "call ended") {
        let Callback { head, text, body } = told.next();
        assert_eq!(
            (&body["sessionId"], &body["projectId"]),
            (&json!(session), &json!(KEY))
        );
        let signature = head
            .lines()
            .find_map(|line| line.strip_prefix("patchcord-signature: "));
        let now = SystemTime::now();
        let check = signaling::http::hooks::verify;
        check(
            b"of the receiver",
            signature.unwrap(),
            text.as_bytes(),
            now,
            HOUR,
        )
        .unwrap();
        let event = body["event"].as_str().unwrap();
        seen.push(match event {
            "callStatus" => format!("call {}", body["call"]["status"].as_str().unwrap()),
            "archiveStatus" => format!("archive {}", body["archive"]["status"].as_str().unwrap()),
            event => event.to_owned(),
        });
        if event == "connectionDestroyed" && body["connection"]["id"] == connection.as_str() {
            assert_eq!(body["reason"], "forceDisconnected");
            assert_eq!(body["connection"]["data"], "sip=true");
        }
    }
    for event in [
        "sessionCreated",
        "connectionCreated",
        "streamCreated",
        "call created",
        "call answered",
        "signalSent",
        "archive started",
        "archive stopped",
        "archive available",
        "streamDestroyed",
        "connectionDestroyed",
        "sessionDestroyed",
    ] {
        assert!(seen.iter().any(|one| one == event), "{event}: {seen:?}");
    }
}

/// Each way in which a dial fails: the status of the request, the dial, and the callback.
#[test]
fn a_dial_that_fails_says_why() {
    let gate = Gate::start(&["--ring", "1s"]);
    let phone = Phone::start(Some("secret"));
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let builtin = |user: &str| gate.phone.replace("sip:phone@", &format!("sip:{user}@"));
    let wrong = json!({"username": "desk", "password": "wrong"});
    let table = [
        (
            json!({"uri": phone.uri(), "auth": wrong}),
            Some(401),
            "desk",
        ),
        (json!({"uri": phone.uri()}), Some(401), "phone.example"),
        (json!({"uri": builtin("busy")}), Some(486), "Busy Here"),
        (
            json!({"uri": builtin("nobody")}),
            None,
            "not answered in time",
        ),
        (
            json!({"uri": format!("sip:x@{closed};transport=tcp")}),
            None,
            "cannot reach",
        ),
    ];
    for (sip, status, part) in table {
        let told = Told::of(&gate, STATUS);
        let session = gate.session("");
        let got = gate.dial_with(&session, "", sip.clone());
        let (id, connection) = (got.text_of("id"), got.text_of("connectionId"));
        // At once, whatever becomes of it; what fails at once may have failed by now.
        got.ok();
        let over = gate.ended(&id);
        let reason = over["reason"].as_str().unwrap();
        assert!(reason.contains(part), "{sip}: {reason}");
        if let Some(status) = status {
            assert_eq!(over["sip"]["status"], status, "{sip}: {over}");
        }
        assert!(over["setupMs"].is_null() && over["duration"].is_null());
        let callbacks = told.until_ended();
        assert_eq!(callbacks[0]["call"]["status"], "created");
        let last = &callbacks.last().unwrap()["call"];
        assert_eq!(
            (&last["reason"], &last["connectionId"]),
            (&over["reason"], &json!(connection))
        );
        // Who waits for an answer is told in the answer.
        gate.dial_with(&session, "?wait=answered", sip)
            .failed(502, part);
        gate.nothing_left();
    }
}

#[test]
fn a_phone_that_vanishes_is_noticed() {
    let gate = Gate::start(&["--idle", "1s"]);
    let mut phone = Phone::start(None);
    let told = Told::of(&gate, STATUS);
    let session = gate.session("");
    // Over TCP nobody is there for the BYE, and that is known at once; over UDP it would be waited for, 32 s (timer F).
    let uri = format!("{};transport=tcp", phone.uri());
    let got = gate.dial_with(&session, "?wait=answered", json!({"uri": uri}));
    let id = got.text_of("id");
    got.ok();
    phone.expect("answered");
    phone.vanish();
    let over = gate.ended(&id);
    let reason = over["reason"].as_str().unwrap();
    assert!(reason.contains("no sound for too long"), "{reason}");
    assert_eq!(told.until_ended().last().unwrap()["call"]["reason"], reason);
    gate.nothing_left();
}

#[cfg(unix)]
#[test]
fn a_gateway_that_is_stopped_says_goodbye() {
    let mut gate = Gate::start(&["--drain", "2s"]);
    let phone = Phone::start(None);
    let told = Told::of(&gate, &[("call", "status"), ("session", "destroyed")]);
    let session = gate.session("");
    let got = gate.dial_with(&session, "?wait=answered", json!({"uri": phone.uri()}));
    let id = got.text_of("id");
    got.ok();
    phone.expect("answered");
    gate.terminate();
    gate.until("it drains", || {
        (gate.state()["draining"] == true).then_some(())
    });
    for got in [
        gate.dial(&session, &phone.uri()),
        gate.raw("GET", "/health", &[], b""),
    ] {
        got.failed(503, "about to stop");
        assert!(
            got.head.to_ascii_lowercase().contains("retry-after: 2"),
            "{got:?}"
        );
    }
    let going = gate.get(&format!("{}/{id}", dial_path())).ok();
    assert_eq!(going["status"], "answered", "the call goes on");
    assert!(phone.expect("ended").contains("hung up by the peer"), "BYE");
    let last = told.until_ended().pop().unwrap();
    assert_eq!(last["call"]["id"], id.as_str());
    assert_eq!(gate.wait(), Some(0));
}

#[test]
fn a_gateway_without_calls_stops_at_once() {
    let mut gate = Gate::start(&["--drain", "1h"]);
    gate.session("");
    gate.terminate();
    assert_eq!(gate.wait(), Some(0));
}

#[test]
fn callbacks_are_asked_for_listed_and_taken_back() {
    let gate = Gate::start(&[]);
    let path = format!("/v2/project/{KEY}/callback");
    let good = json!({"group": "connection", "event": "created", "url": "http://127.0.0.1:1/x"});
    let id = gate.ask("POST", &path, good.clone()).text_of("id");
    assert_eq!(gate.get(&path).ok()[0]["id"], id.as_str());
    assert_eq!(
        gate.ask("DELETE", &format!("{path}/{id}"), Value::Null)
            .status,
        204
    );
    gate.ask("DELETE", &format!("{path}/{id}"), Value::Null)
        .failed(404, "no callback");
    let mut bad = good.clone();
    bad["url"] = "gopher://x".into();
    gate.ask("POST", &path, bad).failed(400, "http://");
    for _ in 0..100 {
        gate.ask("POST", &path, good.clone()).ok();
    }
    gate.ask("POST", &path, good).failed(409, "100");
}

/// REST over TLS by a certificate from files, named in a file of settings.
#[test]
fn over_tls_by_a_file_of_settings() {
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};
    use std::io::{Read as _, Write as _};
    use std::sync::Arc;

    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("opentok_gateway-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let cert = write("cert.pem", made.cert.pem());
    let key = write("key.pem", made.signing_key.serialize_pem());
    let settings = format!("tls-cert = {cert}\ntls-key = \"{key}\" # secret\ndrain = 1s\n");
    let settings = write("gateway.conf", settings);
    let gate = Gate::start_over("https://", &["--config", &settings]);

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let tcp = std::net::TcpStream::connect(gate.http).unwrap();
    let mut stream = StreamOwned::new(tls, tcp);
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{answer:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn arguments_that_cannot_be() {
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(program::program("opentok_gateway"));
        let output = command.args(args).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let scratch = std::env::temp_dir().join(format!("opentok_gateway-conf-{}", std::process::id()));
    std::fs::write(&scratch, "ring = never\n").unwrap();
    let config = scratch.to_str().unwrap();
    for (args, part) in [
        (&["--api-key", "1"][..], "--api-secret"),
        (&["--api-key", "1", "--api-secret", "short"], "--api-secret"),
        (&["--http", "here"], "invalid"),
        (&["--http", "203.0.113.1:80"], "cannot listen"),
        (&["--ring", "0"], "longer than 0"),
        (&["--tls-cert", "a"], "--tls-key"),
        (
            &["--tls-cert", "none.pem", "--tls-key", "none.pem"],
            "none.pem",
        ),
        (&["--config", "none.conf"], "none.conf"),
        (&["--config", config], "not a time"),
        (&["--application", "a"], "--application-key"),
        (
            &["--application", "a", "--application-key", config],
            "opentok_gateway-conf",
        ),
        (&["--secure", "zrtp"], "--secure"),
        (&["--secure", "allow"], "write sdes or dtls"),
        (&["--stun", "127.0.0.1"], "--stun and --turn go with --ice"),
        (
            &["--ice", "--stun", "host.invalid"],
            "--stun host.invalid: ",
        ),
        (&["--ca", config], "holds no certificate"),
    ] {
        let (code, error) = run(args);
        assert_eq!(code, Some(2), "{args:?}: {error}");
        assert_eq!(error.matches('\n').count(), 1, "one line: {error}");
        assert!(error.contains(part), "{args:?}: {error}");
    }
    std::fs::remove_file(scratch).unwrap();
}
