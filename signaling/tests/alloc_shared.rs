//! On the shared port, a packet of sound that comes or goes allocates nothing on a media thread, once the call is up.
#![cfg(feature = "net")]
#![allow(missing_docs, unsafe_code, clippy::unwrap_used)]

use media_mix::{Rate, Tone};
use signaling::engine::Voice;
use signaling::net::{Event, Gateway, GatewayConfig};
use signaling::session::{Join, SessionOptions};
use signaling::{DialRequest, Ice, Random, Secure};
use sip_core::Uninvited;
use sip_core::header::NameAddr;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use token::Role;

struct Counting;

/// Of all threads but those that say that they are none of the media threads.
static COUNT: AtomicU64 = AtomicU64::new(0);

thread_local!(static IS_OTHER: Cell<bool> = const { Cell::new(false) });

fn count() {
    if !IS_OTHER.try_with(Cell::get).unwrap_or(true) {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.realloc(at, layout, size) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[tokio::test]
async fn packets_of_the_shared_port_allocate_nothing() {
    IS_OTHER.set(true);
    let settings = || {
        let random = Random::new(|bytes| getrandom::fill(bytes).expect("random bytes"));
        let mut settings = GatewayConfig::new("127.0.0.1:0".parse().unwrap(), random);
        settings.shared_port = Some(0);
        settings.registry.prefer(&["PCMU"]);
        settings
    };
    let mut ours = Gateway::bind(settings()).await.unwrap();
    let mut phone = settings();
    phone.uninvited = Uninvited::Accept;
    let mut phone = Gateway::bind(phone).await.unwrap();
    let open = |gateway: &mut Gateway| {
        let options = SessionOptions::default();
        let session = gateway.open_session("room", options).unwrap();
        let voice = Voice::tone(Tone::new(Rate::Khz8, 440.0, -12.0));
        let join = Join::new(Role::Publisher);
        gateway.join(session, join, voice).unwrap();
        session
    };
    let (room, home) = (open(&mut ours), open(&mut phone));
    let uri = format!("sip:phone@{}", phone.sip_addr()).parse().unwrap();
    let from = NameAddr::new(&"sip:desk@example.org".parse().unwrap());
    let request = DialRequest::new(uri, from).secure(Secure::Dtls);
    let call = ours.dial(room, &request.ice(Ice::Require)).unwrap();

    let packets = |gateway: &Gateway| {
        let media = gateway.call(call).and_then(|info| info.media);
        media
            .and_then(|media| media.path)
            .map_or(0, |path| path.packets_received)
    };
    // The call comes up, and what grows has grown; then two seconds count.
    let (mut counted, mut before) = (false, (0, 0));
    let until = async |ours: &mut Gateway, phone: &mut Gateway, wanted: u64| {
        while packets(ours) < wanted {
            tokio::select! {
                _ = ours.next_event() => {}
                event = phone.next_event() => if let Event::Incoming { call, .. } = event {
                    phone.answer(call, home, Join::new(Role::Publisher)).unwrap();
                },
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        }
    };
    for wanted in [100, 200] {
        let end = Duration::from_secs(30);
        tokio::time::timeout(end, until(&mut ours, &mut phone, wanted))
            .await
            .expect("no sound");
        let now = (COUNT.load(Ordering::Relaxed), packets(&ours));
        if counted {
            let (allocations, heard) = (now.0 - before.0, now.1 - before.1);
            // Each stands for four: it was sent and received, and so was its like the other way. If any of these allocated,
            // there would be more; what there is are the checks of consent.
            assert!(heard >= 90, "{heard}");
            assert!(allocations < heard, "{allocations} in {heard} packets");
        }
        (counted, before) = (true, now);
    }
    assert_eq!(ours.figures().ports + phone.figures().ports, 0);
}
