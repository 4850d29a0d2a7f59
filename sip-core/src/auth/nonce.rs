//! Nonces that carry their own expiry under a key, and the window that makes each request count good once.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::response::write_hex;

const VERSION: u8 = 1;
/// version, home, milliseconds since 1970 in six bytes, salt
const BODY: usize = 1 + 2 + 6 + 8;
const TAG: usize = 16;
const LEN: usize = BODY + TAG;

/// What a nonce of ours says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nonce {
    pub(super) home: u16,
    /// Milliseconds since 1970.
    pub(super) issued: u64,
    /// Keeps apart what was issued in one millisecond: two clients with one nonce would each start at `nc=1`.
    pub(super) salt: u64,
}

impl Nonce {
    /// The nonce's text: 66 hexadecimal digits. It serves one realm only.
    pub(super) fn seal(self, key: &[u8; 32], realm: &str) -> String {
        let mut bytes = [0; LEN];
        bytes[0] = VERSION;
        bytes[1..3].copy_from_slice(&self.home.to_be_bytes());
        bytes[3..9].copy_from_slice(&self.issued.to_be_bytes()[2..]);
        bytes[9..BODY].copy_from_slice(&self.salt.to_be_bytes());
        let tag = tag(key, &bytes[..BODY], realm);
        bytes[BODY..].copy_from_slice(&tag);
        let mut hex = [0; LEN * 2];
        write_hex(&bytes, &mut hex);
        hex.iter().copied().map(char::from).collect()
    }

    /// Reads a nonce; `None` when this key did not make it for this realm.
    pub(super) fn open(text: &str, key: &[u8; 32], realm: &str) -> Option<Self> {
        let bytes = read_hex(text)?;
        let (body, given) = bytes.split_at(BODY);
        if body[0] != VERSION || !bool::from(tag(key, body, realm).ct_eq(given)) {
            return None;
        }
        let number = |range: core::ops::Range<usize>| {
            body[range].iter().fold(0, |n, &b| n << 8 | u64::from(b))
        };
        Some(Self {
            home: u16::from_be_bytes([body[1], body[2]]),
            issued: number(3..9),
            salt: number(9..BODY),
        })
    }
}

fn tag(key: &[u8; 32], body: &[u8], realm: &str) -> [u8; TAG] {
    // HMAC takes keys of any length, so this cannot fail; without a key no tag would ever match a foreign one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; TAG];
    };
    mac.update(body);
    mac.update(realm.as_bytes());
    let full = mac.finalize().into_bytes();
    let mut tag = [0; TAG];
    tag.copy_from_slice(&full[..TAG]);
    tag
}

fn read_hex(text: &str) -> Option<[u8; LEN]> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    if text.len() != LEN * 2 {
        return None;
    }
    let mut bytes = [0; LEN];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// The request counts seen of each nonce, for a bounded number of nonces.
///
/// An entry is made only after a right response, so strangers cannot fill the table. When it is full the oldest nonce
/// goes, and with it every nonce as old: they would come back without their counts, so they count as stale.
#[derive(Debug)]
pub(super) struct Counts {
    windows: BTreeMap<Age, Window>,
    /// Nonces up to this one that have no window had one, perhaps.
    forgotten: Option<Age>,
    max: usize,
}

/// Oldest first: milliseconds since 1970, salt.
type Age = (u64, u64);

/// The highest count, and which of the 64 up to it were seen (bit 0 is the highest).
#[derive(Debug, Clone, Copy)]
struct Window {
    highest: u32,
    seen: u64,
}

/// What the table says of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Fresh,
    /// Seen before, or too far below the highest to know.
    Replayed,
    /// The nonce made room for newer ones.
    Forgotten,
}

impl Counts {
    pub(super) fn new(max: usize) -> Self {
        Self {
            windows: BTreeMap::new(),
            forgotten: None,
            max: max.max(1),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    /// Drops what was issued before `oldest` (milliseconds since 1970) and has expired.
    pub(super) fn expire(&mut self, oldest: u64) {
        while let Some(entry) = self.windows.first_entry() {
            if entry.key().0 >= oldest {
                break;
            }
            // Remembered as forgotten, so that a clock which is set back revives nothing.
            self.forgotten = self.forgotten.max(Some(*entry.key()));
            entry.remove();
        }
    }

    /// Takes note of a count. `None` is a client without `qop`: its nonce serves once.
    pub(super) fn take(&mut self, nonce: Nonce, nc: Option<u32>) -> Count {
        let age = (nonce.issued, nonce.salt);
        if let Some(window) = self.windows.get_mut(&age) {
            return match nc {
                Some(nc) if window.take(nc) => Count::Fresh,
                _ => Count::Replayed,
            };
        }
        if self.forgotten.is_some_and(|forgotten| age <= forgotten) {
            return Count::Forgotten;
        }
        if self.windows.len() >= self.max {
            match self.windows.first_entry() {
                Some(oldest) if *oldest.key() < age => {
                    self.forgotten = self.forgotten.max(Some(*oldest.key()));
                    oldest.remove();
                }
                _ => return Count::Forgotten,
            }
        }
        self.windows.insert(
            age,
            Window {
                highest: nc.unwrap_or(u32::MAX),
                // Without a count none of those below the highest is left either.
                seen: nc.map_or(u64::MAX, |_| 1),
            },
        );
        Count::Fresh
    }
}

impl Window {
    fn take(&mut self, nc: u32) -> bool {
        if let Some(ahead) = nc.checked_sub(self.highest).filter(|&ahead| ahead > 0) {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let Some(bit) = 1u64.checked_shl(self.highest - nc) else {
            return false;
        };
        let fresh = self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::{bool, option};

    use super::*;

    const KEY: [u8; 32] = [9; 32];

    fn nonce(issued: u64, salt: u64) -> Nonce {
        Nonce {
            home: 0,
            issued,
            salt,
        }
    }

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let made = Nonce {
            home: 513,
            issued: 0x0123_4567_89ab,
            salt: u64::MAX - 5,
        };
        let text = made.seal(&KEY, "biloxi.com");
        assert_eq!(text.len(), 66);
        assert_eq!(Nonce::open(&text, &KEY, "biloxi.com"), Some(made));
        assert_eq!(Nonce::open(&text, &KEY, "atlanta.com"), None);
        assert_eq!(Nonce::open(&text, &[8; 32], "biloxi.com"), None);
        assert_eq!(Nonce::open(&text[1..], &KEY, "biloxi.com"), None);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(
                Nonce::open(&changed, &KEY, "biloxi.com"),
                None,
                "digit {at}"
            );
        }
    }

    #[test]
    fn each_count_is_good_once_and_order_may_vary() {
        let mut counts = Counts::new(4);
        let table = [
            (1, Count::Fresh),
            (1, Count::Replayed),
            (3, Count::Fresh),
            (2, Count::Fresh),
            (2, Count::Replayed),
            (3, Count::Replayed),
            (66, Count::Fresh),
            (3, Count::Replayed),
            (2, Count::Replayed),
            (4, Count::Fresh),
            (u32::MAX, Count::Fresh),
            (65, Count::Replayed),
            (u32::MAX - 63, Count::Fresh),
            (u32::MAX - 64, Count::Replayed),
            (u32::MAX, Count::Replayed),
        ];
        for (step, (nc, expected)) in table.into_iter().enumerate() {
            assert_eq!(counts.take(nonce(5, 5), Some(nc)), expected, "step {step}");
        }
    }

    proptest! {
        /// Whatever comes in whatever order, into a table however small: nothing is let in twice, and a nonce that
        /// served without a count serves never again.
        #[test]
        fn nothing_is_let_in_twice(
            room in 1usize..6,
            takes in vec(
                (0u64..12, 0u64..3, option::of(counts()), bool::weighted(0.05)),
                0..200,
            ),
        ) {
            let mut counts = Counts::new(room);
            let mut seen: HashSet<(u64, u64, Option<u32>)> = HashSet::new();
            for (issued, salt, nc, expires) in takes {
                if expires {
                    counts.expire(issued);
                } else if counts.take(nonce(issued, salt), nc) == Count::Fresh {
                    prop_assert!(!seen.contains(&(issued, salt, None)));
                    prop_assert!(nc.is_some() || !seen.iter().any(|s| (s.0, s.1) == (issued, salt)));
                    prop_assert!(seen.insert((issued, salt, nc)));
                }
                prop_assert!(counts.len() <= room);
            }
        }
    }

    fn counts() -> impl Strategy<Value = u32> {
        prop_oneof![0u32..8, 60u32..72, u32::MAX - 70..=u32::MAX]
    }

    #[test]
    fn a_nonce_without_qop_serves_once() {
        let mut counts = Counts::new(4);
        assert_eq!(counts.take(nonce(5, 5), None), Count::Fresh);
        assert_eq!(counts.take(nonce(5, 5), None), Count::Replayed);
        assert_eq!(counts.take(nonce(5, 5), Some(u32::MAX)), Count::Replayed);
        assert_eq!(counts.take(nonce(5, 6), Some(1)), Count::Fresh);
        assert_eq!(counts.take(nonce(5, 6), None), Count::Replayed);
    }

    #[test]
    fn a_full_table_forgets_the_oldest_and_never_lets_it_back() {
        let mut counts = Counts::new(2);
        assert_eq!(counts.take(nonce(10, 0), Some(1)), Count::Fresh);
        assert_eq!(counts.take(nonce(20, 0), Some(1)), Count::Fresh);
        assert_eq!(
            counts.take(nonce(5, 0), Some(1)),
            Count::Forgotten,
            "older than all, and no room"
        );
        assert_eq!(counts.take(nonce(30, 0), Some(1)), Count::Fresh);
        assert_eq!(counts.take(nonce(10, 0), Some(1)), Count::Forgotten);
        assert_eq!(counts.take(nonce(10, 0), Some(2)), Count::Forgotten);
        assert_eq!(counts.len(), 2);
        counts.expire(25);
        assert_eq!(counts.len(), 1);
        assert_eq!(
            counts.take(nonce(20, 0), Some(1)),
            Count::Forgotten,
            "a clock set back revives nothing"
        );
        assert_eq!(counts.take(nonce(30, 0), Some(2)), Count::Fresh);
    }
}
