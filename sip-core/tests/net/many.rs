//! One driver on every transport at once, over IPv4 and IPv6, under an address of its own.

use super::*;

/// One phone on every transport that is built; each caller reaches it over another.
#[tokio::test]
async fn one_driver_listens_on_every_transport_at_once() {
    let transports = built();
    let mut callee = Driver::new(Config::default(), chance());
    #[cfg(feature = "tls")]
    secure::configure(&mut callee);
    let mut places = Vec::new();
    for transport in &transports {
        let listen = Listen::new(*transport, "127.0.0.1:0".parse().unwrap());
        places.push((*transport, callee.listen(listen).await.unwrap()));
    }
    let callee = tokio::spawn(async move {
        let mut ended = 0;
        let mut seen = Vec::new();
        while ended < transports.len() {
            match callee.next_event().await {
                Event::Incoming { call, flow, .. } => {
                    seen.push(flow.transport);
                    let handle = callee.endpoint().call(call).unwrap();
                    handle.answer(Instant::now(), Some(sdp("answer"))).unwrap();
                }
                Event::Ended { .. } => ended += 1,
                _ => {}
            }
        }
        (seen, transports)
    });
    for (transport, at) in places {
        let (mut caller, _) = driver(Config::default(), transport).await;
        let scheme = if transport == Transport::Wss {
            "sips"
        } else {
            "sip"
        };
        let to = format!("{scheme}:bob@{at};transport={}", transport.param());
        let call = caller
            .endpoint()
            .invite(Instant::now(), invite(&to))
            .unwrap();
        let contact = until(&mut caller, |event| match event {
            Event::Answered { response, .. } => {
                let contact = response.header(sip_core::HeaderName::CONTACT);
                contact.map(|field| field.to_str().into_owned())
            }
            _ => None,
        })
        .await;
        assert!(
            contact.contains(&at.to_string()),
            "{transport}: {contact} names the socket that was called"
        );
        let handle = caller.endpoint().call(call).unwrap();
        handle.hang_up(Instant::now()).unwrap();
        until(&mut caller, |event| {
            matches!(event, Event::Ended { .. }).then_some(())
        })
        .await;
    }
    let (seen, transports) = callee.await.unwrap();
    assert_eq!(seen, transports);
}

#[tokio::test]
async fn calls_over_ipv6() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let bind = "[::1]:0".parse().unwrap();
        let mut callee = Driver::new(Config::default(), chance());
        let at = callee.listen(Listen::new(transport, bind)).await.unwrap();
        let callee = tokio::spawn(phone(callee));
        // A socket of each family: the one that fits is taken.
        let (mut caller, _) = driver(Config::default(), transport).await;
        caller.listen(Listen::new(transport, bind)).await.unwrap();
        let to = format!(
            "sip:bob@[::1]:{};transport={}",
            at.port(),
            transport.param()
        );
        let call = caller
            .endpoint()
            .invite(Instant::now(), invite(&to))
            .unwrap();
        until(&mut caller, |event| {
            matches!(event, Event::Answered { .. }).then_some(())
        })
        .await;
        let mut first = None;
        while let Some(tap) = caller.poll_tap() {
            first.get_or_insert(String::from_utf8_lossy(&tap.bytes).into_owned());
        }
        let first = first.unwrap();
        let via = format!("\r\nVia: SIP/2.0/{transport} [::1]:");
        assert!(first.contains(&via), "{first}");
        let handle = caller.endpoint().call(call).unwrap();
        handle.hang_up(Instant::now()).unwrap();
        until(&mut caller, |event| {
            matches!(event, Event::Ended { .. }).then_some(())
        })
        .await;
        let (_, cause) = callee.await.unwrap();
        assert_eq!(cause.by, EndedBy::Remote);
    }
}

#[tokio::test]
async fn peers_are_told_the_advertised_address() {
    let (callee, at) = driver(Config::default(), Transport::Udp).await;
    let callee = tokio::spawn(phone(callee));
    let mut caller = Driver::new(Config::default(), chance());
    caller.set_tap(100);
    let bind = "127.0.0.1:0".parse().unwrap();
    let listen = Listen::new(Transport::Udp, bind).advertise("pbx.example.org", 5070);
    caller.listen(listen).await.unwrap();
    let to = format!("sip:bob@{at}");
    caller
        .endpoint()
        .invite(Instant::now(), invite(&to))
        .unwrap();
    // Its response finds back all the same, by `rport` (RFC 3581).
    let via = until(&mut caller, |event| match event {
        Event::Answered { response, .. } => {
            let via = response.header(sip_core::HeaderName::VIA);
            via.map(|field| field.to_str().into_owned())
        }
        _ => None,
    })
    .await;
    assert!(
        via.starts_with("SIP/2.0/UDP pbx.example.org:5070;"),
        "{via}"
    );
    assert!(via.contains(";received=127.0.0.1"), "{via}");
    let invite = caller.poll_tap().unwrap();
    let invite = String::from_utf8_lossy(&invite.bytes).into_owned();
    assert!(
        invite.contains("\r\nContact: <sip:alice@pbx.example.org:5070>\r\n"),
        "{invite}"
    );
    callee.abort();
}
