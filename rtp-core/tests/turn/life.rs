//! An address from its first day to its last.

use super::link::{Link, SECOND, addr, config};
use rtp_core::turn::{
    ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, Client, Config, Event, Failure, REFRESH, Transport,
    TurnError,
};

const PEER: &str = "198.51.100.7:6000";

#[test]
fn a_client_is_send() {
    fn send<T: Send>() {}
    send::<Client>();
}

#[test]
fn datagrams_of_every_length_go_both_ways_on_every_transport() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let (mut link, relayed) = Link::ready(transport);
        let peer = addr(PEER);
        assert!(!link.hear(relayed, peer, b"early"), "nobody permitted it");
        // The first one waits for the permission and arrives.
        assert_eq!(link.say(peer, b"first"), Some(relayed));
        for bound in [false, true] {
            if bound {
                link.client.bind(link.now, peer).unwrap();
                link.client.bind(link.now, peer).unwrap();
                link.pass(SECOND);
                (link.server.on_channels, link.server.as_indications) = (0, 0);
            }
            for length in [0, 1, 2, 3, 4, 160, 171, 172, 173, 182, 1400] {
                let payload = vec![0x80; length];
                assert_eq!(link.say(peer, &payload), Some(relayed), "{length} bytes");
                assert!(link.hear(relayed, peer, &payload), "{length} bytes");
            }
            if bound {
                let carried = (link.server.on_channels, link.server.as_indications);
                assert_eq!(carried, (22, 0), "{transport:?}");
            }
        }
        // One permission for the address, whatever its ports; and one channel.
        assert_eq!(link.say(addr("198.51.100.7:6001"), b"other"), Some(relayed));
        assert_eq!(link.server.count(CREATE_PERMISSION), 1);
        assert_eq!(link.server.count(CHANNEL_BIND), 1);
        assert_eq!(link.events, []);
    }
}

#[test]
fn it_is_kept_for_hours_and_given_back() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (mut link, relayed) = Link::ready(transport);
        let peer = addr(PEER);
        assert!(link.say(peer, b"first").is_some());
        link.client.bind(link.now, peer).unwrap();
        for hour in 0..3 {
            // Nonces do not live for ever (RFC 8489 §9.2.5).
            link.server.nonce += 1;
            link.pass(3600 * SECOND);
            assert_eq!(link.say(peer, b"still"), Some(relayed), "hour {hour}");
            assert!(link.hear(relayed, peer, b"there"), "hour {hour}");
        }
        assert_eq!(link.server.count(ALLOCATE), 1);
        let refreshed = link.server.count(REFRESH);
        assert!((3..=20).contains(&refreshed), "{refreshed}");
        // A permission lasts five minutes, a channel ten.
        assert!(link.carried < 200, "{}", link.carried);
        link.client.close(link.now);
        link.pass(SECOND);
        assert_eq!(link.server.addresses(), 0);
        assert!(link.client.is_over());
        assert_eq!(
            (link.client.relayed(), link.client.poll_timeout()),
            (None, None)
        );
        assert_eq!(link.events, []);
    }
}

#[test]
fn a_refusal_is_told_at_once_and_silence_in_time() {
    let refused = |code| Event::Failed(Failure::Refused(code));
    let mut wrong = Link::new(Config::new(Transport::Udp, "alice", "guess"));
    wrong.pump();
    assert_eq!(wrong.events, []);
    wrong.pass(SECOND / 10);
    assert_eq!(wrong.events, [refused(401)]);
    assert_eq!(wrong.carried, 2, "a password is tried once");

    let mut full = Link::new(config(Transport::Udp));
    full.server.quota = 0;
    full.pass(SECOND / 10);
    assert_eq!(full.events, [refused(486)]);

    for transport in [Transport::Udp, Transport::Tcp] {
        let mut silent = Link::new(config(transport));
        silent.server.is_silent = true;
        silent.pass(7 * SECOND);
        assert_eq!(silent.events, []);
        silent.pass(SECOND);
        assert_eq!(silent.events, [Event::Failed(Failure::Silent)]);
        assert_eq!(silent.carried, if transport.is_stream() { 1 } else { 4 });
        assert!(silent.client.is_over() && silent.client.poll_timeout().is_none());
    }
}

#[test]
fn an_address_that_the_server_forgot_is_told() {
    let (mut link, _) = Link::ready(Transport::Udp);
    assert!(link.say(addr(PEER), b"first").is_some());
    link.server.forget();
    // Its permission is renewed every four minutes; that is when it comes out.
    link.pass(300 * SECOND);
    assert_eq!(link.events, [Event::Lost]);
    assert!(link.client.is_over());
    assert_eq!(link.client.relayed(), None);
    assert_eq!(
        link.client.bind(link.now, addr(PEER)),
        Err(TurnError::NoAddress)
    );
}

#[test]
fn an_address_that_cannot_be_renewed_is_told() {
    let (mut link, _) = Link::ready(Transport::Udp);
    link.server.is_silent = true;
    link.pass(1700 * SECOND);
    assert_eq!(link.events, []);
    link.pass(200 * SECOND);
    assert_eq!(link.events, [Event::Lost]);
    // Tried again and again, but not without end.
    assert!(link.carried < 60, "{}", link.carried);
}

#[test]
fn an_outage_that_ends_in_time_is_survived() {
    let (mut link, relayed) = Link::ready(Transport::Udp);
    let peer = addr(PEER);
    assert!(link.say(peer, b"first").is_some());
    link.pass(200 * SECOND);
    link.server.is_silent = true;
    link.pass(70 * SECOND);
    link.server.is_silent = false;
    link.pass(60 * SECOND);
    assert_eq!(link.say(peer, b"again"), Some(relayed));
    assert!(!link.events.contains(&Event::Lost));
}

#[test]
fn who_may_not_be_reached_is_told_and_asked_for_again_later() {
    let (mut link, relayed) = Link::ready(Transport::Udp);
    let peer = addr(PEER);
    link.server.denied.push(peer.ip());
    assert_eq!(link.say(peer, b"first"), None);
    assert_eq!(link.events, [Event::Denied(peer.ip())]);
    assert_eq!(link.client.permit(link.now, peer), Err(TurnError::Denied));
    link.server.denied.clear();
    link.pass(10 * SECOND);
    assert_eq!(link.say(peer, b"second"), Some(relayed));
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let (mut link, _) = Link::ready(Transport::Udp);
    let mut out = rtp_core::transport::PacketBuf::new();
    let now = link.now;
    let mut send = |to: &str, len| link.client.send(now, addr(to), &vec![0; len], &mut out);
    assert_eq!(send("[2001:db8::1]:1", 1), Err(TurnError::Address));
    assert_eq!(send("198.51.100.7:0", 1), Err(TurnError::Address));
    assert_eq!(send(PEER, 1449), Err(TurnError::TooLarge(1449)));
    for name in [String::new(), "n".repeat(509)] {
        let config = Config::new(Transport::Udp, &name, "secret");
        assert_eq!(Client::new(now, config).err(), Some(TurnError::Username));
    }
}

#[test]
fn the_password_is_in_no_debug_output() {
    let (link, _) = Link::ready(Transport::Udp);
    let all = format!("{:?} {:?}", config(Transport::Tls), link.client);
    assert!(all.contains("alice") && !all.contains("secret"), "{all}");
}
