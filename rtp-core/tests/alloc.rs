//! The packet path allocates nothing: counted, not believed.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use rtp_core::jitter::{JitterBuffer, JitterConfig};
use rtp_core::rtcp::Epoch;
use rtp_core::srtp::{MasterKey, Suite};
use rtp_core::transport::{Config, Keys, MediaPath, OutFrame, PacketBuf, Path, Received};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

struct Counting;

thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|n| n.set(n.get() + 1));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|n| n.set(n.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations() -> u64 {
    COUNT.with(Cell::get)
}

#[test]
fn the_counter_counts() {
    let before = allocations();
    drop(vec![1u8; 100]);
    assert_eq!(allocations() - before, 1);
}

#[test]
fn a_packet_costs_no_allocation_from_frame_to_frame() {
    let now = Instant::now();
    for suite in Suite::ALL.iter().copied().map(Some).chain([None]) {
        let keys = |send, receive| {
            suite.map(|suite| Keys {
                send: MasterKey::generate(suite, &mut |out: &mut [u8]| out.fill(send)),
                receive: MasterKey::generate(suite, &mut |out: &mut [u8]| out.fill(receive)),
            })
        };
        let make = |remote: &str, keys, seed: u8| {
            let epoch = Epoch::new(now, SystemTime::UNIX_EPOCH);
            let mut config = Config::new(remote.parse().unwrap(), epoch);
            config.keys = keys;
            MediaPath::new(now, config, Box::new(move |out| out.fill(seed)))
        };
        let mut a = make("192.0.2.2:4000", keys(1, 2), 1);
        let mut b = make("192.0.2.1:4000", keys(2, 1), 2);
        let from = Path::rtp("192.0.2.1:4000".parse().unwrap());
        let report_from = Path::rtcp("192.0.2.1:4001".parse().unwrap());
        let mut jitter = JitterBuffer::new(JitterConfig::new(8000));
        let (mut packet, mut out, mut report) = (PacketBuf::new(), [0; 1500], PacketBuf::new());
        let mut reports = 0;
        let mut before = 0;
        for tick in 0..3000u32 {
            if tick == 1000 {
                before = allocations();
            }
            let at = now + Duration::from_millis(20) * tick;
            let frame = OutFrame {
                payload_type: 0,
                marker: false,
                timestamp: tick * 160,
                payload: &[7; 160],
            };
            let _to = a.send(at, frame, &mut packet).unwrap();
            match b.receive(at, from, packet.as_mut_slice()) {
                Received::Rtp(rtp) => {
                    jitter.push(at, rtp);
                }
                other => panic!("{other:?}"),
            }
            jitter.pull(at, &mut out);
            a.handle_timeout(at);
            if a.poll_transmit(&mut report).is_some() {
                reports += 1;
                let got = b.receive(at, report_from, report.as_mut_slice());
                assert!(matches!(got, Received::Rtcp(_)));
            }
        }
        assert_eq!(allocations() - before, 0, "{suite:?}");
        assert!(reports > 5);
        assert!(jitter.stats().played > 2900);
    }
}
