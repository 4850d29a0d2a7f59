//! Peers and machines that fail: each costs its own connection, or one clear error, and nobody else's call.

use std::io::ErrorKind;
use std::process::Command;

use sip_core::net::{Admission, ConnectionLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::*;

/// A phone that answers every call over TCP and UDP, with what a test changes; both addresses.
async fn answering(
    config: Config,
    change: impl FnOnce(&mut Driver),
) -> (tokio::task::JoinHandle<()>, SocketAddr, SocketAddr) {
    let (mut callee, tcp) = driver(config, Transport::Tcp).await;
    let listen = Listen::new(Transport::Udp, "127.0.0.1:0".parse().unwrap());
    let udp = callee.listen(listen).await.unwrap();
    change(&mut callee);
    let task = tokio::spawn(async move {
        loop {
            if let Event::Incoming { call, .. } = callee.next_event().await {
                let handle = callee.endpoint().call(call).unwrap();
                handle.answer(Instant::now(), Some(sdp("answer"))).unwrap();
            }
        }
    });
    (task, tcp, udp)
}

/// One call that succeeds, from its INVITE to its BYE.
async fn call_works(caller: &mut Driver, to: &str) {
    let now = Instant::now();
    let call = caller.endpoint().invite(now, invite(to)).unwrap();
    until(caller, |event| match event {
        Event::Answered { .. } => Some(()),
        Event::Ended { cause, .. } => panic!("{to}: {cause}"),
        _ => None,
    })
    .await;
    let handle = caller.endpoint().call(call).unwrap();
    handle.hang_up(Instant::now()).unwrap();
    until(caller, |event| {
        matches!(event, Event::Ended { .. }).then_some(())
    })
    .await;
}

/// Waits until the other side closed, and how long that took.
async fn closed(stream: &mut TcpStream) -> Duration {
    let before = Instant::now();
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    // A reset is an end too.
    let _ = read.expect("closed");
    before.elapsed()
}

#[tokio::test]
async fn half_a_message_and_a_byte_at_a_time_are_let_go() {
    let mut config = Config::default();
    config.message_within = Duration::from_millis(400);
    let (task, tcp, _) = answering(config, |_| {}).await;
    let whole = options(1);

    let mut stalled = TcpStream::connect(tcp).await.unwrap();
    stalled.write_all(&whole.as_bytes()[..100]).await.unwrap();
    let slow = TcpStream::connect(tcp).await.unwrap();
    let (mut reading, mut writing) = slow.into_split();
    let drip = tokio::spawn(async move {
        for byte in options(2).into_bytes() {
            if writing.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    // Meanwhile others are served, and one that is slow, but in time, too.
    let (mut caller, _) = driver(Config::default(), Transport::Tcp).await;
    call_works(&mut caller, &format!("sip:bob@{tcp};transport=tcp")).await;
    let mut patient = TcpStream::connect(tcp).await.unwrap();
    for piece in options(3).as_bytes().chunks(200) {
        patient.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut head = [0; 11];
    patient.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"SIP/2.0 200");

    assert!(closed(&mut stalled).await < Duration::from_secs(5));
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), reading.read_to_end(&mut rest));
    let _ = read.await.expect("closed");
    drip.abort();
    // Whole messages, and none, may stay as long as they like.
    tokio::time::sleep(Duration::from_millis(600)).await;
    patient.write_all(options(4).as_bytes()).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(5), patient.read_u8());
    read.await.expect("still open").unwrap();
    task.abort();
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_message_is_the_end_of_that_connection_only() {
    let (task, tcp, _) = answering(Config::default(), |_| {}).await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(tcp).await.unwrap();
        stream
            .write_all(&options(1).as_bytes()[..150])
            .await
            .unwrap();
        // With nothing to linger for, closing is a reset.
        stream.set_zero_linger().unwrap();
    }
    let (mut caller, _) = driver(Config::default(), Transport::Tcp).await;
    call_works(&mut caller, &format!("sip:bob@{tcp};transport=tcp")).await;
    task.abort();
}

/// The peer resets while our INVITE waits for its answer: the call ends and says so.
#[tokio::test]
async fn a_call_whose_connection_is_reset_says_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (mut caller, _) = driver(Config::default(), Transport::Tcp).await;
    let to = invite(&format!("sip:bob@{at};transport=tcp"));
    caller.endpoint().invite(Instant::now(), to).unwrap();
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 50];
        stream.read_exact(&mut some).await.unwrap();
        stream.write_all(b"SIP/2.0 180 Rin").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.set_zero_linger().unwrap();
    });
    let cause = until(&mut caller, |event| match event {
        Event::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    })
    .await;
    assert_eq!(cause.kind, EndKind::Transport(FlowError::Reset));
    peer.await.unwrap();
}

#[tokio::test]
async fn a_peer_that_never_reads_loses_its_connection_and_stops_nobody() {
    let (task, tcp, _) = answering(Config::default(), |driver| {
        let mut limits = ConnectionLimits::default();
        limits.write = Duration::from_millis(300);
        driver.set_connection_limits(limits);
        driver.set_tap(0);
    })
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(tcp).await.unwrap();
    let asking = tokio::spawn(async move {
        for number in 0.. {
            let asked = deaf.write_all(options(number).as_bytes()).await;
            if asked.is_err() {
                return number;
            }
        }
        0
    });
    let (mut caller, _) = driver(Config::default(), Transport::Tcp).await;
    call_works(&mut caller, &format!("sip:bob@{tcp};transport=tcp")).await;
    let asked = tokio::time::timeout(Duration::from_secs(20), asking).await;
    assert!(asked.expect("cut off").unwrap() > 0);
    call_works(&mut caller, &format!("sip:bob@{tcp};transport=tcp")).await;
    task.abort();
}

#[tokio::test]
async fn idle_connections_are_closed_and_busy_ones_are_not() {
    let (task, tcp, _) = answering(Config::default(), |driver| {
        let mut limits = ConnectionLimits::default();
        limits.idle = Duration::from_millis(500);
        driver.set_connection_limits(limits);
    })
    .await;
    let mut idle = TcpStream::connect(tcp).await.unwrap();
    let mut busy = TcpStream::connect(tcp).await.unwrap();
    let waited = {
        let ping = async {
            loop {
                busy.write_all(b"\r\n\r\n").await.unwrap();
                let mut pong = [0; 2];
                busy.read_exact(&mut pong).await.unwrap();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            waited = closed(&mut idle) => waited,
            () = ping => unreachable!(),
        }
    };
    assert!(waited >= Duration::from_millis(400), "{waited:?}");
    busy.write_all(b"\r\n\r\n").await.unwrap();
    assert_eq!(busy.read_u8().await.unwrap(), b'\r');
    task.abort();
}

#[tokio::test]
async fn connections_are_counted_in_all_and_by_source() {
    for (count, per_source) in [(3, 10), (10, 3)] {
        let (task, tcp, _) = answering(Config::default(), |driver| {
            let mut limits = ConnectionLimits::default();
            (limits.count, limits.per_source) = (count, per_source);
            driver.set_connection_limits(limits);
        })
        .await;
        let mut open = Vec::new();
        for _ in 0..3 {
            let mut stream = TcpStream::connect(tcp).await.unwrap();
            stream.write_all(b"\r\n\r\n").await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'\r');
            open.push(stream);
        }
        let mut fourth = TcpStream::connect(tcp).await.unwrap();
        closed(&mut fourth).await;
        // One that leaves makes room.
        open.pop();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut again = TcpStream::connect(tcp).await.unwrap();
        again.write_all(b"\r\n\r\n").await.unwrap();
        assert_eq!(again.read_u8().await.unwrap(), b'\r');
        task.abort();
    }
}

#[tokio::test]
async fn a_port_in_use_is_the_error_of_that_listener() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (_first, at) = driver(Config::default(), transport).await;
        let mut second = Driver::new(Config::default(), chance());
        let listen = Listen::new(transport, at);
        let error = second.listen(listen).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        // It can take another.
        let other = Listen::new(transport, "127.0.0.1:0".parse().unwrap());
        second.listen(other).await.unwrap();
    }
}

/// In a process of its own, whose limit does not hurt the other tests.
#[cfg(unix)]
#[tokio::test]
async fn without_file_descriptors_what_is_open_goes_on() {
    const CHILD: &str = "FEW_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        let name = "faults::without_file_descriptors_what_is_open_goes_on";
        let script = format!("ulimit -n 48 && exec \"$0\" --exact {name} --nocapture");
        let child = Command::new("sh")
            .args(["-c", &script])
            .arg(std::env::current_exe().unwrap())
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
        return;
    }
    let (task, tcp, udp) = answering(Config::default(), |_| {}).await;
    let (mut caller, _) = driver(Config::default(), Transport::Udp).await;
    let listen = Listen::new(Transport::Tcp, "127.0.0.1:0".parse().unwrap());
    caller.listen(listen).await.unwrap();
    let mut held = Vec::new();
    // Both ends are this process's, so that either runs out first.
    while let Ok(stream) = TcpStream::connect(tcp).await {
        held.push(stream);
        tokio::task::yield_now().await;
    }
    assert!(held.len() > 5, "{}", held.len());
    call_works(&mut caller, &format!("sip:bob@{udp}")).await;
    let to = format!("sip:bob@{tcp};transport=tcp");
    let now = Instant::now();
    caller.endpoint().invite(now, invite(&to)).unwrap();
    let cause = until(&mut caller, |event| match event {
        Event::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    })
    .await;
    assert_eq!(cause.kind, EndKind::Transport(FlowError::Exhausted));
    // The accepting side comes back by itself.
    held.clear();
    tokio::time::sleep(Duration::from_millis(300)).await;
    call_works(&mut caller, &to).await;
    task.abort();
}

/// Other loopback addresses than the first are there without being set up on Linux only.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_one_source_does_not_keep_another_from_calling() {
    let (told, mut ends) = tokio::sync::mpsc::channel(1);
    let (mut callee, at) = driver(Config::default(), Transport::Udp).await;
    let tcp = Listen::new(Transport::Tcp, "127.0.0.1:0".parse().unwrap());
    let tcp = callee.listen(tcp).await.unwrap();
    callee.set_tap(0);
    callee.set_admission(Some(Admission::new(50)));
    let task = tokio::spawn(async move {
        loop {
            match callee.next_event().await {
                Event::Incoming { call, .. } => {
                    let handle = callee.endpoint().call(call).unwrap();
                    handle.answer(Instant::now(), Some(sdp("answer"))).unwrap();
                }
                Event::Ended { .. } => {
                    let sizes = callee.endpoint().sizes();
                    told.send((callee.refused(), sizes)).await.unwrap();
                }
                _ => {}
            }
        }
    });
    let flood = std::net::UdpSocket::bind("127.0.0.2:0").unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let flooder = std::thread::spawn(move || {
        let mut sent = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            let _ = flood.send_to(options(sent).as_bytes(), at);
            sent += 1;
            if sent % 50 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        sent
    });
    let (mut caller, _) = driver(Config::default(), Transport::Udp).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut last = (0, [0; 4]);
    for _ in 0..5 {
        call_works(&mut caller, &format!("sip:bob@{at}")).await;
        last = ends.recv().await.unwrap();
    }
    // A connection from there is not taken either.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut refused = socket.connect(tcp).await.unwrap();
    closed(&mut refused).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let sent = flooder.join().unwrap();
    let (refused, [.., servers, _]) = last;
    assert!(refused > 100, "{refused} of {sent}");
    assert!(servers < 300, "the flood's burst at most: {servers}");
    task.abort();
}

#[tokio::test]
async fn a_flood_over_a_connection_ends_it() {
    let (task, tcp, _) = answering(Config::default(), |driver| {
        driver.set_admission(Some(Admission::new(10)));
    })
    .await;
    let mut stream = TcpStream::connect(tcp).await.unwrap();
    for number in 0..5 {
        stream.write_all(options(number).as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"SIP/2.0 200"));
    }
    let long: String = (0..500).map(options).collect();
    let _ = stream.write_all(long.as_bytes()).await;
    closed(&mut stream).await;
    let mut again = TcpStream::connect(tcp).await.unwrap();
    closed(&mut again).await;
    task.abort();
}
