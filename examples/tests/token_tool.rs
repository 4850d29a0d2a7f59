//! The built `token_tool` as a person meets it: what it prints, what it writes, and its exit code.
#![allow(clippy::unwrap_used)]

#[path = "support/program.rs"]
mod program;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use program::program;
use serde_json::Value;

/// A folder in which the program runs.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("token_tool-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    /// Exit code, standard output, standard error.
    fn run(&self, args: &str, input: &str) -> (Option<i32>, String, String) {
        let mut child = Command::new(program("token_tool"))
            .args(args.split(' '))
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that refuses its arguments does not read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let out = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (out.status.code(), text(out.stdout), text(out.stderr))
    }

    /// What it prints when all goes well.
    fn good(&self, args: &str, input: &str) -> String {
        let (code, out, err) = self.run(args, input);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{args}");
        out
    }

    fn refused(&self, args: &str, input: &str, part: &str) {
        let (code, out, err) = self.run(args, input);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args}: {err}");
        assert_eq!(err.matches('\n').count(), 1, "{args}: {err}");
        assert!(
            err.starts_with("token_tool: ") && err.contains(part),
            "{args}: {err}"
        );
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The claims below the line that says `valid`.
fn claims(shown: &str) -> Value {
    serde_json::from_str(shown.split_once('\n').unwrap().1).unwrap()
}

#[test]
fn a_secret_makes_tokens_that_it_verifies() {
    let folder = Folder::new();
    for (alg, characters) in [("HS256", 64), ("HS384", 96), ("HS512", 128)] {
        let file = format!("{alg}.txt");
        assert_eq!(
            folder.good(&format!("keys generate --alg {alg} --out {file}"), ""),
            ""
        );
        let secret = folder.read(&file);
        assert_eq!(secret.trim_end().len(), characters);
        let token = folder.good(
            &format!(
                "mint --key {file} --alg {alg} --kid k1 --session standup --role moderator \
                 --data sip=true --subject bob --issuer pbx --audience gw --audience door --id 7 --life 10m"
            ),
            "",
        );
        let verify = format!("verify --key {file} --alg {alg}");
        let shown = folder.good(
            &format!("{verify} --session standup --role moderator --audience gw --issuer pbx -"),
            &token,
        );
        assert!(
            shown.starts_with(&format!("valid: session, signed with {alg}, for another ")),
            "{shown}"
        );
        let claims = claims(&shown);
        assert_eq!(claims["session"], "standup");
        assert_eq!(claims["role"], "moderator");
        assert_eq!(claims["data"], "sip=true");
        assert_eq!(claims["sub"], "bob");
        assert_eq!(claims["jti"], "7");
        assert_eq!(
            claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
            600
        );
        for (more, part) in [
            ("--session other -", "not for \"other\""),
            ("--role publisher -", "role `moderator`"),
            ("--audience them -", "another audience"),
            ("--issuer them -", "another issuer"),
        ] {
            folder.refused(&format!("{verify} {more}"), &token, part);
        }
        let seen = folder.good("inspect -", &token);
        assert!(
            seen.starts_with("NOT CHECKED") && seen.contains("\"standup\""),
            "{seen}"
        );
        assert!(!shown.contains(secret.trim_end()) && !seen.contains(secret.trim_end()));
    }
}

#[test]
fn a_pair_makes_tokens_that_its_public_half_verifies_in_every_form() {
    let folder = Folder::new();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../token/tests/keys");
    for name in ["rsa", "p256", "ed25519"] {
        std::fs::copy(keys.join(format!("{name}.pem")), folder.0.join(name)).unwrap();
    }
    folder.good("keys generate --alg EdDSA --out new-ed", "");
    folder.good("keys generate --alg ES256 --out new-ec", "");
    for (name, alg) in [
        ("rsa", "RS256"),
        ("rsa", "PS256"),
        ("p256", "ES256"),
        ("ed25519", "EdDSA"),
        ("new-ed", "EdDSA"),
        ("new-ec", "ES256"),
    ] {
        // PEM says it all but for the two paddings of RSA.
        let more = if alg == "PS256" { " --alg PS256" } else { "" };
        let token = folder.good(&format!("mint --key {name}{more} --session s"), "");
        for format in ["pem", "jwk", "jwks"] {
            let public = folder.good(&format!("keys public {name} --format {format}{more}"), "");
            assert!(!public.contains("PRIVATE") && !public.contains("\"d\""));
            folder.write("public", &public);
            let more = if format == "pem" { more } else { "" };
            let shown = folder.good(&format!("verify --key public{more} --session s -"), &token);
            assert!(shown.contains(&format!("signed with {alg}")), "{shown}");
            folder.refused("mint --key public --session s", "", "cannot sign");
        }
        let other = folder.good("mint --key new-ed --session s", "");
        if name != "new-ed" {
            folder.refused("verify --key public -", &other, "");
        }
    }
    let pem = folder.read("new-ed");
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.0.join("new-ed"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
    // A second key does not replace the first.
    folder.refused("keys generate --alg EdDSA --out new-ed", "", "new-ed");
    assert_eq!(folder.read("new-ed"), pem);
}

#[test]
fn a_tree_of_keys_is_verified_by_its_root() {
    let folder = Folder::new();
    for name in ["root", "shop", "desk", "stranger"] {
        folder.good(&format!("keys generate --alg ES256 --out {name}"), "");
        let public = folder.good(&format!("keys public {name}"), "");
        folder.write(&format!("{name}.pub"), &public);
    }
    let shop = folder.good(
        "delegate --key root --at eu-1 --to shop --child shop.pub",
        "",
    );
    folder.write("shop.chain", &shop);
    let desk = folder.good(
        "delegate --key shop --chain shop.chain --to desk-7 --child desk.pub --life 1h",
        "",
    );
    folder.write("desk.chain", &desk);
    assert_eq!(desk.lines().count(), 2);
    let verify = "verify --key root.pub --at eu-1 -";
    for (mint, kid) in [
        ("mint --key root --at eu-1 --session any", "eu-1"),
        (
            "mint --key shop --chain shop.chain --session any",
            "eu-1/shop",
        ),
        (
            "mint --key desk --chain desk.chain --session desk-7",
            "eu-1/shop/desk-7",
        ),
    ] {
        let shown = folder.good(verify, &folder.good(mint, ""));
        assert!(shown.contains(&format!("key {kid:?}")), "{shown}");
    }
    // The key of one session opens no other.
    let token = folder.good("mint --key desk --chain desk.chain --session desk-8", "");
    folder.refused(verify, &token, "desk-8");
    folder.refused(
        "mint --key stranger --chain shop.chain --session s",
        "",
        "not a delegation",
    );
    let token = folder.good("mint --key stranger --at eu-1 --session s", "");
    folder.refused(verify, &token, "forged");
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let folder = Folder::new();
    folder.write("good", &"s".repeat(40));
    folder.write("other", &"t".repeat(40));
    folder.write("short", "short\n");
    folder.write("empty", "");
    folder.write("object", "{}");
    folder.write(
        "block",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    );
    std::fs::write(folder.0.join("binary"), [0xff; 64]).unwrap();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../token/tests/keys");
    for name in ["encrypted.pem", "rsa1024.pub.pem", "p384.pub.pem"] {
        std::fs::copy(keys.join(name), folder.0.join(name)).unwrap();
    }
    let token = folder.good("mint --key good --session s", "");
    let token = token.trim_end();
    let changed = format!("{token}A");
    for (args, part) in [
        ("verify --key good", "<TOKEN>"),
        ("verify --key none x", "none: "),
        (
            "verify --key short x",
            "short: a secret for HS256 has at least 32 bytes, this has 5",
        ),
        ("verify --key empty x", "this has 0"),
        ("verify --key object x", "object: not a JWK"),
        ("verify --key block x", "block: "),
        ("verify --key binary x", "binary: not a text"),
        (
            "verify --key encrypted.pem x",
            "encrypted; decrypt it first",
        ),
        ("verify --key rsa1024.pub.pem x", "1024 bits"),
        ("verify --key p384.pub.pem x", "not supported"),
        (
            "verify --key good --alg RS256 x",
            "RS256 does not go with this kind of key",
        ),
        ("verify --key good --alg none x", "HS256, HS384"),
        ("verify --key good --at a//b x", "not a key path"),
        ("verify --key good --at eu x", "a secret has no public half"),
        ("verify --key good x", "malformed"),
        ("verify --key good eyJhbGciOiJub25lIn0.e30.", "not signed"),
        (&format!("verify --key other {token}"), "forged"),
        (&format!("verify --key good {changed}"), "token"),
        ("inspect a.b", "three parts"),
        ("mint --key good", "--session"),
        ("mint --key good --session s --life 0", "longer than 0"),
        ("mint --key good --session s --life soon", "not a time"),
        ("mint --key good --session s --life 99999d", "ten years"),
        ("mint --key good --session s --role king", "moderator"),
        ("mint --key good --session s --chain good", "good: "),
        ("keys generate --alg RS256 --out r", "openssl genpkey"),
        (
            "keys generate --alg HS256 --out no/such/folder",
            "no/such/folder",
        ),
        ("keys public good", "a secret has no public half"),
        ("delegate --key good --to x --child y", "--at"),
        ("dance", "dance"),
    ] {
        folder.refused(args, "", part);
    }
    assert!(!folder.0.join("r").exists());
}

#[test]
fn a_token_cannot_write_on_the_terminal_as_it_likes() {
    let folder = Folder::new();
    folder.write("key", &"s".repeat(40));
    let token = folder.good("mint --key key --session \u{1b}[2J\u{9b}31m", "");
    for shown in [
        folder.good("inspect -", &token),
        folder.good("verify --key key -", &token),
    ] {
        assert!(
            shown.contains("\\u001b[2J\\u009b31m") && !shown.contains(['\u{1b}', '\u{9b}']),
            "{shown:?}"
        );
    }
}
