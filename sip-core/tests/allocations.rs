//! When an endpoint allocates: never to hand out an event, a transmit or a deadline, never to repeat what it sent, and for
//! a message that it absorbs only the index of that message's headers. The bytes are the socket's; tables and queues have
//! grown to their size.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout)]

#[path = "support/allocator.rs"]
mod allocator;
#[path = "support/pen.rs"]
mod pen;

use std::time::{Duration, Instant, SystemTime};

use allocator::counted;
use bytes::Bytes;
use pen::{them, us};
use sip_core::header::NameAddr;
use sip_core::{
    Body, CallId, Config, Endpoint, Epoch, Event, Flow, Input, Invite, Local, StatusCode, Transport,
};

/// Two endpoints and the datagrams between them; what the polls of both allocate is counted.
struct Line {
    now: Instant,
    ends: [Endpoint; 2],
    polled: usize,
    /// What each sent and nobody has carried yet, and what it told.
    sent: [Vec<Bytes>; 2],
    told: [Vec<Event>; 2],
}

const CALLER: usize = 0;
const CALLEE: usize = 1;

impl Line {
    fn new() -> Self {
        let now = Instant::now();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let end = |address, seed: u64| {
            let mut config = Config::default();
            config.locals = vec![Local::new(Transport::Udp, address)];
            let mut state = seed;
            let chance = Box::new(move |bytes: &mut [u8]| {
                for byte in bytes {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    *byte = (state >> 33) as u8;
                }
            });
            Endpoint::new(config, Epoch { instant: now, wall }, chance)
        };
        Self {
            now,
            ends: [end(us(), 1), end(them(), 2)],
            polled: 0,
            sent: [Vec::with_capacity(64), Vec::with_capacity(64)],
            told: [Vec::with_capacity(64), Vec::with_capacity(64)],
        }
    }

    /// Takes everything out of both, as a loop does.
    fn poll(&mut self) {
        for (at, end) in self.ends.iter_mut().enumerate() {
            let (sent, told) = (&mut self.sent[at], &mut self.told[at]);
            let ((), count) = counted(|| {
                while let Some(transmit) = end.poll_transmit() {
                    sent.push(transmit.bytes);
                }
                while let Some(event) = end.poll_event() {
                    told.push(event);
                }
                let _ = end.poll_timeout();
            });
            self.polled += count;
        }
    }

    /// Hands bytes to an end; how often that allocated. They are the socket's, as from a socket.
    fn give(&mut self, to: usize, bytes: &[u8]) -> usize {
        let flow = match to {
            CALLER => Flow::udp(us(), them()),
            _ => Flow::udp(them(), us()),
        };
        let bytes = Bytes::copy_from_slice(bytes);
        let now = self.now;
        let ((), count) =
            counted(|| self.ends[to].handle_input(now, Input::Received { flow, bytes }));
        self.poll();
        count
    }

    /// What an end has to send, which then is on nobody's desk any more.
    fn take(&mut self, from: usize) -> Vec<Bytes> {
        self.poll();
        self.sent[from].drain(..).collect()
    }

    /// The one message that an end has to send.
    fn one(&mut self, from: usize) -> Bytes {
        let mut sent = self.take(from);
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    /// Waits for the next deadline of an end; how often that allocated.
    fn due(&mut self, at: usize) -> usize {
        self.poll();
        self.now = self.ends[at].poll_timeout().unwrap();
        let now = self.now;
        let ((), count) = counted(|| self.ends[at].handle_timeout(now));
        self.poll();
        count
    }

    /// Until nothing is to be sent any more.
    fn carry(&mut self) -> usize {
        let mut count = 0;
        loop {
            self.poll();
            let from = [CALLER, CALLEE]
                .into_iter()
                .find(|from| !self.sent[*from].is_empty());
            let Some(from) = from else { return count };
            let bytes = self.sent[from].remove(0);
            count += self.give(1 - from, &bytes);
        }
    }

    fn invite(&mut self) -> CallId {
        let name = NameAddr::new(&"sip:alice@example.org".parse().unwrap());
        let uri = format!("sip:bob@{}", them()).parse().unwrap();
        let invite = Invite::new(uri, name).body(Body::sdp("v=0\r\n"));
        self.ends[CALLER].invite(self.now, invite).unwrap()
    }

    fn incoming(&mut self) -> CallId {
        let call = self.told[CALLEE].iter().find_map(|event| match event {
            Event::Incoming { call, .. } => Some(*call),
            _ => None,
        });
        call.unwrap()
    }

    /// A whole call and every timer after it; how often that allocated.
    fn call(&mut self) -> usize {
        let (caller, mut count) = counted(|| self.invite());
        count += self.carry();
        let callee = self.incoming();
        let now = self.now;
        let [_, end] = &mut self.ends;
        let ring = || {
            let handle = end.call(callee).unwrap();
            handle.ring(now, StatusCode::RINGING, None).unwrap();
        };
        count += counted(ring).1;
        count += self.carry();
        let [_, end] = &mut self.ends;
        let answer = || {
            let handle = end.call(callee).unwrap();
            handle.answer(now, Some(Body::sdp("v=0\r\n"))).unwrap();
        };
        count += counted(answer).1;
        count += self.carry();
        let [end, _] = &mut self.ends;
        count += counted(|| end.call(caller).unwrap().hang_up(now).unwrap()).1;
        count += self.carry();
        while let Some(at) = self.ends.iter().filter_map(Endpoint::poll_timeout).min() {
            self.now = self.now.max(at);
            for at in [CALLER, CALLEE] {
                let now = self.now;
                count += counted(|| self.ends[at].handle_timeout(now)).1;
            }
            count += self.carry();
        }
        self.told.iter_mut().for_each(Vec::clear);
        assert!(self.ends.iter().all(Endpoint::is_idle));
        count
    }
}

#[test]
fn events_and_transmits_are_handed_out_without_an_allocation() {
    let mut line = Line::new();
    // Not even the first call: what is to be sent and told is allocated when it comes about.
    let calls: Vec<usize> = (0..20).map(|_| line.call()).collect();
    assert_eq!(line.polled, 0, "allocations of poll_*");
    let warm = calls[19];
    println!("a whole call, both ends: {warm} allocations");
    assert!(warm <= 300, "{warm} allocations a call, {calls:?}");
}

#[test]
fn what_is_repeated_or_absorbed_allocates_no_more_than_the_index_of_its_headers() {
    let mut line = Line::new();
    // Tables and queues have grown to their size.
    for _ in 0..5 {
        line.call();
    }
    let mut rows: Vec<(&str, usize, usize)> = Vec::new();

    let caller = line.invite();
    let invite = line.one(CALLER);
    let count = line.due(CALLER);
    rows.push(("INVITE sent again, timer A", count, 0));
    assert_eq!(line.one(CALLER), invite);
    line.give(CALLEE, &invite);
    let callee = line.incoming();
    let now = line.now;
    let handle = line.ends[CALLEE].call(callee).unwrap();
    handle.ring(now, StatusCode::RINGING, None).unwrap();
    let ringing = line.one(CALLEE);
    let count = line.give(CALLEE, &invite);
    rows.push(("INVITE again: its 180 again", count, 1));
    assert_eq!(line.one(CALLEE), ringing);
    line.give(CALLER, &ringing);

    let handle = line.ends[CALLEE].call(callee).unwrap();
    handle.answer(now, Some(Body::sdp("v=0\r\n"))).unwrap();
    let ok = line.one(CALLEE);
    let count = line.due(CALLEE);
    rows.push(("200 sent again until its ACK", count, 0));
    assert_eq!(line.one(CALLEE), ok);
    let count = line.give(CALLEE, &invite);
    rows.push(("INVITE after its 200: nothing", count, 1));
    assert!(line.take(CALLEE).is_empty());
    line.give(CALLER, &ok);
    let ack = line.one(CALLER);
    let count = line.give(CALLER, &ok);
    rows.push(("200 again: its ACK again", count, 1));
    assert_eq!(line.one(CALLER), ack);
    line.give(CALLEE, &ack);
    let count = line.give(CALLEE, &ack);
    rows.push(("ACK again: nothing", count, 1));
    assert!(line.take(CALLEE).is_empty());

    let now = line.now;
    line.told.iter_mut().for_each(Vec::clear);
    line.ends[CALLER]
        .call(caller)
        .unwrap()
        .hang_up(now)
        .unwrap();
    let bye = line.one(CALLER);
    let count = line.due(CALLER);
    rows.push(("BYE sent again, timer E", count, 0));
    assert_eq!(line.one(CALLER), bye);
    line.give(CALLEE, &bye);
    let ok = line.one(CALLEE);
    let count = line.give(CALLEE, &bye);
    // A final response is kept as a copy without spare room; who shares it is counted from its first repetition on.
    rows.push(("BYE again: its 200 again", count, 2));
    assert_eq!(line.one(CALLEE), ok);
    let count = line.give(CALLEE, &bye);
    rows.push(("BYE once more: its 200 again", count, 1));
    assert_eq!(line.one(CALLEE), ok);
    line.give(CALLER, &ok);
    let count = line.give(CALLER, &ok);
    rows.push(("200 of BYE again: nothing", count, 1));
    assert!(line.take(CALLER).is_empty());

    let told: Vec<_> = line.told.iter().flatten().collect();
    let ends = told
        .iter()
        .filter(|event| matches!(event, Event::Ended { .. }));
    assert_eq!((ends.count(), told.len()), (2, 2), "{told:?}");
    for (what, count, _) in &rows {
        println!("{what}: {count}");
    }
    let over: Vec<_> = rows
        .iter()
        .filter(|(_, count, most)| count > most)
        .collect();
    assert!(over.is_empty(), "{over:?}");
    assert_eq!(line.polled, 0, "allocations of poll_*");
}
