//! Several endpoints over the same sockets, as one user agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sip_core::homes::Homes;
use sip_core::net::{Front, HomeDriver, Transports};
use sip_core::registrar::{Binding, BindingChange, Policy};
use sip_core::registration::Proxy;
use sip_core::{Drain, Limits, Registration, RegistrationState, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;

const HOMES: u16 = 3;
const REALM: &str = "exchange.example.org";

/// Where each user's phone is: the application's own, as registrations and calls have different homes.
type Book = Arc<Mutex<HashMap<String, Binding>>>;

/// What a home saw by the time it stopped.
struct Seen {
    home: HomeDriver,
    calls: usize,
    /// Calls that it passed on to a registered phone.
    passed: usize,
}

/// A switchboard: `echo` answers, other names are phones that registered.
struct Exchange {
    at: Vec<(Transport, SocketAddr)>,
    stop: watch::Sender<Option<Drain>>,
    homes: Vec<JoinHandle<Seen>>,
    front: JoinHandle<()>,
    book: Book,
}

async fn shared(
    transports: &[Transport],
    change: impl Fn(&mut Config),
) -> (Vec<(Transport, SocketAddr)>, Front, Vec<HomeDriver>) {
    let mut sockets = Transports::new(Limits::default());
    #[cfg(feature = "tls")]
    secure::configure_transports(&mut sockets);
    let mut at = Vec::new();
    for transport in transports {
        let listen = Listen::new(*transport, "127.0.0.1:0".parse().unwrap());
        at.push((*transport, sockets.listen(listen).await.unwrap()));
    }
    let mut key = [0; 8];
    chance()(&mut key);
    let (front, homes) = sockets.share(Homes::new(HOMES, u64::from_ne_bytes(key)), |_| {
        let mut config = Config::default();
        change(&mut config);
        (config, chance())
    });
    (at, front, homes)
}

impl Exchange {
    async fn open(transports: &[Transport]) -> Self {
        let (at, mut front, homes) = shared(transports, |config| {
            let users = ["alice", "bob", "carol"];
            let policy = DigestPolicy::new(REALM, [3; 32]);
            config.digest = Some(
                users
                    .into_iter()
                    .fold(policy, |policy, user| policy.user(user, "secret")),
            );
            config.registrar = Some(Policy::new(Vec::<String>::new()));
        })
        .await;
        let (stop, stopped) = watch::channel(None);
        let (drained, book) = (watch::Sender::new(0), Book::default());
        let homes = homes.into_iter().map(|home| {
            let book = Arc::clone(&book);
            tokio::spawn(serve(home, book, stopped.clone(), drained.clone()))
        });
        Self {
            at,
            stop,
            homes: homes.collect(),
            front: tokio::spawn(async move { front.run().await }),
            book,
        }
    }

    /// Stops, and gives what the homes saw; nothing went to a home where nobody knew it.
    async fn close(self, drain: Drain) -> Vec<Seen> {
        self.stop.send(Some(drain)).unwrap();
        let mut seen = Vec::new();
        for home in self.homes {
            let home = tokio::time::timeout(Duration::from_secs(20), home);
            let mut home = home.await.expect("drained").unwrap();
            assert_eq!(home.home.endpoint().counters().stray, 0);
            seen.push(home);
        }
        self.front.abort();
        seen
    }
}

/// Until all have drained: those that are done first still refuse new calls.
async fn serve(
    mut home: HomeDriver,
    book: Book,
    mut stop: watch::Receiver<Option<Drain>>,
    drained: watch::Sender<u16>,
) -> Seen {
    let mut all = drained.subscribe();
    let (mut calls, mut passed) = (0, 0);
    let mut partner: HashMap<CallId, CallId> = HashMap::new();
    let mut draining = false;
    loop {
        let event = tokio::select! {
            event = home.next_event() => event,
            _ = all.wait_for(|count| *count == HOMES) => {
                return Seen { home, calls, passed };
            }
            _ = stop.changed(), if !draining => {
                draining = true;
                let drain = stop.borrow().unwrap();
                home.endpoint().drain(Instant::now(), drain);
                continue;
            }
        };
        let now = Instant::now();
        let endpoint = home.endpoint();
        match event {
            Event::Incoming { call, request, .. } => {
                calls += 1;
                let user = request.uri().unwrap().user().unwrap().to_owned();
                if user == "echo" {
                    let handle = endpoint.call(call).unwrap();
                    handle.answer(now, Some(sdp("answer"))).unwrap();
                    continue;
                }
                let binding = book.lock().unwrap().get(&user).cloned();
                let binding = binding.expect("registered");
                passed += 1;
                let leg = invite(&format!("sip:{user}@{REALM}")).at(&binding);
                let leg = endpoint.invite(now, leg).unwrap();
                partner.extend([(call, leg), (leg, call)]);
            }
            Event::Answered { call, body, .. } => {
                let handle = endpoint.call(partner[&call]).unwrap();
                handle.answer(now, body).unwrap();
            }
            Event::Offered { call, .. } => {
                let handle = endpoint.call(call).unwrap();
                handle.accept(now, sdp("held")).unwrap();
            }
            Event::Ended { call, .. } => {
                if let Some(other) = partner.remove(&call)
                    && let Ok(handle) = endpoint.call(other)
                {
                    partner.remove(&other);
                    handle.hang_up(now).unwrap();
                }
            }
            Event::Binding { aor, event } => {
                let user = aor.user().unwrap().to_owned();
                let mut book = book.lock().unwrap();
                match event.change {
                    BindingChange::Added | BindingChange::Refreshed => {
                        book.insert(user, event.binding)
                    }
                    _ => book.remove(&user),
                };
            }
            Event::Drained => drained.send_modify(|count| *count += 1),
            _ => {}
        }
    }
}

fn account(user: &str) -> Account {
    Account::with_password(user, "secret")
}

fn uri(user: &str, transport: Transport, at: SocketAddr) -> String {
    let scheme = match transport {
        Transport::Wss => "sips",
        _ => "sip",
    };
    format!("{scheme}:{user}@{at};transport={}", transport.param())
}

/// Calls, is answered, and holds; the call.
async fn call(caller: &mut Driver, to: &str) -> CallId {
    let invite = invite(to).account(account("alice"));
    let call = caller.endpoint().invite(Instant::now(), invite).unwrap();
    until(caller, |event| match event {
        Event::Answered { call: of, .. } => (*of == call).then_some(()),
        Event::Ended { cause, .. } => panic!("{cause}"),
        _ => None,
    })
    .await;
    call
}

async fn ended(caller: &mut Driver) -> sip_core::EndCause {
    until(caller, |event| match event {
        Event::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_every_transport_are_spread_and_each_stays_in_its_home() {
    const CALLS: usize = 8;
    let exchange = Exchange::open(&built()).await;
    let callers = exchange.at.clone().into_iter().map(|(transport, at)| {
        tokio::spawn(async move {
            let (mut caller, _) = driver(Config::default(), transport).await;
            for _ in 0..CALLS {
                let call = call(&mut caller, &uri("echo", transport, at)).await;
                let handle = caller.endpoint().call(call).unwrap();
                handle.reinvite(Instant::now(), sdp("hold")).unwrap();
                until(&mut caller, |event| {
                    matches!(event, Event::ReinviteAnswered { .. }).then_some(())
                })
                .await;
                let handle = caller.endpoint().call(call).unwrap();
                handle.hang_up(Instant::now()).unwrap();
                assert_eq!(ended(&mut caller).await.kind, EndKind::HungUp);
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let seen = exchange.close(Drain::new(Duration::ZERO)).await;
    let calls: Vec<usize> = seen.iter().map(|home| home.calls).collect();
    assert_eq!(calls.iter().sum::<usize>(), CALLS * built().len());
    // By chance all of 16 calls or more meet in one of three homes once in 14 million runs.
    assert!(calls.iter().filter(|&&calls| calls > 0).count() > 1);
}

/// Registered where the user's home is, called from wherever the caller's INVITE went to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_register_at_their_home_and_are_called_from_any() {
    const CALLS: usize = 6;
    let exchange = Exchange::open(&[Transport::Udp, Transport::Tcp]).await;
    let mut phones = Vec::new();
    for (user, (transport, at)) in ["bob", "carol"].into_iter().zip(exchange.at.clone()) {
        let (mut driver, _) = driver(Config::default(), transport).await;
        let registration = Registration::new(
            format!("sip:{REALM}").parse().unwrap(),
            NameAddr::parse(format!("<sip:{user}@{REALM}>")).unwrap(),
        )
        .account(account(user))
        .proxy(Proxy::target(Target::new(transport, at)));
        let now = Instant::now();
        let id = driver.endpoint().register(now, registration).unwrap();
        let registered = |event: &Event| match event {
            Event::Registration { state, .. } => {
                matches!(state, RegistrationState::Registered { .. }).then_some(())
            }
            _ => None,
        };
        until(&mut driver, registered).await;
        // Again: the home of the user knows the nonce, whichever connection or port that comes from.
        driver
            .endpoint()
            .refresh_registration(Instant::now(), id)
            .unwrap();
        until(&mut driver, registered).await;
        phones.push(tokio::spawn(async move {
            let mut ended = 0;
            while ended < 2 * CALLS {
                match driver.next_event().await {
                    Event::Incoming { call, .. } => {
                        let handle = driver.endpoint().call(call).unwrap();
                        handle.answer(Instant::now(), Some(sdp("phone"))).unwrap();
                    }
                    Event::Ended { .. } => ended += 1,
                    _ => {}
                }
            }
            driver.flush();
        }));
    }
    assert_eq!(exchange.book.lock().unwrap().len(), 2);
    for (transport, at) in exchange.at.clone() {
        let (mut alice, _) = driver(Config::default(), transport).await;
        for user in ["bob", "carol"].repeat(CALLS) {
            let call = call(&mut alice, &uri(user, transport, at)).await;
            let handle = alice.endpoint().call(call).unwrap();
            handle.hang_up(Instant::now()).unwrap();
            ended(&mut alice).await;
        }
    }
    for phone in phones {
        let phone = tokio::time::timeout(Duration::from_secs(5), phone);
        phone.await.expect("every call ended").unwrap();
    }
    let seen = exchange.close(Drain::new(Duration::ZERO)).await;
    assert_eq!(
        seen.iter().map(|home| home.passed).sum::<usize>(),
        4 * CALLS
    );
    assert!(seen.iter().filter(|home| home.passed > 0).count() > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_is_one_of_all_homes() {
    let exchange = Exchange::open(&[Transport::Tcp]).await;
    let (transport, at) = exchange.at[0];
    let (mut caller, _) = driver(Config::default(), transport).await;
    let echo = uri("echo", transport, at);
    let mut standing = Vec::new();
    for _ in 0..6 {
        standing.push(call(&mut caller, &echo).await);
    }
    let mut others = Vec::new();
    for _ in 0..6 {
        others.push(driver(Config::default(), transport).await.0);
    }
    let begun = Instant::now();
    let drain = Drain::new(Duration::from_millis(1500)).retry_after(Duration::from_secs(7));
    exchange.stop.send(Some(drain)).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    for other in &mut others {
        let call = invite(&echo).account(account("alice"));
        other.endpoint().invite(Instant::now(), call).unwrap();
        let cause = ended(other).await;
        assert_eq!(cause.status, Some(StatusCode::SERVICE_UNAVAILABLE));
    }
    for _ in standing {
        let cause = ended(&mut caller).await;
        assert_eq!((cause.by, cause.kind), (EndedBy::Remote, EndKind::HungUp));
    }
    caller.flush();
    assert!(begun.elapsed() >= Duration::from_millis(1500));
    // They have all drained, or are about to.
    let mut calls = 0;
    for home in exchange.homes {
        let home = tokio::time::timeout(Duration::from_secs(5), home);
        calls += home.await.expect("drained").unwrap().calls;
    }
    assert_eq!(calls, 6);
    exchange.front.abort();
}

/// Endpoints that answer by themselves only.
async fn automata(
    transports: &[Transport],
    change: impl Fn(&mut Config),
) -> (SocketAddr, Vec<JoinHandle<()>>) {
    let (at, mut front, homes) = shared(transports, change).await;
    let mut tasks = vec![tokio::spawn(async move { front.run().await })];
    for mut home in homes {
        tasks.push(tokio::spawn(async move {
            loop {
                home.next_event().await;
            }
        }));
    }
    (at[0].1, tasks)
}

async fn read(stream: &mut TcpStream, mut enough: impl FnMut(&str) -> bool) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !enough(&text) {
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer));
        let len = read.await.expect("in time").unwrap_or(0);
        if len == 0 {
            break;
        }
        text.push_str(&String::from_utf8_lossy(&buffer[..len]));
    }
    text
}

/// Many messages for different homes in one write, one a byte at a time, a ping between them.
#[tokio::test]
async fn a_stream_is_read_once_whatever_homes_its_messages_are_for() {
    let (at, tasks) = automata(&[Transport::Tcp], |_| {}).await;
    let mut stream = TcpStream::connect(at).await.unwrap();
    let together: String = (0..40).map(options).collect();
    stream.write_all(together.as_bytes()).await.unwrap();
    for byte in options(40).as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    stream.write_all(b"\r\n\r\n").await.unwrap();
    let answers = |text: &str| text.matches("SIP/2.0 200 OK\r\n").count();
    let text = read(&mut stream, |text| {
        answers(text) == 41 && text.contains("\r\n\r\n\r\n")
    })
    .await;
    for number in 0..=40 {
        assert!(
            text.contains(&format!("\r\nCall-ID: {number}\r\n")),
            "{text}"
        );
    }
    for task in tasks {
        task.abort();
    }
}

#[tokio::test]
async fn what_cannot_be_read_or_never_ends_costs_its_connection_only() {
    let (at, tasks) = automata(&[Transport::Tcp], |config| {
        config.message_within = Duration::from_millis(300);
    })
    .await;
    let mut good = TcpStream::connect(at).await.unwrap();
    // No Content-Length: answered, and closed.
    let mut bad = TcpStream::connect(at).await.unwrap();
    let endless = options(1).replace("Content-Length: 0\r\n", "");
    bad.write_all(endless.as_bytes()).await.unwrap();
    let text = read(&mut bad, |_| false).await;
    assert!(text.starts_with("SIP/2.0 400 "), "{text}");
    // Not SIP at all: closed.
    let mut bad = TcpStream::connect(at).await.unwrap();
    bad.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut bad, |_| false).await, "");
    // Half a message after a whole one.
    let mut bad = TcpStream::connect(at).await.unwrap();
    let begun = Instant::now();
    let half = format!("{}{}", options(2), &options(3)[..60]);
    bad.write_all(half.as_bytes()).await.unwrap();
    let text = read(&mut bad, |_| false).await;
    assert_eq!(text.matches("SIP/2.0 200 OK\r\n").count(), 1);
    assert!(begun.elapsed() >= Duration::from_millis(290));
    good.write_all(options(4).as_bytes()).await.unwrap();
    let text = read(&mut good, |text| text.ends_with("\r\n\r\n")).await;
    assert!(text.starts_with("SIP/2.0 200 "), "{text}");
    for task in tasks {
        task.abort();
    }
}

/// Registered over a connection, and asks whether it lives: the pong finds the home that asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_homes_ask_of_a_connection_is_answered_to_them() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (_, mut front, mut homes) = shared(&[Transport::Tcp], |_| {}).await;
    let front = tokio::spawn(async move { front.run().await });
    let mut home = homes.remove(1);
    let registration = Registration::new(
        format!("sip:{REALM}").parse().unwrap(),
        NameAddr::parse(format!("<sip:bob@{REALM}>")).unwrap(),
    )
    .outbound("<urn:uuid:00000000-0000-1000-8000-000a95a0e128>")
    .proxy(Proxy::target(Target::new(Transport::Tcp, at)));
    let endpoint = home.endpoint();
    endpoint.register(Instant::now(), registration).unwrap();
    let home = tokio::spawn(async move {
        loop {
            home.next_event().await;
        }
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    let request = read(&mut stream, |text| text.ends_with("\r\n\r\n")).await;
    let line = |name: &str| {
        let found = request.lines().find(|line| line.starts_with(name));
        found.expect(name).to_owned()
    };
    let copied = ["Via:", "From:", "To:", "Call-ID:", "CSeq:", "Contact:"];
    let copied: Vec<String> = copied.into_iter().map(line).collect();
    // A flow timer of a second: a ping within it.
    let answer = format!(
        "SIP/2.0 200 OK\r\n{}\r\nExpires: 600\r\nRequire: outbound\r\nFlow-Timer: 1\r\nContent-Length: 0\r\n\r\n",
        copied.join("\r\n")
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    // The second comes a second after the pong to the first, or not at all.
    for _ in 0..2 {
        let ping = read(&mut stream, |text| text.ends_with("\r\n\r\n")).await;
        assert_eq!(ping, "\r\n\r\n");
        stream.write_all(b"\r\n").await.unwrap();
    }
    home.abort();
    front.abort();
}

/// Whoever does not work loses datagrams of his own, and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_that_stands_still_holds_up_no_datagrams_of_others() {
    let (at, mut front, mut homes) = shared(&[Transport::Udp], |_| {}).await;
    let still = homes.remove(0);
    let (done, finished) = tokio::sync::oneshot::channel::<()>();
    let front = tokio::spawn(async move {
        tokio::select! {
            _ = front.run() => {}
            _ = finished => {}
        }
        front
    });
    let homes = homes.into_iter().map(|mut home| {
        tokio::spawn(async move {
            loop {
                home.next_event().await;
            }
        })
    });
    let homes: Vec<_> = homes.collect();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at[0].1).await.unwrap();
    // In step with the answers, so that no buffer of the kernel's is too small.
    let (mut held, mut open, mut buffer) = (0_u64, 0, [0; 2048]);
    for number in 0.. {
        let request = options(number).replace("/TCP", "/UDP");
        socket.send(request.as_bytes()).await.unwrap();
        match still.home().owns(number.to_string().as_bytes()) {
            true => held += 1,
            false => open += 1,
        }
        if open < 20 {
            continue;
        }
        for _ in 0..std::mem::take(&mut open) {
            let read = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut buffer));
            let len = read.await.expect("an answer").unwrap();
            assert!(buffer[..len].starts_with(b"SIP/2.0 200 "));
        }
        if held >= 1200 {
            break;
        }
    }
    done.send(()).unwrap();
    let front = front.await.unwrap();
    assert_eq!(front.lost(), held - 1024, "what waits for it is bounded");
    drop(still);
    for home in homes {
        home.abort();
    }
}

/// The front is gone: what goes over connections fails, and is told.
#[tokio::test]
async fn without_a_front_nothing_goes_out_over_connections() {
    let (_, front, mut homes) = shared(&[Transport::Tcp], |_| {}).await;
    drop(front);
    let home = &mut homes[0];
    let call = invite("sip:bob@127.0.0.1:9;transport=tcp");
    home.endpoint().invite(Instant::now(), call).unwrap();
    let kind = loop {
        if let Event::Ended { cause, .. } = home.next_event().await {
            break cause.kind;
        }
    };
    assert_eq!(kind, EndKind::Transport(FlowError::NoTransport));
}

#[test]
fn all_of_it_is_send() {
    fn send<T: Send>() {}
    send::<Transports>();
    send::<Front>();
    send::<HomeDriver>();
}
