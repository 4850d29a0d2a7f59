//! `sip-core`'s [`Endpoint`] on the standard library's sockets: no runtime, no thread, one loop.

use bytes::Bytes;
use sip_core::{
    Body, CallHandle, CallId, Config, ConnectionId, Endpoint, Epoch, Event, Flow, FlowError, Input,
    Local, Target, Transmit, Transport,
};
use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

/// A user agent on one port of 127.0.0.1, UDP and TCP, that runs while its methods are called.
pub struct Ua {
    endpoint: Endpoint,
    udp: UdpSocket,
    listener: TcpListener,
    connections: HashMap<ConnectionId, (Flow, TcpStream)>,
    next_connection: u64,
    events: VecDeque<Event>,
    /// Every message out and in since the start: the direction, then its bytes.
    pub traffic: Vec<(crate::Direction, Bytes)>,
}

impl Ua {
    /// Starts one; `set_up` may change the configuration.
    ///
    /// # Panics
    /// When no port can be bound.
    pub fn start(set_up: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a TCP port");
        let address = listener.local_addr().expect("its address");
        let udp = UdpSocket::bind(address).expect("the same UDP port");
        listener
            .set_nonblocking(true)
            .expect("a socket that does not block");
        udp.set_read_timeout(Some(Duration::from_millis(2)))
            .expect("a socket that blocks shortly");
        let mut config = Config::new(Local::new(Transport::Udp, address));
        config.locals.push(Local::new(Transport::Tcp, address));
        set_up(&mut config);
        let mut random = std::fs::File::open("/dev/urandom").expect("randomness");
        let chance = Box::new(move |out: &mut [u8]| random.read_exact(out).expect("randomness"));
        let epoch = Epoch {
            instant: Instant::now(),
            wall: SystemTime::now(),
        };
        Self {
            endpoint: Endpoint::new(config, epoch, chance),
            udp,
            listener,
            connections: HashMap::new(),
            next_connection: 1,
            events: VecDeque::new(),
            traffic: Vec::new(),
        }
    }

    /// Its port, UDP and TCP.
    pub fn port(&self) -> u16 {
        self.udp.local_addr().expect("its address").port()
    }

    /// The endpoint, for commands; run on afterwards.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// One of its calls, for commands.
    ///
    /// # Panics
    /// When the call is over.
    pub fn call(&mut self, id: CallId) -> CallHandle<'_> {
        self.endpoint.call(id).expect("a call that is not over")
    }

    /// Runs until `wanted` takes an event; events that it does not take are dropped.
    ///
    /// # Panics
    /// With the events dropped, when `limit` has passed.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        let end = Instant::now() + limit;
        let mut dropped = Vec::new();
        loop {
            while let Some(event) = self.events.pop_front() {
                if let Some(value) = wanted(&event) {
                    return value;
                }
                dropped.push(event);
            }
            assert!(
                Instant::now() < end,
                "not within {limit:?}: {what}; events: {dropped:#?}"
            );
            self.turn();
        }
    }

    /// Runs for `time` and gives the events.
    pub fn run_for(&mut self, time: Duration) -> Vec<Event> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn();
        }
        self.events.drain(..).collect()
    }

    /// A description of one PCMU stream that nobody will send to, in this direction (`sendrecv`, …).
    pub fn sdp(&self, version: u32, direction: &str) -> Body {
        Body::sdp(format!(
            "v=0\r\no=- 7 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=fmtp:101 0-15\r\na={direction}\r\n",
            // The SIP port's neighbour: nothing here listens for media.
            self.port() ^ 1
        ))
    }

    /// The next event, if there is one without waiting; [`Ua::turn`] makes them.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes what has arrived and does what is due; waits 2 ms at most.
    pub fn turn(&mut self) {
        self.drain();
        if self
            .endpoint
            .poll_timeout()
            .is_some_and(|at| at <= Instant::now())
        {
            self.endpoint.handle_timeout(Instant::now());
            self.drain();
        }
        while let Ok((stream, remote)) = self.listener.accept() {
            self.opened(stream, remote);
        }
        self.read_connections();
        let mut buffer = [0; 65_536];
        if let Ok((n, remote)) = self.udp.recv_from(&mut buffer) {
            let flow = Flow::udp(self.udp.local_addr().expect("its address"), remote);
            self.received(flow, &buffer[..n]);
        }
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            if let Some(transmit) = self.endpoint.poll_transmit() {
                self.transmit(transmit);
            } else if let Some(event) = self.endpoint.poll_event() {
                match event {
                    Event::Close { flow } => self.close(flow, FlowError::Closed),
                    event => self.events.push_back(event),
                }
            } else {
                return;
            }
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        self.traffic
            .push((crate::Direction::Sent, transmit.bytes.clone()));
        let remote = transmit.to.remote();
        if transmit.to.transport() == Transport::Udp {
            // A refusal shows as silence, which the transaction's timer ends.
            let _ = self.udp.send_to(&transmit.bytes, remote);
            return;
        }
        let open = match &transmit.to {
            Target::Flow(flow) => flow.connection,
            _ => self
                .connections
                .values()
                .find(|(flow, _)| flow.remote == remote)
                .and_then(|(flow, _)| flow.connection),
        };
        let id = match open {
            Some(id) => id,
            None => match TcpStream::connect(remote) {
                Ok(stream) => self.opened(stream, remote),
                Err(_) => {
                    let local = self.listener.local_addr().expect("its address");
                    let flow = Flow {
                        transport: Transport::Tcp,
                        local,
                        remote,
                        connection: None,
                    };
                    return self.input(Input::Closed {
                        flow,
                        cause: FlowError::Refused,
                    });
                }
            },
        };
        let Some((flow, stream)) = self.connections.get_mut(&id) else {
            return;
        };
        let (flow, sent) = (*flow, stream.write_all(&transmit.bytes));
        if sent.is_err() || transmit.then_close {
            self.close(flow, FlowError::Closed);
        }
    }

    fn opened(&mut self, stream: TcpStream, remote: SocketAddr) -> ConnectionId {
        stream
            .set_nonblocking(true)
            .expect("a socket that does not block");
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let local = stream.local_addr().expect("its address");
        let flow = Flow {
            transport: Transport::Tcp,
            local,
            remote,
            connection: Some(id),
        };
        self.connections.insert(id, (flow, stream));
        self.input(Input::Opened { flow });
        id
    }

    fn close(&mut self, flow: Flow, cause: FlowError) {
        if flow
            .connection
            .is_some_and(|id| self.connections.remove(&id).is_some())
        {
            self.input(Input::Closed { flow, cause });
        }
    }

    fn read_connections(&mut self) {
        let mut buffer = [0; 65_536];
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            let Some((flow, stream)) = self.connections.get_mut(&id) else {
                continue;
            };
            let flow = *flow;
            match stream.read(&mut buffer) {
                Ok(0) => self.close(flow, FlowError::Closed),
                Ok(n) => self.received(flow, &buffer[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.close(flow, FlowError::Reset),
            }
        }
    }

    fn received(&mut self, flow: Flow, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        self.traffic
            .push((crate::Direction::Received, bytes.clone()));
        self.input(Input::Received { flow, bytes });
    }

    fn input(&mut self, input: Input) {
        self.endpoint.handle_input(Instant::now(), input);
    }
}
