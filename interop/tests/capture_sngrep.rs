//! HEP3 packets of `signaling::capture`, read by sngrep: who sent what to whom, and when.

use interop::{Ports, Process, Proto, Scratch, bound, installed, wait_until};
use signaling::capture::{Captured, Carrier, Hep, HepPayload};
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

fn message(method: &str, call: &str) -> String {
    format!(
        "{method} sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@example.org>;tag=1\r\nTo: <sip:bob@example.org>\r\n\
         Call-ID: {call}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn sngrep_finds_every_field_of_our_packets() {
    if !installed(&["sngrep", "tshark"]) {
        return;
    }
    let (scratch, ports) = (Scratch::new("sngrep"), Ports::take());
    let file = scratch.path().join("out.pcap");
    let mut command = Command::new("sngrep");
    command
        .args([
            "-F",
            "-N",
            "-L",
            &format!("udp:127.0.0.1:{}", ports.port(0)),
            "-O",
        ])
        .arg(&file);
    let mut sngrep = Process::start(command, &scratch.path().join("log"));
    wait_until("sngrep listens", Duration::from_secs(10), || {
        bound(Proto::Udp, ports.port(0)).then_some(())
    });

    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let sent = [
        ("192.0.2.1:5060", "192.0.2.2:5070", "INVITE", "a1"),
        ("192.0.2.3:5061", "192.0.2.4:65535", "OPTIONS", "b2"),
        ("198.51.100.7:1024", "192.0.2.2:5060", "MESSAGE", "c3"),
    ];
    let hep = Hep::new(2001);
    for (n, (source, destination, method, call)) in sent.iter().enumerate() {
        let text = message(method, call);
        let mut packet = Vec::new();
        hep.write(
            &mut packet,
            HepPayload::Sip,
            Some(call),
            &Captured {
                at: Duration::new(1_700_000_000 + n as u64, 123_456_000),
                carrier: Carrier::Udp,
                source: source.parse().expect("an address"),
                destination: destination.parse().expect("an address"),
                bytes: text.as_bytes(),
            },
        )
        .expect("a packet");
        socket
            .send_to(&packet, ("127.0.0.1", ports.port(0)))
            .expect("sent");
    }
    let seen = format!("Dialog count: {}", 2);
    // It counts INVITE, OPTIONS and MESSAGE as dialogs, and writes the file when it ends.
    wait_until("sngrep has them", Duration::from_secs(10), || {
        let log = sngrep.log();
        (log.contains(&seen) || log.contains("Dialog count: 3")).then_some(())
    });
    std::thread::sleep(Duration::from_millis(700));
    sngrep.interrupt();
    sngrep.wait(Duration::from_secs(10));

    let fields = [
        "frame.time_epoch",
        "ip.src",
        "udp.srcport",
        "ip.dst",
        "udp.dstport",
        "sip.Method",
        "sip.Call-ID",
    ];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&file).args([
        "-d",
        "udp.port==1-65535,sip",
        "-T",
        "fields",
        "-E",
        "separator=;",
    ]);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let output = tshark.output().expect("tshark");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let want: Vec<String> = sent
        .iter()
        .enumerate()
        .map(|(n, (source, destination, method, call))| {
            let (source, destination) = (source.replace(':', ";"), destination.replace(':', ";"));
            format!("170000000{n}.123456000;{source};{destination};{method};{call}")
        })
        .collect();
    let got: Vec<&str> = text.lines().collect();
    assert_eq!(got, want);
}
