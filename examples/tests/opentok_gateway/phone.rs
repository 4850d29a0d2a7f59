//! A phone on a thread of its own: another gateway, which knows nothing of the first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use examples::chance::chance;
use media_mix::{Rate, Tone};
use signaling::engine::Voice;
use signaling::net::{Event, Gateway, GatewayConfig};
use signaling::session::{Join, SessionOptions};
use sip_core::net::Listen;
use sip_core::{DigestPolicy, Transport, Uninvited};
use token::Role;
use tokio::sync::oneshot;

pub(crate) struct Phone {
    pub(crate) address: SocketAddr,
    /// What happens to it: `invite …`, `answered`, `key 1`, and how a call ends.
    pub(crate) events: Receiver<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Phone {
    /// Answers at once; `password` is what the user `desk` must know.
    pub(crate) fn start(password: Option<&'static str>) -> Self {
        Self::begin(password, None)
    }

    /// Answers at once, and is reached over TLS alone.
    pub(crate) fn over_tls(shown: Arc<rustls::ServerConfig>) -> Self {
        Self::begin(None, Some(shown))
    }

    fn begin(password: Option<&'static str>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let (tell, events) = channel();
        let (ready, address) = channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let mut config = GatewayConfig::new("127.0.0.1:0".parse().unwrap(), chance());
                config.uninvited = Uninvited::Accept;
                config.rtp_ports = 40_000..=49_999;
                config.digest = password.map(|password| {
                    DigestPolicy::new("phone.example", [7; 32]).user("desk", password)
                });
                let mut gateway = Gateway::bind(config).await.unwrap();
                let home = gateway
                    .open_session("home", SessionOptions::default())
                    .unwrap();
                let voice = Voice::tone(Tone::new(Rate::Khz48, 1020.0, -15.0));
                gateway
                    .join(home, Join::new(Role::Publisher), voice)
                    .unwrap();
                let mut address = gateway.sip_addr();
                if let Some(shown) = tls {
                    gateway.driver().set_tls_server(shown);
                    let any = Listen::new(Transport::Tls, "127.0.0.1:0".parse().unwrap());
                    address = gateway.driver().listen(any).await.unwrap();
                }
                ready.send(address).unwrap();
                let work = async {
                    loop {
                        let event = gateway.next_event().await;
                        let text = match event {
                            Event::Incoming { call, request, .. } => {
                                gateway
                                    .answer(call, home, Join::new(Role::Publisher))
                                    .unwrap();
                                format!("invite {request}")
                            }
                            Event::Answered { .. } => "answered".to_owned(),
                            Event::Key { digit, .. } => format!("key {digit}"),
                            Event::Ended { end, .. } => format!("ended: {end}"),
                            _ => continue,
                        };
                        let _ = tell.send(text);
                    }
                };
                tokio::select! { () = work => {}, _ = stopped => {} }
                // Dropped as it stands: no BYE, as when the power fails.
            });
        });
        Self {
            address: address.recv().unwrap(),
            events,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:desk@{}", self.address)
    }

    /// Waits for an event that begins so.
    #[track_caller]
    pub(crate) fn expect(&self, start: &str) -> String {
        loop {
            let event = self.events.recv_timeout(Duration::from_secs(20));
            let event = event.unwrap_or_else(|_| panic!("the phone sees no {start}"));
            if event.starts_with(start) {
                return event;
            }
        }
    }

    /// Vanishes, without a word.
    pub(crate) fn vanish(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.vanish();
    }
}
