//! The phone of `sip-core`'s first example, as it stands there, answers SIPp.

use interop::{
    Direction, Ports, Process, Proto, Scratch, Sipp, SippOptions, bound, installed, wait_until,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Builds the example and gives its place.
fn program(root: &Path) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "-p", "patchcord-sip-core", "--example", "phone"])
        .args(["--message-format", "json"])
        .current_dir(root)
        .output()
        .expect("cargo");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "phone")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("the built program")
}

#[test]
fn sixty_lines_without_a_runtime_answer_uac_basic() {
    if !installed(&["sipp"]) {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let source =
        std::fs::read_to_string(root.join("sip-core/examples/phone.rs")).expect("the example");
    assert!(source.lines().count() <= 60, "60 lines at most");
    let (scratch, ports) = (Scratch::new("phone"), Ports::take());
    let mut command = Command::new(program(&root));
    command.arg(format!("127.0.0.1:{}", ports.port(0)));
    let phone = Process::start(command, &scratch.path().join("log"));
    wait_until("the phone listens", Duration::from_secs(10), || {
        bound(Proto::Udp, ports.port(0)).then_some(())
    });
    for _ in 0..2 {
        let sipp = Sipp::uac(
            "uac_basic",
            "anyone",
            ports.port(0),
            &SippOptions::default(),
        );
        let outcome = sipp.wait().expect_passed();
        let heard = |start: &str| outcome.with(Direction::Received, start).len();
        assert!(heard("SIP/2.0 180") >= 1 && heard("SIP/2.0 200") >= 2);
    }
    wait_until("both calls end", Duration::from_secs(5), || {
        (phone.log().matches("hung up by the peer").count() == 2).then_some(())
    });
}
