//! The phone of `sip-core`'s first example, as it stands there, answers SIPp.

use interop::{
    Direction, Ports, Process, Proto, Scratch, Sipp, SippOptions, bound, built, installed,
    wait_until,
};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

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
    let mut command = Command::new(built(
        &["-p", "patchcord-sip-core", "--example", "phone"],
        "phone",
    ));
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
