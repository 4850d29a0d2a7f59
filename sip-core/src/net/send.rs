//! From the endpoint's outbox to the sockets: which connection or socket takes what.

use std::time::Instant;

use super::connection::{self, Connection};
use super::tap::Direction;
use super::transports::{Transports, Worker};
use super::{udp, unspecified};
use crate::{ConnectionId, Flow, FlowError, Target, Transport};

impl Transports {
    /// Sends what there is to send, without waiting.
    pub(super) fn flush(&mut self, worker: &mut impl Worker) {
        while let Some(transmit) = worker.next() {
            let now = Instant::now();
            let failed = match transmit.to.transport() {
                Transport::Udp => self.send_datagram(now, &transmit.to, &transmit.bytes),
                _ => self.send_stream(now, &transmit.to, transmit.bytes, transmit.then_close),
            };
            if let Err((flow, cause)) = failed {
                worker.failed(now, flow, cause);
            }
        }
    }

    fn send_datagram(
        &mut self,
        now: Instant,
        to: &Target,
        bytes: &bytes::Bytes,
    ) -> Result<(), (Flow, FlowError)> {
        let Some(socket) = udp::from(&self.sockets, to, |socket| socket.local) else {
            return Err((flow_of(to), FlowError::NoTransport));
        };
        let flow = Flow::udp(socket.local, to.remote());
        let sent = socket.send(to.remote(), bytes);
        self.record(now, Direction::Sent, flow, bytes);
        sent.map_err(|cause| (flow, cause))
    }

    fn send_stream(
        &mut self,
        now: Instant,
        to: &Target,
        bytes: bytes::Bytes,
        then_close: bool,
    ) -> Result<(), (Flow, FlowError)> {
        let name = match to {
            Target::Open { server_name, .. } => server_name.clone(),
            Target::Flow(_) => None,
        };
        let reuse = (to.transport(), to.remote(), name);
        let id = match to {
            Target::Flow(Flow {
                connection: Some(id),
                ..
            }) => Some(*id),
            _ => self.reusable.get(&reuse).copied(),
        };
        let id = match (id.filter(|id| self.connections.contains_key(id)), to) {
            (Some(id), _) => id,
            (None, Target::Flow(flow)) => return Err((*flow, FlowError::Closed)),
            (None, Target::Open { transport, .. }) => {
                if !self.settings.can_open(*transport) {
                    return Err((flow_of(to), FlowError::NoTransport));
                }
                if self.connections.len() >= self.limits.count {
                    return Err((flow_of(to), FlowError::Exhausted));
                }
                let id = self.next_id();
                let (settings, reporter) = (self.settings.clone(), self.reporter.clone());
                let connection = connection::open(now, reuse.clone(), id, settings, reporter);
                self.connections.insert(id, connection);
                self.reusable.insert(reuse, id);
                id
            }
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        let flow = connection.flow;
        let sent = connection.send(now, bytes.clone(), then_close);
        self.record(now, Direction::Sent, flow, &bytes);
        if sent.is_err() {
            self.disconnect(id);
            return Err((flow, FlowError::Congested));
        }
        Ok(())
    }

    pub(super) fn next_id(&mut self) -> ConnectionId {
        self.next_id += 1;
        ConnectionId(self.next_id)
    }

    /// Forgets a connection and closes our end of it.
    pub(super) fn disconnect(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        if let Some(reuse) = &connection.reuse
            && self.reusable.get(reuse) == Some(&id)
        {
            self.reusable.remove(reuse);
        }
        if let Some(source) = connection.source
            && let Some(count) = self.per_source.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&source);
            }
        }
        Some(connection)
    }

    pub(super) fn opened(&mut self, id: ConnectionId, flow: Flow) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.flow = flow;
        // One that the peer opened serves our requests to the same address too, unless it is the certificate that
        // makes it the right one (RFC 5923).
        if connection.reuse.is_none() && !flow.transport.is_secure() {
            let reuse = (flow.transport, flow.remote, None);
            if !self.reusable.contains_key(&reuse) {
                self.reusable.insert(reuse.clone(), id);
                connection.reuse = Some(reuse);
            }
        }
    }
}

/// The flow that could not be.
pub(super) fn flow_of(to: &Target) -> Flow {
    match to {
        Target::Flow(flow) => *flow,
        Target::Open {
            transport, remote, ..
        } => Flow {
            transport: *transport,
            local: unspecified(remote),
            remote: *remote,
            connection: None,
        },
    }
}
