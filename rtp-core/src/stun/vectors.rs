//! The messages of RFC 5769, and what is refused.

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

/// RFC 5769 §2.1.
const REQUEST: &str =
    "000100582112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74
    00240004 6e0001ff 80290008 932ff9b151263b36 00060009 6576746a3a6836765920 2020
    00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf";
/// RFC 5769 §2.2.
const RESPONSE: &str = "0101003c2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
    00200008 0001a147e112a643 00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96";
/// RFC 5769 §2.3.
const RESPONSE_V6: &str = "010100482112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
    00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9 00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
    80280004 c8fb0b4c";
/// RFC 5769 §2.4.
const LONG_TERM: &str = "000100602112a442 78ad3433c6ad72c029da412e 00060012 e3839ee38388e383aae38383e382afe382b9 0000
    0015001c 662f2f3439396b3935346436 4f4c33346f4c39465354767936347341 0014000b 6578616d706c652e6f726700
    00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666";

#[test]
fn the_messages_of_rfc_5769_are_read_and_verified() {
    let request = bytes(REQUEST);
    let message = Message::parse(&request).unwrap();
    assert_eq!(
        (message.class(), message.method()),
        (Class::Request, BINDING)
    );
    assert_eq!(message.username(), Some("evtj:h6vY"));
    assert_eq!(message.attribute(PRIORITY), Some(&[0x6e, 0, 1, 0xff][..]));
    let tie_breaker = 0x932f_f9b1_5126_3b36_u64.to_be_bytes();
    assert_eq!(message.attribute(ICE_CONTROLLED), Some(&tie_breaker[..]));
    assert!(message.verify(PASSWORD) && !message.verify(b"VOkJxbRl1RmTxUk/WvJxBu"));

    for (hex, mapped) in [
        (RESPONSE, "192.0.2.1:32853"),
        (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let response = bytes(hex);
        let message = Message::parse(&response).unwrap();
        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.mapped_address(), mapped.parse().ok());
        assert!(message.verify(PASSWORD));
    }

    // The long-term key is a digest of name, realm and password (RFC 8489 §9.2.2): MD5 of
    // "マトリックス:example.org:TheMatrIX".
    let request = bytes(LONG_TERM);
    let message = Message::parse(&request).unwrap();
    assert_eq!(message.username(), Some("マトリックス"));
    assert_eq!(message.attribute(0x0014), Some(&b"example.org"[..]));
    assert!(!message.verify(b"TheMatrIX"));
}

#[test]
fn what_is_written_is_read() {
    for address in ["192.0.2.1:32853", "[2001:db8::7]:1"] {
        let id = TransactionId([9; 12]);
        let address = address.parse().unwrap();
        let written = Builder::new(Class::Success, 0x0abc, id)
            .attribute(0x8022, b"a")
            .address(XOR_MAPPED_ADDRESS, address)
            .finish(Some(b"key"));
        let message = Message::parse(&written).unwrap();
        assert_eq!((message.method(), message.transaction()), (0x0abc, id));
        assert_eq!(message.attribute(0x8022), Some(&b"a"[..]));
        assert_eq!(message.mapped_address(), Some(address));
        assert!(message.verify(b"key") && !message.verify(b"kez"));
    }
    // The same as the RFC's, whose padding is spaces: only the sums differ.
    let id = Message::parse(&bytes(RESPONSE)).unwrap().transaction();
    let ours = Builder::new(Class::Success, BINDING, id)
        .attribute(0x8022, b"test vector")
        .address(XOR_MAPPED_ADDRESS, "192.0.2.1:32853".parse().unwrap())
        .finish(Some(PASSWORD));
    assert_eq!(ours.len(), bytes(RESPONSE).len());
    assert_eq!(ours[..35], bytes(RESPONSE)[..35]);
    assert_eq!(ours[36..48], bytes(RESPONSE)[36..48]);
}

#[test]
fn a_changed_bit_is_noticed() {
    let good = bytes(REQUEST);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            let passed = Message::parse(&bad).is_ok_and(|message| message.verify(PASSWORD));
            // Without the type of FINGERPRINT nobody looks at it; MESSAGE-INTEGRITY does not cover what follows it.
            assert!(!passed || at >= good.len() - 8, "byte {at}, bit {bit}");
        }
        assert!(Message::parse(&good[..at]).is_err());
    }
}

#[test]
fn hostile_lengths_are_refused() {
    let good = bytes(REQUEST);
    let attribute = |kind: u16, length: u16| {
        let mut bad = good[..20].to_vec();
        bad.extend(kind.to_be_bytes());
        bad.extend(length.to_be_bytes());
        bad.extend([0; 20]);
        bad[3] = 24;
        bad
    };
    assert_eq!(
        Message::parse(&attribute(6, 21)),
        Err(StunError::Attribute(20))
    );
    assert_eq!(
        Message::parse(&attribute(6, u16::MAX)),
        Err(StunError::Attribute(20))
    );
    assert_eq!(
        Message::parse(&attribute(MESSAGE_INTEGRITY, 16)),
        Err(StunError::Attribute(20))
    );
    assert_eq!(
        Message::parse(&attribute(FINGERPRINT, 20)),
        Err(StunError::Fingerprint)
    );
    for bad in [&b""[..], b"\0\x01", &[0; 20], &good[..20]] {
        assert_eq!(Message::parse(bad), Err(StunError::NotStun));
    }
    let huge = Builder::new(Class::Request, BINDING, TransactionId([0; 12]))
        .attribute(USERNAME, &vec![b'a'; 70_000])
        .finish(None);
    assert_eq!(Message::parse(&huge).unwrap().attributes().count(), 1);
}
