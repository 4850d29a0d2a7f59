//! SIP over TLS, and the ways in which sound gets its keys.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use examples::tls;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};

use crate::gate::{Gate, KEY, Told};
use crate::phone::Phone;

/// A certificate in a file, and what shows it.
fn identity(name: &str) -> (PathBuf, tls::Identity) {
    let identity = tls::generate(vec!["127.0.0.1".to_owned()]).unwrap();
    let path = std::env::temp_dir().join(format!("gateway-{name}-{}.pem", std::process::id()));
    std::fs::write(&path, &identity.pem).unwrap();
    (path, identity)
}

#[test]
fn a_phone_over_tls_with_every_kind_of_key() {
    let (trusted, shown) = identity("phone");
    let gate = Gate::start(&["--ca", trusted.to_str().unwrap(), "--secure", "dtls"]);
    let phone = Phone::over_tls(shown.server);
    for (uri, secure, keys) in [
        (
            format!("{};transport=tls", phone.uri()),
            json!(false),
            "none",
        ),
        (
            phone.uri().replace("sip:", "sips:"),
            json!("sdes"),
            "SDES, AES_CM",
        ),
        (
            format!("{};transport=tls", phone.uri()),
            json!(true),
            "DTLS, ",
        ),
    ] {
        let told = Told::of(&gate, &[("call", "status")]);
        let session = gate.session("");
        let got = gate.dial_with(
            &session,
            "?wait=answered",
            json!({"uri": uri, "secure": secure}),
        );
        let connection = got.text_of("connectionId");
        got.ok();
        assert!(phone.expect("invite").contains("SIP/2.0/TLS"), "{uri}");
        gate.until(&format!("{secure}: {keys}, and sound"), || {
            let state = gate.state();
            let call = &state["calls"][0];
            let heard = call["received"].as_f64().is_some_and(|dbov| dbov > -40.0);
            (call["keys"].as_str()?.starts_with(keys) && heard).then_some(())
        });
        let path = format!("/v2/project/{KEY}/session/{session}/connection/{connection}");
        assert_eq!(gate.ask("DELETE", &path, Value::Null).status, 204);
        phone.expect("ended");
        told.until_ended();
        gate.nothing_left();
    }
    std::fs::remove_file(trusted).unwrap();
}

#[test]
fn a_phone_whose_certificate_nobody_knows_is_not_called() {
    let (trusted, _) = identity("trusted");
    let (other, shown) = identity("other");
    let gate = Gate::start(&["--ca", trusted.to_str().unwrap()]);
    let phone = Phone::over_tls(shown.server);
    let uri = format!("{};transport=tls", phone.uri());
    let session = gate.session("");
    let id = gate.dial(&session, &uri).text_of("id");
    let over = gate.ended(&id);
    let reason = over["reason"].as_str().unwrap();
    assert!(reason.contains("certificate"), "{reason}");
    assert!(phone.events.try_recv().is_err(), "the phone saw something");
    gate.nothing_left();
    for file in [trusted, other] {
        std::fs::remove_file(file).unwrap();
    }
}

/// The gateway's own door for TLS: its certificate is the one of the files, and nothing comes in uninvited.
#[test]
fn who_comes_uninvited_over_tls_is_refused_and_counted() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("gateway-sips-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let args = [
        "--sip-tls",
        "127.0.0.1:0",
        "--tls-cert",
        cert,
        "--tls-key",
        key,
    ];
    let gate = Gate::start_over("https://", &args);

    let client = tls::client(Some(cert.as_ref())).unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let tls = ClientConnection::new(Arc::clone(&client), name).unwrap();
    let tcp = TcpStream::connect(gate.sip_tls.unwrap()).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut stream = StreamOwned::new(tls, tcp);
    stream
        .write_all(
            b"INVITE sip:anybody@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK1\r\n\
              Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:anybody@127.0.0.1>\r\nCall-ID: 1\r\n\
              CSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1:9;transport=tls>\r\nContent-Length: 0\r\n\r\n",
        )
        .unwrap();
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("SIP/2.0 403"), "{answer}");
    std::fs::remove_dir_all(folder).unwrap();
}
