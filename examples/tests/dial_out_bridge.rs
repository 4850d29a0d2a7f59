//! The built `dial_out_bridge` as a person meets it: what it prints, what it leaves, and its exit code.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{PoisonError, RwLock};

use support::{Program, Scratch, Uas, token};

/// A call is heard in real time: while one is, nothing else of this file runs.
static QUIET: RwLock<()> = RwLock::new(());

fn among_others() -> impl Drop {
    QUIET.read().unwrap_or_else(PoisonError::into_inner)
}

fn alone() -> impl Drop {
    QUIET.write().unwrap_or_else(PoisonError::into_inner)
}

/// Every bad input that needs no phone: the arguments, and a part of the one line that it gets.
const BAD: &[(&[&str], &str)] = &[
    (
        &["--sip-uri", "http://example.org"],
        "unknown scheme \"http\"",
    ),
    (&["--sip-uri", "tel:+15550100"], "unknown scheme \"tel\""),
    (&["--sip-uri", "sips:bob@127.0.0.1"], "TLS"),
    (
        &["--sip-uri", "sip:bob@127.0.0.1;transport=sctp"],
        "unknown transport \"sctp\"",
    ),
    (
        &[
            "--sip-uri",
            "sip:bob@127.0.0.1;transport=udp",
            "--transport",
            "tcp",
        ],
        "--transport says TCP",
    ),
    (&["--sip-uri", "bob"], "no scheme"),
    (&["--sip-uri", "sip:bob@host.invalid"], "host.invalid"),
    (
        &["--transport", "carrier-pigeon"],
        "[possible values: udp, tcp]",
    ),
    (
        &["--codec", "g729"],
        "[possible values: opus, g722, pcmu, pcma]",
    ),
    (&["--secure=zrtp"], "[possible values: sdes, dtls, allow]"),
    (&["--secure", "--ice"], "--ice goes with --secure=dtls"),
    (
        &["--secure=allow", "--ice"],
        "--ice goes with --secure=dtls",
    ),
    (&["--stun", "127.0.0.1"], "--stun and --turn go with --ice"),
    (
        &["--secure=dtls", "--ice", "--stun", "host.invalid"],
        "--stun host.invalid: ",
    ),
    (&["--turn", "turn:127.0.0.1"], "--turn-user"),
    (&["--relay-only"], "--turn <URI>"),
    (
        &[
            "--secure=dtls",
            "--ice",
            "--turn",
            "turn:127.0.0.1",
            "--turn-user",
            "a",
            "--turn-password-file",
            "none.txt",
        ],
        "none.txt",
    ),
    (&["--duration", "0"], "must be longer than 0"),
    (
        &["--sip-uri", "sip:bob@127.0.0.1", "--duration", "0s"],
        "must be longer than 0",
    ),
    (&["--duration", "5"], "--sip-uri"),
    (&["--max-call", "0"], "must be longer than 0"),
    (&["--idle", "soon"], "not a time"),
    (&["--rtp-ports", "5-4"], "5 comes after 4"),
    (&["--rtp-ports", "4000-4000"], "no even port"),
    (&["--header", "Via: me"], "the call writes Via itself"),
    (&["--header", "X-A"], "not a header"),
    (&["--from", "me"], "not"),
    (&["--username", "bob"], "--password"),
    (&["--bind", "here"], "invalid IP address"),
    (&["--bind", "203.0.113.1"], "203.0.113.1"),
    (
        &["--all", "--sip-uri", "sip:bob@127.0.0.1"],
        "cannot be used with",
    ),
    (&["--play", "a.wav"], "--sip-uri"),
    (
        &["--sip-uri", "sip:bob@127.0.0.1", "--play", "none.wav"],
        "none.wav",
    ),
    (&["--token", "abc"], "--token-secret"),
    (&["--token", "abc", "--token-secret", "short"], "malformed"),
    (&["--telephone"], "unexpected argument"),
];

#[test]
fn bad_input_is_one_line_and_leaves_nothing() {
    let _quiet = among_others();
    for (args, part) in BAD {
        let scratch = Scratch::new();
        Program::new(&scratch).args(args).run().refused(part);
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let _quiet = among_others();
    let scratch = Scratch::new();
    let file = scratch.outside("file", b"");
    for option in ["--out", "--record"] {
        let place = format!("{file}/below");
        Program::new(&scratch)
            .args(&[option, &place])
            .run()
            .refused(&place);
    }
    Program::new(&scratch)
        .args(&["--pcap", "."])
        .run()
        .refused("cannot write .");
}

#[test]
fn help_is_no_error() {
    let _quiet = among_others();
    let scratch = Scratch::new();
    let ran = Program::new(&scratch).args(&["--help"]).run();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for word in ["--sip-uri", "--all", "--rtp-ports", "130"] {
        assert!(ran.stdout.contains(word), "{word}");
    }
}

#[test]
fn a_token_that_is_expired_forged_or_too_weak_opens_nothing() {
    let _quiet = among_others();
    let secret = "a secret that is long enough for HS256";
    for (token, part) in [
        (token(secret, "publisher", -60), "expired"),
        (
            token("some other secret, just as long as that", "publisher", 60),
            "forged",
        ),
        (token(secret, "subscriber", 60), "subscriber"),
    ] {
        let scratch = Scratch::new();
        Program::new(&scratch)
            .args(&["--token", &token, "--token-secret", secret])
            .run()
            .refused(part);
    }
}

#[test]
fn a_file_that_is_no_sound_is_refused_before_anyone_is_called() {
    let _quiet = among_others();
    let scratch = Scratch::new();
    let mp3_in_wav: &[u8] = b"RIFF\x32\0\0\0WAVEfmt \x10\0\0\0\x55\0\x01\0\x44\xac\0\0\0\0\0\0\x01\0\0\0data\x08\0\0\0\0\0\0\0\0\0\0\0";
    for (name, bytes, part) in [
        ("a.wav", mp3_in_wav, "unsupported"),
        ("b.wav", b"hello", "not a WAV file"),
    ] {
        let file = scratch.outside(name, bytes);
        let args = ["--sip-uri", "sip:bob@127.0.0.1:9", "--play", file.as_str()];
        Program::new(&scratch).args(&args).run().refused(part);
    }
}

#[test]
fn ports_that_are_all_taken_are_named() {
    let _quiet = among_others();
    let scratch = Scratch::new();
    let taken = support::taken_pair();
    let range = format!("{}-{}", taken.from, taken.from + 1);
    Program::new(&scratch)
        .args(&["--rtp-ports", &range])
        .run()
        .refused(&range);
}

#[test]
fn what_the_phone_says_is_passed_on() {
    let _quiet = among_others();
    for (status, reason) in [
        (403, "Not For You"),
        (404, "Nobody Of That Name"),
        (486, "On The Other Line"),
        (488, "No Such Codec Here"),
        (603, "Leave Me Alone"),
    ] {
        let scratch = Scratch::new();
        let phone = Uas::refusing(status, reason, "");
        let ran = Program::new(&scratch)
            .args(&["--sip-uri", &phone.uri()])
            .run();
        ran.refused(&format!("{status} {reason}"));
    }
}

#[test]
fn a_wrong_password_ends_and_names_realm_and_user() {
    let _quiet = among_others();
    let scratch = Scratch::new();
    let challenge = "WWW-Authenticate: Digest realm=\"the house\", nonce=\"abc\", algorithm=MD5, qop=\"auth\"\r\n";
    let phone = Uas::refusing(401, "Unauthorized", challenge);
    let uri = phone.uri();
    let ran = Program::new(&scratch)
        .args(&[
            "--sip-uri",
            &uri,
            "--username",
            "bob",
            "--password",
            "guess",
        ])
        .run();
    ran.refused("the house");
    ran.refused("bob");
    assert_eq!(phone.invites(), 2, "asked, answered, and no third time");
}

#[test]
fn nobody_at_home_over_tcp_names_the_host() {
    let _quiet = among_others();
    let scratch = Scratch::new();
    let port = support::closed_tcp_port();
    let uri = format!("sip:bob@localhost:{port};transport=tcp");
    let ran = Program::new(&scratch).args(&["--sip-uri", &uri]).run();
    ran.refused("localhost");
    ran.refused("refused");
}

/// Ten seconds of a real call: the whole story, every check, every file.
#[test]
fn the_demo_holds_in_every_check() {
    let _quiet = alone();
    let scratch = Scratch::new();
    let ran = Program::new(&scratch)
        .args(&["--codec", "pcmu", "--secure"])
        .run();
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(0), ""),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains('\u{1b}'), "escape codes in a file");
    for part in [
        "401 Unauthorized",
        "180 Ringing",
        "[sendonly]",
        "[inactive]",
        "[port 0]",
        "BYE",
        "SDES",
        "MOS",
        "PASS",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let out = scratch.inside("target/dial_out_bridge");
    for name in ["callee-heard.wav", "session-heard.wav"] {
        let wav = std::fs::read(out.join(name)).unwrap();
        assert_eq!(
            (&wav[..4], &wav[8..12], &wav[34..36]),
            (&b"RIFF"[..], &b"WAVE"[..], &[16, 0][..]),
            "{name}"
        );
        assert!(
            wav.len() > 48_000 * 2 * 5,
            "{name} has more than five seconds"
        );
    }
    let capture = std::fs::read(out.join("call.pcapng")).unwrap();
    assert_eq!(capture[..4], [0x0A, 0x0D, 0x0D, 0x0A]);
    assert!(capture.windows(6).any(|bytes| bytes == b"INVITE"));
    assert_eq!(scratch.left().len(), 3, "{:?}", scratch.left());
}

#[test]
fn with_json_every_line_is_an_object() {
    let _quiet = alone();
    let scratch = Scratch::new();
    let ran = Program::new(&scratch)
        .args(&["--codec", "g722", "--transport", "tcp", "--json"])
        .run();
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let lines: Vec<serde_json::Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert!(of("call") >= 10, "a line for each half second of the call");
    assert!(of("sip") >= 20 && of("check") >= 20);
    let last = lines.last().unwrap();
    assert_eq!(
        (last["event"].as_str(), last["pass"].as_bool()),
        (Some("result"), Some(true))
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_it_rings_cancels_and_while_it_talks_says_bye() {
    let _quiet = alone();
    for (seen, then) in [("180 Ringing", "CANCEL"), ("listening", "BYE")] {
        let scratch = Scratch::new();
        let ran = Program::new(&scratch)
            .args(&["--codec", "pcma"])
            .interrupt_after(seen);
        assert_eq!(
            (ran.code, ran.stderr.as_str()),
            (Some(130), ""),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.contains(then), "{then}: {}", ran.stdout);
        let capture = std::fs::read(scratch.inside("target/dial_out_bridge/call.pcapng")).unwrap();
        assert!(
            capture
                .windows(then.len())
                .any(|bytes| bytes == then.as_bytes()),
            "{then} is in the capture"
        );
        assert!(
            scratch.left().iter().all(|file| !file.ends_with(".part")),
            "{:?}",
            scratch.left()
        );
    }
}
