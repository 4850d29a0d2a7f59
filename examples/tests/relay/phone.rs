//! A phone that says what a test puts into its mouth, and holds the sockets that it describes.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use examples::chance::chance;
use rtp_core::sdp::{Description, Media};
use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::net::{Driver, Listen};
use sip_core::{
    Body, CallId, Config, Event, Invite, Registration, RegistrationState, StatusCode, Transport,
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One line's sockets, and where its packets go.
pub(crate) struct Sockets {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    to: Option<[SocketAddr; 2]>,
}

impl Sockets {
    pub(crate) fn open() -> Self {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(2)))
                .unwrap();
            socket
        };
        Self {
            rtp: socket(),
            rtcp: socket(),
            to: None,
        }
    }

    pub(crate) fn ports(&self) -> [u16; 2] {
        [&self.rtp, &self.rtcp].map(|socket| socket.local_addr().unwrap().port())
    }

    /// Sends to where the other's description said.
    pub(crate) fn point_at(&mut self, section: &Media) {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let rtcp = section.attributes.rtcp().map(|rtcp| rtcp.port);
        self.to = Some([
            at(section.port),
            at(rtcp.unwrap_or_else(|| section.port + 1)),
        ]);
    }

    pub(crate) fn send_rtp(&self, packet: &[u8]) {
        self.rtp.send_to(packet, self.to.unwrap()[0]).unwrap();
    }

    pub(crate) fn send_rtcp(&self, packet: &[u8]) {
        self.rtcp.send_to(packet, self.to.unwrap()[1]).unwrap();
    }
}

/// The next datagram; `None` when there is none for two seconds.
pub(crate) fn next(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut bytes = [0; 2048];
    let len = socket.recv(&mut bytes).ok()?;
    Some(bytes[..len].to_vec())
}

/// Whether no datagram waits that nobody has taken.
pub(crate) fn is_empty(socket: &UdpSocket) -> bool {
    socket.set_nonblocking(true).unwrap();
    socket.recv(&mut [0]).is_err()
}

/// A registered phone.
pub(crate) struct Phone {
    driver: Driver,
    aor: NameAddr,
    account: Account,
    registrar: String,
}

#[allow(clippy::disallowed_methods)] // A phone has a clock.
fn now() -> Instant {
    Instant::now()
}

impl Phone {
    /// Over UDP, at a switchboard that listens there.
    pub(crate) async fn registered(user: &str, registrar: &str) -> Self {
        let mut driver = Driver::new(Config::default(), chance().boxed());
        let listen = Listen::new(Transport::Udp, "127.0.0.1:0".parse().unwrap());
        driver.listen(listen).await.unwrap();
        let aor = NameAddr::parse(format!("<sip:{user}@{registrar}>")).unwrap();
        let password: String = user.chars().rev().collect();
        let account = Account::with_password(user, &password);
        let uri = format!("sip:{registrar}").parse().unwrap();
        let registration = Registration::new(uri, aor.clone()).account(account.clone());
        driver.endpoint().register(now(), registration).unwrap();
        let mut phone = Self {
            driver,
            aor,
            account,
            registrar: registrar.to_owned(),
        };
        phone
            .until("a registration", |event| match event {
                Event::Registration {
                    state: RegistrationState::Registered { .. },
                    ..
                } => Some(()),
                _ => None,
            })
            .await;
        phone
    }

    /// Calls with this offer, and gives the answer, or the status that was it.
    pub(crate) async fn call(
        &mut self,
        user: &str,
        offer: &str,
    ) -> Result<(CallId, Description), Option<StatusCode>> {
        let uri = format!("sip:{user}@{}", self.registrar).parse().unwrap();
        let invite = Invite::new(uri, self.aor.clone()).account(self.account.clone());
        let invite = invite.body(Body::sdp(offer.to_owned()));
        let call = self.driver.endpoint().invite(now(), invite).unwrap();
        let answer = self
            .until("an answer", |event| match event {
                Event::Answered { body, .. } => Some(Ok(body.unwrap())),
                Event::Ended { cause, .. } => Some(Err(cause.status)),
                _ => None,
            })
            .await?;
        self.driver.flush();
        Ok((call, Description::parse(&answer.bytes).unwrap()))
    }

    /// Waits for a call, answers or refuses it so until it answers, and gives what it was offered.
    pub(crate) async fn answer(
        &mut self,
        answer: impl Fn(&Description) -> Result<String, StatusCode>,
    ) -> (CallId, Vec<Description>) {
        let mut offers = Vec::new();
        let answered = loop {
            let (call, offer) = self
                .until("a call", |event| match event {
                    Event::Incoming { call, offer, .. } => Some((call, offer)),
                    _ => None,
                })
                .await;
            let offer = Description::parse(&offer.unwrap().bytes).unwrap();
            let said = answer(&offer);
            offers.push(offer);
            let handle = self.driver.endpoint().call(call).unwrap();
            match said {
                Ok(answer) => {
                    let body = Body::sdp(answer);
                    handle.answer(now(), Some(body)).unwrap();
                    break call;
                }
                Err(status) => handle.reject(now(), status, None).unwrap(),
            }
        };
        self.until("the ACK", |event| match event {
            Event::Confirmed { .. } => Some(()),
            _ => None,
        })
        .await;
        (answered, offers)
    }

    pub(crate) async fn hang_up(&mut self, call: CallId) {
        let handle = self.driver.endpoint().call(call).unwrap();
        handle.hang_up(now()).unwrap();
        self.ended(call).await;
    }

    /// Waits for a call's end.
    pub(crate) async fn ended(&mut self, over: CallId) {
        self.until("the end", |event| match event {
            Event::Ended { call, .. } => (call == over).then_some(()),
            _ => None,
        })
        .await;
        self.driver.flush();
    }

    async fn until<T>(&mut self, what: &str, wanted: impl Fn(Event) -> Option<T>) -> T {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(found) = wanted(self.driver.next_event().await) {
                    return found;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("no {what}"))
    }
}
