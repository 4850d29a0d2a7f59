//! The README's three lines, as they stand there: the command, the account in each phone, the call.

use interop::{
    App, Codec, Linphone, LinphoneAccount, LinphoneOptions, Ports, Proto, Scratch, bound, installed,
};
use std::path::Path;
use std::time::Duration;

/// What the phone of alice says, in Hz, and that of bob.
const SAYS: [f64; 2] = [440.0, 660.0];

#[test]
fn two_phones_pointed_at_the_switchboard_call_each_other() {
    if !installed(&["linphonec"]) {
        return;
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("the README");
    let start = "cargo run --release --example mini_pbx -- ";
    let line = readme.lines().find(|line| line.starts_with(start));
    let line = line.expect("line 1: the command");
    let arguments: Vec<&str> = line[start.len()..].split(' ').collect();
    for part in [
        "user name `alice`, password `secret`",
        "transport UDP",
        "Call `bob`",
    ] {
        assert!(readme.contains(part), "the README says {part:?}");
    }

    // 1. Start it; it prints the address that phones reach. Where somebody else has 5060, another port, as it says itself.
    let mut arguments = arguments;
    let ports = Ports::take();
    let at = format!("127.0.0.1:{}", ports.port(0));
    if bound(Proto::Udp, 5060) || bound(Proto::Tcp, 5060) {
        println!("port 5060 is taken; {at} instead");
        arguments.extend(["--udp", &at, "--tcp", &at]);
    }
    let scratch = Scratch::new("readme");
    let mut pbx = App::start("mini_pbx", "mini_pbx", scratch.path(), &arguments);
    let listening = pbx.until("listening", |o| o["transport"] == "UDP");
    let address = listening["address"]
        .as_str()
        .expect("an address")
        .to_owned();
    // 2. An account in each phone.
    let mut phones = ["alice", "bob"].map(|user| {
        let mut options = LinphoneOptions::new(Codec::Pcmu);
        options.account = Some(LinphoneAccount::new(user, "secret", &address));
        options.hz = SAYS[usize::from(user == "bob")];
        let phone = Linphone::start(&options);
        pbx.until("registered", |o| o["user"] == user);
        phone
    });
    // 3. The call.
    phones[0].command("call bob");
    pbx.until("answered", |o| o["from"] == "alice" && o["to"] == "bob");
    std::thread::sleep(Duration::from_millis(2500));
    phones[0].command("terminate");
    pbx.hears("ended");
    for (phone, hz) in phones.iter_mut().zip([SAYS[1], SAYS[0]]) {
        phone.quit();
        let heard = phone.heard();
        assert!(
            heard.seconds_of(hz) > 1.0,
            "{hz} Hz for {:.1} s",
            heard.seconds_of(hz)
        );
    }
    pbx.quit();
}
