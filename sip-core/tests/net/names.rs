//! Names through name servers: an authoritative one on loopback, which holds a table and notes what it is asked.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};

use super::*;
use sip_core::net::Dns;

/// `name TYPE data…`, a line a record; names without their final dot.
struct Server {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(zone: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (zone, notes) = (zone.to_owned(), asked.clone());
        // Ends with the test's process; nobody asks it once the test is over.
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                let (question, answer) = answer(&buffer[..len], &zone);
                notes.lock().unwrap().push(question);
                socket.send_to(&answer, from).unwrap();
            }
        });
        Self { at, asked }
    }

    /// What it was asked, in order; the two questions for addresses go out together.
    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.retain(|question| !question.starts_with("AAAA"));
        asked
    }
}

fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// RFC 1035 section 4: the question in words, and the whole answer.
fn answer(query: &[u8], zone: &str) -> (String, Vec<u8>) {
    let (mut name, mut at) = (Vec::new(), 12);
    while query[at] != 0 {
        let len = usize::from(query[at]);
        name.push(String::from_utf8(query[at + 1..=at + len].to_vec()).unwrap());
        at += 1 + len;
    }
    let (name, end) = (name.join(".").to_lowercase(), at + 5);
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let word = match kind {
        1 => "A",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        _ => "other",
    };
    let mut records = Vec::new();
    for line in zone.lines() {
        let row: Vec<&str> = line.split_whitespace().collect();
        if row.len() < 3 || row[0] != name || row[1] != word {
            continue;
        }
        let number = |text: &str| text.parse::<u16>().unwrap().to_be_bytes();
        let mut data = Vec::new();
        match word {
            "A" => data.extend(row[2].parse::<std::net::Ipv4Addr>().unwrap().octets()),
            "SRV" => {
                row[2..5]
                    .iter()
                    .for_each(|field| data.extend(number(field)));
                data.extend(labels(row[5]));
            }
            _ => {
                row[2..4]
                    .iter()
                    .for_each(|field| data.extend(number(field)));
                for text in ["s", row[4], ""] {
                    data.push(text.len() as u8);
                    data.extend(text.as_bytes());
                }
                data.extend(labels(row[5]));
            }
        }
        let mut record = vec![0xc0, 12];
        record.extend(kind.to_be_bytes());
        record.extend([0, 1, 0, 0, 0, 60]);
        record.extend((data.len() as u16).to_be_bytes());
        record.extend(data);
        records.push(record);
    }
    let exists = zone
        .lines()
        .any(|line| line.split_whitespace().next() == Some(&name));
    let code = if exists { 0x80 } else { 0x83 };
    let mut bytes = query[..2].to_vec();
    bytes.extend([0x85, code, 0, 1]);
    bytes.extend((records.len() as u16).to_be_bytes());
    bytes.extend([0, 0, 0, 0]);
    bytes.extend(&query[12..end]);
    bytes.extend(records.concat());
    (format!("{word} {name}"), bytes)
}

/// Calls a URI with these names known; whom it reached, or why nobody.
async fn dial(to: &str, dns: &Server, config: Config) -> Result<(), EndKind> {
    let mut caller = Driver::new(config, chance());
    caller.set_dns(Dns::servers([dns.at]).unwrap());
    let here = "127.0.0.1:0".parse().unwrap();
    for transport in [Transport::Udp, Transport::Tcp] {
        caller.listen(Listen::new(transport, here)).await.unwrap();
    }
    #[cfg(feature = "tls")]
    {
        secure::configure(&mut caller);
        let tls = Listen::new(Transport::Tls, here);
        caller.listen(tls).await.unwrap();
    }
    caller
        .endpoint()
        .invite(Instant::now(), invite(to))
        .unwrap();
    until(&mut caller, |event| match event {
        Event::Answered { .. } => Some(Ok(())),
        Event::Ended { cause, .. } => Some(Err(cause.kind.clone())),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn naptr_and_srv_records_lead_to_the_phone() {
    let (callee, at) = driver(Config::default(), Transport::Tcp).await;
    let callee = tokio::spawn(phone(callee));
    let port = at.port();
    let dns = Server::start(&format!(
        "example.test NAPTR 10 50 SIP+D2T _sip._tcp.example.test
         example.test NAPTR 20 50 SIP+D2U _sip._udp.example.test
         _sip._tcp.example.test SRV 1 0 {port} phone.example.test
         phone.example.test A 127.0.0.1"
    ));
    let reached = dial("sip:bob@Example.Test", &dns, Config::default()).await;
    assert_eq!(reached, Ok(()));
    let wanted = [
        "NAPTR example.test",
        "SRV _sip._tcp.example.test",
        "A phone.example.test",
    ];
    assert_eq!(dns.asked(), wanted);
    callee.abort();
}

#[tokio::test]
async fn a_dead_server_is_passed_over_for_the_next() {
    let (callee, at) = driver(Config::default(), Transport::Tcp).await;
    let callee = tokio::spawn(phone(callee));
    let port = at.port();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = nobody.local_addr().unwrap().port();
    drop(nobody);
    let dns = Server::start(&format!(
        "_sip._tcp.example.test SRV 1 0 {dead} one.example.test
         _sip._tcp.example.test SRV 2 0 {port} two.example.test
         one.example.test A 127.0.0.1
         two.example.test A 127.0.0.1"
    ));
    let to = "sip:bob@example.test;transport=tcp";
    assert_eq!(dial(to, &dns, Config::default()).await, Ok(()));
    // The second server's address is asked for when the first has failed, not before.
    let wanted = [
        "SRV _sip._tcp.example.test",
        "A one.example.test",
        "A two.example.test",
    ];
    assert_eq!(dns.asked(), wanted);
    callee.abort();
}

#[tokio::test]
async fn a_domain_without_servers_is_itself_the_host() {
    let (callee, at) = driver(Config::default(), Transport::Udp).await;
    let callee = tokio::spawn(phone(callee));
    let dns = Server::start("phone.example.test A 127.0.0.1");
    let to = format!("sip:bob@phone.example.test:{}", at.port());
    assert_eq!(dial(&to, &dns, Config::default()).await, Ok(()));
    assert_eq!(dns.asked(), ["A phone.example.test"]);
    callee.abort();
}

/// RFC 5922: the certificate must be the domain's that was called, whatever host the DNS names.
#[cfg(feature = "tls")]
#[tokio::test]
async fn a_certificate_is_checked_against_the_uri_not_against_what_the_dns_says() {
    for (name, wanted) in [
        ("example.test", Ok(())),
        (
            "evil.example.net",
            Err(EndKind::Transport(FlowError::CertificateName)),
        ),
    ] {
        let mut callee = Driver::new(Config::default(), chance());
        callee.set_tls_server(secure::server(&[name], |_| {}));
        let listen = Listen::new(Transport::Tls, "127.0.0.1:0".parse().unwrap());
        let port = callee.listen(listen).await.unwrap().port();
        let callee = tokio::spawn(phone(callee));
        let dns = Server::start(&format!(
            "_sips._tcp.example.test SRV 1 0 {port} evil.example.net
             evil.example.net A 127.0.0.1"
        ));
        let reached = dial("sips:bob@example.test", &dns, Config::default()).await;
        assert_eq!(reached, wanted, "{name}");
        callee.abort();
    }
}

#[tokio::test]
async fn what_nobody_knows_and_who_does_not_answer_end_the_call() {
    let dns = Server::start("");
    let nothing = dial("sip:bob@nowhere.test", &dns, Config::default()).await;
    assert_eq!(nothing, Err(EndKind::Unresolved));
    let asked = dns.asked().len();
    let nobody = dial("sip:bob@df7jal23ls0d.invalid", &dns, Config::default()).await;
    assert_eq!(nobody, Err(EndKind::Unresolved));
    assert_eq!(dns.asked().len(), asked, "not even asked for");

    // Bound, and never read.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dns = Server {
        at: silent.local_addr().unwrap(),
        asked: Arc::default(),
    };
    let mut config = Config::default();
    config.bounds.question = Duration::from_millis(300);
    let before = Instant::now();
    let silent = dial("sip:bob@nowhere.test", &dns, config).await;
    assert_eq!(silent, Err(EndKind::Unresolved));
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_resolver_needs_a_server() {
    assert!(Dns::servers([]).is_err());
}
