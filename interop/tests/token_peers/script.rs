//! Libraries of other languages, installed where the build keeps its own things.

use crate::key::{Form, Key};
use crate::peer::{AUDIENCE, Peer};
use interop::{absent, installed};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use token::Algorithm;

/// A library of another language, behind a script that answers a line with a line.
pub(crate) struct Script {
    name: &'static str,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

const JOSE: &str = "jose@6.2.17";
const PYJWT: &str = "PyJWT[crypto]==2.15.1";

impl Script {
    /// npm's jose; `None` when it is not there and need not be.
    pub(crate) fn jose() -> Option<Script> {
        static PLACE: OnceLock<Option<PathBuf>> = OnceLock::new();
        if !installed(&["node", "npm"]) {
            return None;
        }
        let place = PLACE.get_or_init(|| {
            place("jose", JOSE, |place| {
                std::fs::write(place.join("package.json"), "{}").expect("package.json");
                let mut npm = Command::new("npm");
                npm.current_dir(place).args([
                    "install",
                    "--no-save",
                    "--no-package-lock",
                    "--no-audit",
                    "--no-fund",
                    JOSE,
                ]);
                npm
            })
        });
        let script = place.as_ref()?.join("peer.mjs");
        std::fs::write(&script, include_str!("jose.mjs")).expect("the script");
        let mut node = Command::new("node");
        node.arg(script);
        Some(Script::start("jose", node))
    }

    /// Python's PyJWT; `None` when it is not there and need not be.
    pub(crate) fn pyjwt() -> Option<Script> {
        static PLACE: OnceLock<Option<PathBuf>> = OnceLock::new();
        if !installed(&["python3"]) {
            return None;
        }
        let place = PLACE.get_or_init(|| {
            place("PyJWT", PYJWT, |place| {
                let mut pip = Command::new("python3");
                pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--target"])
                    .arg(place)
                    .arg(PYJWT);
                pip
            })
        });
        let mut python = Command::new("python3");
        python
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/token_peers/pyjwt.py"))
            .env("PYTHONPATH", place.as_ref()?)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Some(Script::start("PyJWT", python))
    }

    fn start(name: &'static str, mut command: Command) -> Script {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Script {
            name,
            to: child.stdin.take().expect("its input"),
            from: BufReader::new(child.stdout.take().expect("its output")),
            child,
        }
    }

    fn ask(&mut self, request: &Value) -> Result<Value, String> {
        writeln!(self.to, "{request}").expect("a request");
        let mut line = String::new();
        self.from.read_line(&mut line).expect("an answer");
        let mut answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{}: {e}: {line:?}", self.name));
        match answer["error"].take() {
            Value::String(error) => Err(error),
            _ => Ok(answer["ok"].take()),
        }
    }

    /// A fresh pair: `private_pem`, `public_pem`, `private_jwk` and `public_jwk`.
    pub(crate) fn new_pair(&mut self, algorithm: Algorithm) -> Value {
        self.ask(&json!({"task": "new_pair", "alg": algorithm.name()}))
            .expect("a pair")
    }
}

impl Peer for Script {
    fn name(&self) -> &'static str {
        self.name
    }

    fn sign(&mut self, key: &Key, kid: Option<&str>, claims: &Value) -> String {
        let mut request = json!({"task": "sign", "alg": key.algorithm.name(), "claims": claims});
        if let Some(kid) = kid {
            request["kid"] = kid.into();
        }
        match &key.form {
            Form::Secret(secret) => request["secret"] = secret.as_str().into(),
            Form::Pair { private_pem, .. } => request["private_pem"] = private_pem.as_str().into(),
        }
        let token = self.ask(&request).expect("signs");
        token.as_str().expect("a text").to_owned()
    }

    fn verify(&mut self, key: &Key, token: &str) -> Result<Value, String> {
        let mut request = json!({
            "task": "verify", "alg": key.algorithm.name(), "audience": AUDIENCE, "token": token,
        });
        match &key.form {
            Form::Secret(secret) => request["secret"] = secret.as_str().into(),
            Form::Pair { public_pem, .. } => request["public_pem"] = public_pem.as_str().into(),
        }
        self.ask(&request)
    }

    fn verify_by_set(&mut self, jwks: &str, token: &str) -> Result<Value, String> {
        let jwks: Value = serde_json::from_str(jwks).expect("a set");
        let task = "verify_by_set";
        self.ask(&json!({"task": task, "jwks": jwks, "audience": AUDIENCE, "token": token}))
    }

    fn thumbprint(&mut self, jwk: &str) -> Option<String> {
        if self.name != "jose" {
            return None;
        }
        let jwk: Value = serde_json::from_str(jwk).expect("a JWK");
        let print = self.ask(&json!({"task": "thumbprint", "jwk": jwk}));
        Some(print.expect("a thumbprint").as_str()?.to_owned())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory below the build's own that holds `what`, installed there once.
fn place(name: &str, what: &str, install: impl FnOnce(&Path) -> Command) -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(what.replace(['[', ']'], "-"));
    let done = place.join("installed");
    if !done.exists() {
        std::fs::create_dir_all(&place).expect("a directory below target");
        let run = install(&place).output().expect("the installer");
        if !run.status.success() {
            println!("{}", String::from_utf8_lossy(&run.stderr));
            absent(name);
            return None;
        }
        std::fs::write(done, "").expect("a mark");
    }
    Some(place)
}
