//! The packet path allocates nothing, and no memory that is given back holds a key: counted, not believed.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use rtp_core::jitter::{JitterBuffer, JitterConfig};
use rtp_core::rtcp::Epoch;
use rtp_core::srtp::{MasterKey, Suite};
use rtp_core::transport::{Config, Keys, MediaPath, OutFrame, PacketBuf, Path, Received};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Bytes that no memory given back may hold, while there are any; and how often it did.
    static SECRETS: Cell<&'static [&'static [u8]]> = const { Cell::new(&[]) };
    static FOUND: Cell<u64> = const { Cell::new(0) };
}

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
        for secret in SECRETS.get() {
            for n in 0..(layout.size() + 1).saturating_sub(secret.len()) {
                // Volatile, because what is about to be freed may be left unwritten as far as anybody else can tell.
                // SAFETY: it lies within the block, which is still ours.
                let same = (0..secret.len())
                    .all(|i| unsafe { at.add(n + i).read_volatile() } == secret[i]);
                FOUND.set(FOUND.get() + u64::from(same));
            }
        }
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

#[cfg(feature = "net")]
#[test]
fn batches_on_a_socket_cost_no_allocation() {
    use rtp_core::net::{BatchSocket, ReceiveBuffer, SendQueue, SocketOptions};
    let open = || {
        let home = "127.0.0.1:0".parse().unwrap();
        BatchSocket::bind(home, SocketOptions::default()).unwrap()
    };
    let (a, b) = (open(), open());
    let (mut queue, mut buffer) = (SendQueue::new(64), ReceiveBuffer::new());
    let (mut heard, mut before) = (0, 0);
    for round in 0..100 {
        // The first makes what the thread keeps.
        if round == 1 {
            before = allocations();
        }
        for number in 0..20 {
            let len = if number < 10 { 172 } else { 100 + number };
            assert!(queue.push(b.local_addr(), &[7; 172][..len]));
        }
        assert_eq!(a.send(&mut queue).sent, 20);
        while heard < (round + 1) * 20 {
            if let Some(datagrams) = b.receive(&mut buffer).unwrap() {
                heard += datagrams.count();
            }
        }
    }
    assert_eq!(allocations() - before, 0);
}

#[cfg(feature = "ice")]
#[test]
fn to_say_whose_a_packet_is_costs_no_allocation() {
    use rtp_core::ice::{Proof, Router};
    use rtp_core::stun::{self, Builder, Class, TransactionId};
    let mut router = Router::new();
    let at = |n: u16| std::net::SocketAddr::from(([192, 0, 2, 1], 1000 + n));
    let check = |class| {
        Builder::new(class, stun::BINDING, TransactionId([7; 12]))
            .attribute(stun::USERNAME, b"n7:peer")
            .finish(Some(b"a password"))
    };
    for n in 0..1000 {
        router.add(n, &format!("n{n}")).unwrap();
        assert!(router.claim(n, at(n), Proof::Answered));
    }
    let (question, answer) = (check(Class::Request), check(Class::Success));
    router.sent(7, &question);
    let before = allocations();
    for n in 0..1000 {
        assert_eq!(router.route(at(n), &[0x80; 172]), Some(n));
        assert_eq!(router.route(at(n), &question), Some(7));
        assert_eq!(router.route(at(n), &answer), Some(7));
        assert_eq!(router.route(at(1000), &[0x80; 172]), None);
        // What was proved is proved again and again.
        assert!(router.claim(n, at(n), Proof::Answered));
    }
    assert_eq!(allocations() - before, 0);
}

/// RFC 3711 appendix B.3: a master key and what it comes to.
const MASTER: [u8; 16] = 0xE1F9_7A0D_3E01_8BE0_D64F_A32C_06DE_4139_u128.to_be_bytes();
const SALT: [u8; 14] = [
    0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A, 0xAB, 0xE6,
];
const CIPHER_KEY: [u8; 16] = 0xC61E_7A93_744F_39EE_1073_4AFE_3FF7_A087_u128.to_be_bytes();
/// The session salt as a number of this machine, less its two bytes of zeros.
const SESSION_SALT: [u8; 14] = {
    let all = 0x30CB_BC08_863D_8C85_D49D_B34A_9AE1_0000_u128.to_ne_bytes();
    let mut some = [0; 14];
    let mut n = 0;
    while n < 14 {
        some[n] = all[n + if cfg!(target_endian = "little") { 2 } else { 0 }];
        n += 1;
    }
    some
};

#[test]
fn memory_that_is_given_back_holds_no_key() {
    let now = Instant::now();
    let watch = |work: &dyn Fn()| {
        FOUND.set(0);
        SECRETS.set(&[&MASTER, &SALT, &CIPHER_KEY, &SESSION_SALT]);
        work();
        SECRETS.set(&[]);
        FOUND.get()
    };
    // The watch sees what is not wiped.
    assert_eq!(watch(&|| drop(std::hint::black_box(MASTER.to_vec()))), 1);
    let master = || MasterKey::new(Suite::AesCm128HmacSha1_80, &MASTER, &SALT).unwrap();
    assert_eq!(watch(&|| drop(Box::new(master()))), 0);
    let whole_path = || {
        let epoch = Epoch::new(now, SystemTime::UNIX_EPOCH);
        let mut config = Config::new("192.0.2.2:4000".parse().unwrap(), epoch);
        let keys = Keys {
            send: master(),
            receive: master(),
        };
        config.keys = Some(keys.clone());
        let mut path = Box::new(MediaPath::new(now, config, Box::new(|out| out.fill(7))));
        let frame = OutFrame {
            payload_type: 0,
            marker: false,
            timestamp: 0,
            payload: &[7; 160],
        };
        let _to = path.send(now, frame, &mut PacketBuf::new()).unwrap();
        // Another key, then none: what was before goes.
        let other = |byte: u8| {
            MasterKey::generate(Suite::AeadAes256Gcm, &mut |out: &mut [u8]| out.fill(byte))
        };
        path.set_keys(
            now,
            Some(Keys {
                send: other(1),
                receive: other(2),
            }),
        );
        path.set_keys(now, Some(keys));
        drop(path);
    };
    assert_eq!(watch(&whole_path), 0);
}
