//! Hooks over real sockets on loopback, to a receiver that does as each test says.
#![cfg(feature = "http")]
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

use signaling::Random;
use signaling::http::hooks::{
    Hook, HookClient, HookConfig, HookError, HookUrl, HookWorker, QueueFull, queue, verify,
};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn config() -> HookConfig {
    let random = Random::new(|bytes| getrandom::fill(bytes).unwrap());
    let mut config = HookConfig::new(random);
    config.timeout = Duration::from_secs(2);
    config.backoff = Duration::from_millis(10);
    config.max_backoff = Duration::from_millis(20);
    config
}

/// What came, head and body.
type Came = Arc<Mutex<Vec<(String, String)>>>;

/// Answers each request with the next of `answers`, the last for ever; an empty one is never sent.
async fn receiver(answers: &'static [&'static str]) -> (HookUrl, Came) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks?a=b", listener.local_addr().unwrap());
    let came = Came::default();
    let seen = came.clone();
    tokio::spawn(async move {
        for turn in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answers[usize::min(turn, answers.len() - 1)];
            tokio::spawn(serve(stream, answer, seen.clone()));
        }
    });
    (url.parse().unwrap(), came)
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str, came: Came) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").unwrap_or_default();
            if body.len() >= length.parse().unwrap_or(0) {
                came.lock()
                    .unwrap()
                    .push((head.to_owned(), body.to_owned()));
                break;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return;
        }
    }
    if answer.is_empty() {
        return std::future::pending().await;
    }
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.trim())
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n";
const NOT_FOUND: &str = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
const ELSEWHERE: &str =
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_with_the_same_name() {
    let (url, came) = receiver(&[BUSY, "garbage\r\n\r\n", OK]).await;
    let mut config = config();
    config.secret = Some(b"secret".to_vec());
    let client = HookClient::new(config);
    let answer = client.call(&Hook::json(url, r#"{"a":1}"#)).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.tries), (200, 3));
    assert_eq!(&answer.body[..], b"fine");
    let came = came.lock().unwrap();
    assert_eq!(came.len(), 3);
    let name = header(&came[0].0, "patchcord-delivery").unwrap();
    for (head, body) in came.iter() {
        assert!(head.starts_with("POST /hooks?a=b HTTP/1.1"), "{head}");
        assert_eq!(body, r#"{"a":1}"#);
        assert_eq!(header(head, "content-type"), Some("application/json"));
        assert_eq!(header(head, "patchcord-delivery"), Some(name));
        let signature = header(head, "patchcord-signature").unwrap();
        let now = SystemTime::now();
        verify(
            b"secret",
            signature,
            body.as_bytes(),
            now,
            Duration::from_secs(60),
        )
        .unwrap();
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    for answers in [&[NOT_FOUND], &[ELSEWHERE]] {
        let (url, came) = receiver(answers).await;
        let error = HookClient::new(config())
            .call(&Hook::json(url, "{}"))
            .await
            .unwrap_err();
        assert!(matches!(error, HookError::Refused(_)), "{error}");
        assert_eq!(came.lock().unwrap().len(), 1);
        let head = came.lock().unwrap()[0].0.clone();
        assert_eq!(
            header(&head, "patchcord-signature"),
            None,
            "no secret, no signature"
        );
    }
}

#[tokio::test]
async fn every_failure_says_what_it_was() {
    let mut short = config();
    short.tries = 2;
    short.timeout = Duration::from_millis(100);
    short.max_answer = 3;
    let client = HookClient::new(short);

    let (silent, came) = receiver(&[""]).await;
    let error = client.call(&Hook::json(silent, "{}")).await.unwrap_err();
    assert!(matches!(error, HookError::TimedOut(_)), "{error}");
    assert_eq!(came.lock().unwrap().len(), 2);

    let (long, came) = receiver(&[OK]).await;
    let error = client.call(&Hook::json(long, "{}")).await.unwrap_err();
    assert!(matches!(error, HookError::TooLong(3)), "{error}");
    assert_eq!(came.lock().unwrap().len(), 1);

    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{closed}/").parse().unwrap();
    let error = client.call(&Hook::json(url, "{}")).await.unwrap_err();
    assert!(matches!(error, HookError::Unreachable(_)), "{error}");

    let url = format!("https://{closed}/").parse().unwrap();
    let error = client.call(&Hook::json(url, "{}")).await.unwrap_err();
    assert!(matches!(error, HookError::NoTls), "{error}");
}

#[tokio::test]
async fn one_address_is_told_in_order_and_a_dead_one_holds_up_nobody() {
    let (dead, _) = receiver(&[""]).await;
    let (alive, came) = receiver(&[BUSY, OK]).await;
    let (events, mut worker) = queue(HookClient::new(config()));
    events.push(Hook::json(dead.clone(), "0")).unwrap();
    for number in 1..=5 {
        events
            .push(Hook::json(alive.clone(), number.to_string()))
            .unwrap();
    }
    assert_eq!(events.len(), 6);
    for _ in 0..5 {
        let delivery = worker.next().await.unwrap();
        assert_eq!(delivery.url, alive);
        delivery.result.unwrap();
    }
    let bodies: Vec<_> = came
        .lock()
        .unwrap()
        .iter()
        .map(|(_, body)| body.clone())
        .collect();
    assert_eq!(
        bodies,
        ["1", "1", "2", "3", "4", "5"],
        "the first was tried twice"
    );
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn a_worker_ends_when_nobody_can_tell_it_anything() {
    let (url, _) = receiver(&[OK]).await;
    let (events, mut worker) = queue(HookClient::new(config()));
    events.push(Hook::json(url, "1")).unwrap();
    drop(events);
    assert!(worker.next().await.unwrap().result.is_ok());
    assert!(worker.next().await.is_none());
}

#[tokio::test]
async fn a_full_queue_refuses_and_has_room_again() {
    let (one, _) = receiver(&[OK]).await;
    let (two, _) = receiver(&[OK]).await;
    let mut small = config();
    (small.queue, small.queue_per_url) = (3, 2);
    let (events, mut worker) = queue(HookClient::new(small));
    let push = |url: &HookUrl| events.push(Hook::json(url.clone(), "{}"));
    assert_eq!((push(&one), push(&one)), (Ok(()), Ok(())));
    assert_eq!(push(&one), Err(QueueFull::Url(2)));
    assert_eq!(push(&two), Ok(()));
    assert_eq!(push(&two), Err(QueueFull::Total(3)));
    for _ in 0..3 {
        worker.next().await.unwrap().result.unwrap();
    }
    assert!(events.is_empty());
    assert_eq!(push(&one), Ok(()));
    drop(worker);
    assert_eq!(push(&two), Err(QueueFull::Closed));
}

#[tokio::test]
async fn https_by_a_configuration_that_was_handed_in() {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring};

    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: HookUrl = format!("https://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(serve(stream, OK, Came::default()));
            }
        }
    });
    let client = |roots| {
        let tls = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut config = config();
        config.tries = 1;
        config.tls = Some(Arc::new(tls));
        HookClient::new(config)
    };
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let hook = Hook::json(url, "{}");
    assert_eq!(&client(roots).call(&hook).await.unwrap().body[..], b"fine");
    let error = client(RootCertStore::empty())
        .call(&hook)
        .await
        .unwrap_err();
    assert!(matches!(error, HookError::Unreachable(_)), "{error}");
}

#[test]
fn they_can_cross_threads() {
    fn send<T: Send + 'static>() {}
    send::<HookWorker>();
    fn future<T: Send>(_: &T) {}
    let client = HookClient::new(config());
    let hook = Hook::json("http://127.0.0.1:1/".parse().unwrap(), "{}");
    future(&client.call(&hook));
}
