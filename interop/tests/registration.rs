//! Registrations with others: baresip at our registrar, and our client at SIPp's.

use interop::{
    Baresip, BaresipOptions, Codec, Direction, Sipp, SippOptions, Transport, Ua, installed,
};
use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::registrar::{Binding, BindingChange, Policy};
use sip_core::{DigestPolicy, EndKind, Event, Invite, Registration, RegistrationState, Uri};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(15);
const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

fn changed(ua: &mut Ua, change: BindingChange) -> Binding {
    ua.wait_for(&format!("{change:?}"), SOON, |event| match event {
        Event::Binding { event, .. } if event.change == change => Some(event.binding.clone()),
        _ => None,
    })
}

/// baresip proves who it is, is found, called at its contact and forgotten.
#[test]
fn baresip_registers_is_called_and_leaves() {
    if !installed(&["baresip"]) {
        return;
    }
    for (transport, outbound) in [
        (Transport::Udp, false),
        (Transport::Tcp, false),
        (Transport::Tcp, true),
    ] {
        let mut ua = Ua::start(|config| {
            config.registrar = Some(Policy::new(["127.0.0.1"]).gruu([7; 32]));
            config.digest = Some(DigestPolicy::new("127.0.0.1", [9; 32]).user("peer", "secret"));
        });
        let mut options = BaresipOptions::new(Codec::Pcmu);
        options.credentials = Some(("peer".into(), "secret".into()));
        options.registrar = Some((ua.port(), transport));
        options.outbound = outbound;
        let mut baresip = Baresip::start(&options);
        let binding = changed(&mut ua, BindingChange::Added);
        assert!(binding.instance.is_some(), "{binding:?}");
        assert_eq!(binding.reg_id.is_some(), outbound, "{binding:?}");

        let uri: Uri = format!("sip:peer@127.0.0.1:{}", ua.port())
            .parse()
            .expect("a URI");
        let found = ua.endpoint().locate(Instant::now(), &uri);
        assert_eq!(found.len(), 1);
        let from = NameAddr::parse("<sip:room@127.0.0.1>").expect("an address");
        let invite = Invite::new(uri.clone(), from).at(&found[0]);
        let invite = invite.body(ua.sdp(1, "sendrecv"));
        let call = ua
            .endpoint()
            .invite(Instant::now(), invite)
            .expect("a call");
        ua.wait_for("the answer", SOON, |event| {
            matches!(event, Event::Answered { .. }).then_some(())
        });
        ua.run_for(Duration::from_millis(200));
        ua.call(call).hang_up(Instant::now()).expect("a BYE");
        ua.wait_for("the end", SOON, |event| {
            matches!(event, Event::Ended { .. }).then_some(())
        });

        baresip.control.command("uadel", uri.as_str());
        changed(&mut ua, BindingChange::Removed);
        assert!(ua.endpoint().locate(Instant::now(), &uri).is_empty());
    }
}

fn account(sipp: &Sipp, password: &str) -> Registration {
    let registrar = sipp.uri().parse().expect("a URI");
    let aor = NameAddr::parse("<sip:alice@example.org>").expect("an address");
    Registration::new(registrar, aor)
        .account(Account::with_password("alice", password))
        .expires(Duration::from_secs(30))
}

fn state(ua: &mut Ua) -> RegistrationState {
    ua.wait_for("news of the registration", SOON, |event| match event {
        Event::Registration { state, .. } => Some(state.clone()),
        _ => None,
    })
}

#[test]
fn we_register_with_a_longer_expiry_and_leave() {
    if !installed(&["sipp"]) {
        return;
    }
    for transport in BOTH {
        let mut options = SippOptions::default();
        options.transport = transport;
        let sipp = Sipp::uas("uas_registrar", &options);
        let mut ua = Ua::start(|_| {});
        let registration = account(&sipp, "secret");
        let id = ua
            .endpoint()
            .register(Instant::now(), registration)
            .expect("an id");
        let granted = RegistrationState::Registered {
            expires: Duration::from_secs(90),
            refreshed: false,
        };
        assert_eq!(state(&mut ua), granted);
        let status = ua.endpoint().registration(id).expect("a registration");
        assert_eq!(
            status.service_route()[0].to_string(),
            "<sip:out.example.org;lr>"
        );
        ua.endpoint()
            .unregister(Instant::now(), id)
            .expect("a REGISTER");
        assert_eq!(state(&mut ua), RegistrationState::Unregistered);
        let outcome = sipp.wait().expect_passed();
        let sent = outcome.with(Direction::Received, "REGISTER");
        assert_eq!(sent.len(), 4);
        assert!(
            sent.iter()
                .all(|one| one.header("Call-ID") == sent[0].header("Call-ID"))
        );
    }
}

#[test]
fn a_wrong_password_is_refused_once() {
    if !installed(&["sipp"]) {
        return;
    }
    let mut options = SippOptions::default();
    options.more = ["-set", "wrong", "1"].map(str::to_owned).to_vec();
    let sipp = Sipp::uas("uas_registrar", &options);
    let mut ua = Ua::start(|_| {});
    let registration = account(&sipp, "guess");
    ua.endpoint()
        .register(Instant::now(), registration)
        .expect("an id");
    match state(&mut ua) {
        RegistrationState::Failed { cause, retry: None } => {
            assert!(matches!(cause.kind, EndKind::AuthFailed { .. }), "{cause}");
        }
        other => panic!("{other:?}"),
    }
    ua.run_for(Duration::from_millis(700));
    sipp.wait().expect_passed();
}
