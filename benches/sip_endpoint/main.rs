//! The user agent without sockets: what a transaction and a whole call cost in time and allocations.
//!
//! A *transaction* is an OPTIONS that comes as a datagram, is answered with 200, lingers as RFC 3261 section 17.2.2
//! wants, and is forgotten when timer J fires. `sipx-sip` has transactions without calls, so that row is common to
//! both; its application, which decides on the 200, is the bench. Ours also checks the request, keeps the dialog and
//! call tables, and has the deadlines in order; the peer gives its timers to a driver, which here is a call when they
//! are due.
//!
//! A *call* is both ends of one: INVITE, 180, 200, ACK, a re-INVITE, BYE, and every timer after it. The nine messages
//! pass from one endpoint to the other as bytes. No peer has calls without a runtime and sockets (`rsipstack` and
//! `rsiprtp` need both), so that row stands alone.

mod ours;
mod sipx;

use std::process::ExitCode;

use benches::{Bench, Counting, OURS, Report};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The request of the common row, with a branch of its own for each transaction.
pub(crate) fn options(number: u64) -> Vec<u8> {
    format!(
        "OPTIONS sip:bob@127.0.0.1:5061 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK{number:016x};rport\r\n\
         Max-Forwards: 70\r\n\
         From: \"Alice\" <sip:alice@example.org>;tag=1928301774\r\n\
         To: <sip:bob@127.0.0.1:5061>\r\n\
         Call-ID: {number:016x}@example.org\r\n\
         CSeq: 1 OPTIONS\r\n\
         Contact: <sip:alice@127.0.0.1:5060>\r\n\
         Accept: application/sdp\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn main() -> ExitCode {
    // What is timed does what it says.
    let (mut ua, mut peer) = (ours::Transactions::new(), sipx::Transactions::new());
    for answer in [ua.one(options(1)), peer.one(options(1))] {
        if !answer.starts_with(b"SIP/2.0 200 ") {
            eprintln!("not a 200: {}", String::from_utf8_lossy(&answer));
            return ExitCode::FAILURE;
        }
    }
    let mut pair = ours::Pair::new();
    let messages = pair.call();
    if messages != ours::MESSAGES || !pair.is_idle() {
        eprintln!("a call of {messages} messages, idle: {}", pair.is_idle());
        return ExitCode::FAILURE;
    }

    let mut bench = Bench::new();
    let (mut n, mut m) = (1, 1);
    bench.add("transaction", OURS, move |times| {
        for _ in 0..times {
            n += 1;
            std::hint::black_box(ua.one(options(n)));
        }
    });
    bench.add("transaction", "sipx-sip", move |times| {
        for _ in 0..times {
            m += 1;
            std::hint::black_box(peer.one(options(m)));
        }
    });
    bench.add("call, both ends", OURS, move |times| {
        for _ in 0..times {
            std::hint::black_box(pair.call());
        }
    });
    let mut report = Report::new("sip_endpoint");
    bench.time(&mut report);
    bench.count_allocations(&mut report);
    match report.finish() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
