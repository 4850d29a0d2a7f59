//! RFC 3263 branch by branch: a URI, what the DNS holds, and every question and address in order.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use super::{Blacklist, DnsAnswer, DnsQuery, Naptr, Next, Resolution, ResolveError, Srv};
use crate::header::{TypedHeader as _, Via};
use crate::{Target, Transport};

const ALL: [Transport; 5] = [
    Transport::Udp,
    Transport::Tcp,
    Transport::Tls,
    Transport::Ws,
    Transport::Wss,
];
const PLAIN: [Transport; 2] = [Transport::Udp, Transport::Tcp];

/// `N name order preference service replacement`, `S name priority weight port target`,
/// `A name address…`, one a line.
fn look_up(zone: &str, query: &DnsQuery) -> DnsAnswer {
    let kind = match query {
        DnsQuery::Naptr(_) => "N",
        DnsQuery::Srv(_) => "S",
        DnsQuery::Address(_) => "A",
    };
    let rows: Vec<Vec<&str>> = zone
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|row: &Vec<&str>| row.len() > 2 && row[0] == kind && row[1] == query.name())
        .map(|row| row[2..].to_vec())
        .collect();
    let n = |text: &str| text.parse::<u16>().unwrap();
    match query {
        _ if rows.is_empty() => DnsAnswer::Nothing,
        DnsQuery::Naptr(_) => DnsAnswer::Naptr(
            rows.iter()
                .map(|row| Naptr::new(n(row[0]), n(row[1]), row[2], row[3]))
                .collect(),
        ),
        DnsQuery::Srv(_) => DnsAnswer::Srv(
            rows.iter()
                .map(|row| Srv::new(n(row[0]), n(row[1]), n(row[2]), row[3]))
                .collect(),
        ),
        DnsQuery::Address(_) => DnsAnswer::Addresses(
            rows.iter()
                .flatten()
                .map(|address| address.parse().unwrap())
                .collect(),
        ),
    }
}

fn show(target: &Target) -> String {
    let name = match target {
        Target::Open {
            server_name: Some(name),
            ..
        } => format!("={name}"),
        _ => String::new(),
    };
    format!("{} {}{name}", target.transport(), target.remote())
}

/// Everything that a resolution asks and gives.
fn walk(mut way: Resolution, zone: &str, avoid: &Blacklist, now: Instant) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..1000 {
        match way.next(now, avoid) {
            Next::Ask(query) => {
                assert_eq!(
                    way.next(now, avoid),
                    Next::Ask(query.clone()),
                    "the same again"
                );
                let kind = match query {
                    DnsQuery::Naptr(_) => "NAPTR",
                    DnsQuery::Srv(_) => "SRV",
                    DnsQuery::Address(_) => "A",
                };
                seen.push(format!("{kind} {}", query.name()));
                way.answer(look_up(zone, &query), &mut |bytes| bytes.fill(0));
            }
            Next::Target(target) => seen.push(show(&target)),
            Next::Exhausted => return seen,
        }
    }
    panic!("it never ends: {seen:?}");
}

fn request(uri: &str, supported: &[Transport], zone: &str) -> Vec<String> {
    let way = Resolution::request(&uri.parse().unwrap(), supported).unwrap();
    walk(way, zone, &Blacklist::new(0), Instant::now())
}

#[test]
fn section_4_1_and_4_2_row_by_row() {
    let zone = "
        A example.org 192.0.2.1 2001:db8::1
        A a.example.org 192.0.2.10
        A b.example.org 192.0.2.20";
    let udp = format!("{zone}\nS _sip._udp.example.org 1 0 5070 a.example.org");
    let tcp = format!("{zone}\nS _sip._tcp.example.org 1 0 5080 b.example.org");
    let tls = format!("{zone}\nS _sips._tcp.example.org 1 0 5081 b.example.org.");
    let naptr = format!(
        "{zone}
        S _sip._udp.example.org 1 0 5070 a.example.org
        S _sip._tcp.example.org 1 0 5080 b.example.org
        S _sips._tcp.example.org 1 0 5081 b.example.org
        N example.org 90 50 SIP+D2T _sip._tcp.example.org
        N example.org 100 50 SIP+D2U _sip._udp.example.org.
        N example.org 50 50 SIPS+D2T _sips._tcp.example.org
        N example.org 10 50 SIP+D2S _sip._sctp.example.org"
    );
    let only_sctp = format!("{udp}\nN example.org 10 50 SIP+D2S _sip._sctp.example.org");
    let empty_service = format!("{zone}\nN example.org 10 50 SIP+D2T _sip._tcp.example.org");
    let none = "S _sip._udp.example.org 0 0 0 .\nA example.org 192.0.2.1";
    let rows: &[(&str, &[Transport], &str, &str)] = &[
        // 4.1: a numeric host, with and without a port or transport.
        ("sip:192.0.2.9", &ALL, "", "UDP 192.0.2.9:5060"),
        ("sip:[2001:db8::9]", &ALL, "", "UDP [2001:db8::9]:5060"),
        ("sips:192.0.2.9", &ALL, "", "TLS 192.0.2.9:5061"),
        ("sip:192.0.2.9:99", &ALL, "", "UDP 192.0.2.9:99"),
        ("sips:192.0.2.9:99", &ALL, "", "TLS 192.0.2.9:99"),
        (
            "sip:192.0.2.9;transport=tcp",
            &ALL,
            "",
            "TCP 192.0.2.9:5060",
        ),
        (
            "sip:192.0.2.9;transport=tls",
            &ALL,
            "",
            "TLS 192.0.2.9:5061",
        ),
        ("sip:192.0.2.9;transport=WS", &ALL, "", "WS 192.0.2.9:80"),
        ("sips:192.0.2.9;transport=ws", &ALL, "", "WSS 192.0.2.9:443"),
        (
            "sips:192.0.2.9;transport=tcp",
            &ALL,
            "",
            "TLS 192.0.2.9:5061",
        ),
        // maddr is TARGET.
        (
            "sip:example.org;maddr=192.0.2.8",
            &ALL,
            zone,
            "UDP 192.0.2.8:5060",
        ),
        (
            "sip:x.net:7;maddr=a.example.org",
            &ALL,
            zone,
            "A a.example.org, UDP 192.0.2.10:7",
        ),
        // A name with a port: no NAPTR, no SRV.
        (
            "sip:example.org:5062",
            &ALL,
            &naptr,
            "A example.org, UDP 192.0.2.1:5062, UDP [2001:db8::1]:5062",
        ),
        (
            "sips:a.example.org:5062",
            &ALL,
            &naptr,
            "A a.example.org, TLS 192.0.2.10:5062=a.example.org",
        ),
        (
            "sip:a.example.org:5062;transport=tcp",
            &ALL,
            &naptr,
            "A a.example.org, TCP 192.0.2.10:5062",
        ),
        // A name with a transport: SRV of that one, else the addresses of the name.
        (
            "sip:example.org;transport=tcp",
            &ALL,
            &naptr,
            "SRV _sip._tcp.example.org, A b.example.org, TCP 192.0.2.20:5080",
        ),
        (
            "sip:a.example.org;transport=udp",
            &ALL,
            &naptr,
            "SRV _sip._udp.a.example.org, A a.example.org, UDP 192.0.2.10:5060",
        ),
        (
            "sips:example.org;transport=tcp",
            &ALL,
            &naptr,
            "SRV _sips._tcp.example.org, A b.example.org, TLS 192.0.2.20:5081=example.org",
        ),
        (
            "sip:a.example.org;transport=tls",
            &ALL,
            zone,
            "SRV _sips._tcp.a.example.org, A a.example.org, TLS 192.0.2.10:5061=a.example.org",
        ),
        (
            "sip:a.example.org;transport=ws",
            &ALL,
            zone,
            "A a.example.org, WS 192.0.2.10:80",
        ),
        // NAPTR: by order, what we cannot speak left out; sips keeps only SIPS.
        (
            "sip:example.org",
            &ALL,
            &naptr,
            "NAPTR example.org, SRV _sips._tcp.example.org, A b.example.org, \
             TLS 192.0.2.20:5081=example.org, SRV _sip._tcp.example.org, A b.example.org, \
             TCP 192.0.2.20:5080, SRV _sip._udp.example.org, A a.example.org, UDP 192.0.2.10:5070",
        ),
        (
            "sip:example.org",
            &[Transport::Udp],
            &naptr,
            "NAPTR example.org, SRV _sip._udp.example.org, A a.example.org, UDP 192.0.2.10:5070",
        ),
        (
            "sips:example.org",
            &ALL,
            &naptr,
            "NAPTR example.org, SRV _sips._tcp.example.org, A b.example.org, \
             TLS 192.0.2.20:5081=example.org",
        ),
        // NAPTR names a service that has no servers: the domain itself over that transport.
        (
            "sip:example.org",
            &PLAIN,
            &empty_service,
            "NAPTR example.org, SRV _sip._tcp.example.org, A example.org, TCP 192.0.2.1:5060, \
             TCP [2001:db8::1]:5060",
        ),
        // No NAPTR that helps: SRV for each transport of ours, in our order.
        (
            "sip:example.org",
            &PLAIN,
            &only_sctp,
            "NAPTR example.org, SRV _sip._udp.example.org, A a.example.org, UDP 192.0.2.10:5070, \
             SRV _sip._tcp.example.org",
        ),
        (
            "sip:example.org",
            &[Transport::Tcp, Transport::Udp],
            &tcp,
            "NAPTR example.org, SRV _sip._tcp.example.org, A b.example.org, TCP 192.0.2.20:5080, \
             SRV _sip._udp.example.org",
        ),
        (
            "sips:example.org",
            &ALL,
            &tls,
            "NAPTR example.org, SRV _sips._tcp.example.org, A b.example.org, \
             TLS 192.0.2.20:5081=example.org",
        ),
        // No SRV either: UDP, or TLS, to the addresses of the name.
        (
            "sip:a.example.org",
            &PLAIN,
            zone,
            "NAPTR a.example.org, SRV _sip._udp.a.example.org, SRV _sip._tcp.a.example.org, \
             A a.example.org, UDP 192.0.2.10:5060",
        ),
        (
            "sips:a.example.org.",
            &ALL,
            zone,
            "NAPTR a.example.org, SRV _sips._tcp.a.example.org, A a.example.org, \
             TLS 192.0.2.10:5061=a.example.org",
        ),
        (
            "sip:a.example.org",
            &[Transport::Tcp],
            zone,
            "NAPTR a.example.org, SRV _sip._tcp.a.example.org, A a.example.org, TCP 192.0.2.10:5060",
        ),
        // RFC 2782: a dot says that there is no such service, and the name is not tried.
        (
            "sip:example.org;transport=udp",
            &ALL,
            none,
            "SRV _sip._udp.example.org",
        ),
        // Nothing anywhere.
        (
            "sip:nowhere.example.org;transport=udp",
            &ALL,
            zone,
            "SRV _sip._udp.nowhere.example.org, A nowhere.example.org",
        ),
    ];
    for (uri, supported, zone, want) in rows {
        assert_eq!(request(uri, supported, zone).join(", "), *want, "{uri}");
    }
}

#[test]
fn what_cannot_be_reached_is_refused_before_anything_is_asked() {
    for (uri, supported, want) in [
        (
            "sip:a.org;transport=sctp",
            &ALL[..],
            "transport sctp is not available",
        ),
        (
            "sip:a.org;transport=tls",
            &PLAIN[..],
            "transport tls is not available",
        ),
        (
            "sips:a.org;transport=udp",
            &ALL[..],
            "transport udp is not available",
        ),
        (
            "sips:192.0.2.1",
            &PLAIN[..],
            "transport TLS is not available",
        ),
        ("tel:+4930123", &ALL[..], "scheme tel cannot be resolved"),
    ] {
        let error: ResolveError =
            Resolution::request(&uri.parse().unwrap(), supported).unwrap_err();
        assert_eq!(error.to_string(), want, "{uri}");
    }
}

#[test]
fn section_4_3_goes_on_by_priority_and_then_address() {
    let zone = "
        S _sip._tcp.example.org 20 0 5062 c.example.org
        S _sip._tcp.example.org 10 0 5061 a.example.org
        S _sip._tcp.example.org 30 0 5063 192.0.2.77
        S _sip._tcp.example.org 40 0 5064 bad..name
        A a.example.org 192.0.2.1 192.0.2.2
        A c.example.org 192.0.2.3";
    let uri = "sip:example.org;transport=tcp".parse().unwrap();
    let way = Resolution::request(&uri, &PLAIN).unwrap();
    let want = "SRV _sip._tcp.example.org, A a.example.org, TCP 192.0.2.1:5061, \
                TCP 192.0.2.2:5061, A c.example.org, TCP 192.0.2.3:5062, TCP 192.0.2.77:5063";
    let now = Instant::now();
    let none = Blacklist::new(0);
    assert_eq!(walk(way.clone(), zone, &none, now).join(", "), want);

    // What failed before comes last, until its time is over.
    let mut avoid = Blacklist::new(4);
    let first = "192.0.2.1:5061".parse().unwrap();
    avoid.add(now, Transport::Tcp, first, Duration::from_secs(60));
    let order = walk(way.clone(), zone, &avoid, now);
    assert_eq!(order[2], "TCP 192.0.2.2:5061");
    assert_eq!(order.last().unwrap(), "TCP 192.0.2.1:5061");
    let later = now + Duration::from_secs(60);
    assert_eq!(walk(way, zone, &avoid, later).join(", "), want);
}

#[test]
fn weights_share_the_load_as_rfc_2782_says() {
    let records = |weights: &[u16]| -> DnsAnswer {
        let record =
            |(port, weight): (usize, &u16)| Srv::new(1, *weight, port as u16 + 1, "192.0.2.1");
        DnsAnswer::Srv(weights.iter().enumerate().map(record).collect())
    };
    let first = |weights: &[u16], drawn: u32| {
        let uri = "sip:example.org;transport=udp".parse().unwrap();
        let mut way = Resolution::request(&uri, &PLAIN).unwrap();
        way.answer(records(weights), &mut |bytes| {
            bytes.copy_from_slice(&drawn.to_le_bytes());
        });
        match way.next(Instant::now(), &Blacklist::new(0)) {
            Next::Target(target) => target.remote().port(),
            other => panic!("{other:?}"),
        }
    };
    // Weights 1, 3 and 6: of 11 equal parts of the draw (0 to 10), 0 and 1 fall to the first.
    let mut counts = [0; 4];
    for part in 0..1100_u32 {
        let drawn = u64::from(part) * (1 << 32) / 1100;
        counts[usize::from(first(&[1, 3, 6], drawn as u32))] += 1;
    }
    for (count, want) in counts[1..].iter().zip([200, 300, 600]) {
        assert!((want - 2..=want + 2).contains(count), "{counts:?}");
    }
    // Weight 0 stands in front, so that a draw of 0 reaches it and nothing else does.
    assert_eq!(first(&[5, 0], 0), 2);
    assert_eq!(first(&[5, 0], u32::MAX), 1);
    // All zero: one of them, and the rest after it.
    assert_eq!(first(&[0, 0, 0], u32::MAX), 1);
}

#[test]
fn section_5_finds_a_way_for_responses_by_the_via() {
    let zone = "
        S _sip._tcp.pc.example.org 1 0 5071 a.example.org
        A a.example.org 192.0.2.10
        A pc.example.org 192.0.2.30";
    for (via, transport, want) in [
        // A numeric sent-by, with the port or the transport's own.
        (
            "SIP/2.0/UDP 192.0.2.5",
            Transport::Udp,
            "UDP 192.0.2.5:5060",
        ),
        (
            "SIP/2.0/TLS 192.0.2.5",
            Transport::Tls,
            "TLS 192.0.2.5:5061",
        ),
        (
            "SIP/2.0/TCP 192.0.2.5:77",
            Transport::Tcp,
            "TCP 192.0.2.5:77",
        ),
        // A name with a port: its addresses.
        (
            "SIP/2.0/UDP pc.example.org:77",
            Transport::Udp,
            "A pc.example.org, UDP 192.0.2.30:77",
        ),
        // A name alone: the SRV records of the Via's transport, else its addresses.
        (
            "SIP/2.0/TCP pc.example.org",
            Transport::Tcp,
            "SRV _sip._tcp.pc.example.org, A a.example.org, TCP 192.0.2.10:5071",
        ),
        (
            "SIP/2.0/UDP pc.example.org",
            Transport::Udp,
            "SRV _sip._udp.pc.example.org, A pc.example.org, UDP 192.0.2.30:5060",
        ),
        (
            "SIP/2.0/TLS pc.example.org",
            Transport::Tls,
            "SRV _sips._tcp.pc.example.org, A pc.example.org, TLS 192.0.2.30:5061=pc.example.org",
        ),
    ] {
        let text = format!("{via};branch=z9hG4bK1");
        let header = Via::decode(text.as_bytes()).unwrap();
        let way = Resolution::response(&header, transport).unwrap();
        let seen = walk(way, zone, &Blacklist::new(0), Instant::now());
        assert_eq!(seen.join(", "), want, "{via}");
    }
}

#[test]
fn a_hostile_zone_ends_soon() {
    // Thousands of records, each leading to thousands of addresses.
    struct Flood(usize, usize);
    let mut flood = Flood(0, 0);
    let uri = "sip:example.org".parse().unwrap();
    let mut way = Resolution::request(&uri, &ALL).unwrap();
    let (now, avoid) = (Instant::now(), Blacklist::new(0));
    loop {
        match way.next(now, &avoid) {
            Next::Ask(query) => {
                flood.0 += 1;
                let many = 0..5000_u16;
                let answer = match query {
                    DnsQuery::Naptr(_) => DnsAnswer::Naptr(
                        many.map(|n| Naptr::new(n, 0, "SIP+D2U", &format!("x{n}.example.org")))
                            .collect(),
                    ),
                    DnsQuery::Srv(_) => DnsAnswer::Srv(
                        many.map(|n| Srv::new(1, n, 5060, &format!("y{n}.example.org")))
                            .collect(),
                    ),
                    DnsQuery::Address(_) if flood.0.is_multiple_of(2) => DnsAnswer::Nothing,
                    DnsQuery::Address(_) => DnsAnswer::Addresses(
                        many.map(|n| [10, 0, (n >> 8) as u8, n as u8].into())
                            .collect(),
                    ),
                };
                way.answer(answer, &mut |bytes| bytes.fill(0x5a));
            }
            Next::Target(_) => flood.1 += 1,
            Next::Exhausted => break,
        }
    }
    assert!(flood.0 <= 24 && flood.1 <= 16, "{} {}", flood.0, flood.1);
    assert!(flood.1 > 0);
}

#[test]
fn a_silent_resolver_is_not_asked_again_and_a_wrong_answer_is_none() {
    let uri = "sip:example.org".parse().unwrap();
    let (now, avoid) = (Instant::now(), Blacklist::new(0));
    let mut way = Resolution::request(&uri, &PLAIN).unwrap();
    assert!(matches!(
        way.next(now, &avoid),
        Next::Ask(DnsQuery::Naptr(_))
    ));
    way.unanswered();
    assert_eq!(way.next(now, &avoid), Next::Exhausted);

    let mut way = Resolution::request(&uri, &PLAIN).unwrap();
    way.next(now, &avoid);
    way.answer(
        DnsAnswer::Addresses(vec![[192, 0, 2, 1].into()]),
        &mut |_| {},
    );
    let asked = Next::Ask(DnsQuery::Srv("_sip._udp.example.org".into()));
    assert_eq!(way.next(now, &avoid), asked);

    // The simple answer: addresses instead of records.
    let target = Target::new(Transport::Udp, "192.0.2.4:5".parse().unwrap());
    way.replace([target.clone()]);
    assert!(way.is_known());
    assert_eq!(way.next(now, &avoid), Next::Target(target));
    assert_eq!(way.next(now, &avoid), Next::Exhausted);
}

#[test]
fn a_resolution_is_send() {
    fn send<T: Send>() {}
    send::<Resolution>();
    send::<Blacklist>();
}

#[test]
fn names_under_invalid_are_never_asked_for() {
    let zone = "S _sip._udp.example.org 1 0 5070 gone.invalid\nA gone.invalid 192.0.2.1\nA x.INVALID 192.0.2.2";
    for uri in [
        "sip:x.INVALID",
        "sip:df7jal23ls0d.invalid;transport=ws",
        "sips:x.invalid.:5061",
    ] {
        assert_eq!(request(uri, &ALL, zone), [""; 0], "{uri}");
    }
    let asked = request("sip:example.org;transport=udp", &ALL, zone);
    assert_eq!(asked, ["SRV _sip._udp.example.org"]);
    // Another name that only looks so.
    assert_eq!(
        request("sip:invalid.example.org:1", &ALL, ""),
        ["A invalid.example.org"]
    );
}
