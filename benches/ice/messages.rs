//! STUN messages: a check read and verified, its answer written.

use std::hint::black_box;

use benches::{Bench, OURS};
use rtc_stun::message::Setter;
use rtp_core::stun::{self, Builder, Class, Message, TransactionId};

use crate::agents::{OUR_PASSWORD, check, remote};

const READ: &str = "a check read and verified";
const WRITE: &str = "its answer written";

pub(crate) fn add(bench: &mut Bench<'_>) {
    let key = OUR_PASSWORD.as_bytes();
    let bytes = check();
    bench.add(READ, OURS, move |n| {
        for _ in 0..n {
            let message = Message::parse(black_box(&bytes)).expect("a message");
            assert!(message.verify(key) && message.username().is_some());
        }
    });
    bench.add(WRITE, OURS, move |n| {
        for _ in 0..n {
            let id = black_box(TransactionId([7; 12]));
            let answer = Builder::new(Class::Success, stun::BINDING, id)
                .address(stun::XOR_MAPPED_ADDRESS, remote());
            black_box(answer.finish(Some(key)));
        }
    });
    rtc(bench);
    types(bench);
}

fn rtc(bench: &mut Bench<'_>) {
    use rtc_stun::message::{BINDING_SUCCESS, Message, TransactionId};
    use rtc_stun::{
        fingerprint::FINGERPRINT, integrity::MessageIntegrity, xoraddr::XorMappedAddress,
    };

    let crypto = rtc_crypto::default_provider().expect("ring");
    let (bytes, mut message) = (check(), Message::new());
    bench.add(READ, "rtc-stun", move |n| {
        for _ in 0..n {
            message
                .unmarshal_binary(black_box(&bytes))
                .expect("a message");
            let key = OUR_PASSWORD.as_bytes();
            assert!(FINGERPRINT.check(&message).is_ok());
            assert!(MessageIntegrity::check(&mut message, key, crypto.crypto()).is_ok());
            assert!(message.get(rtc_stun::attributes::ATTR_USERNAME).is_ok());
        }
    });
    let crypto = rtc_crypto::default_provider().expect("ring");
    bench.add(WRITE, "rtc-stun", move |n| {
        for _ in 0..n {
            let mut out = Message::new();
            let setters: [Box<dyn Setter>; 5] = [
                Box::new(black_box(TransactionId([7; 12]))),
                Box::new(BINDING_SUCCESS),
                Box::new(XorMappedAddress {
                    ip: remote().ip(),
                    port: remote().port(),
                }),
                Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                    OUR_PASSWORD.to_owned(),
                    crypto.crypto(),
                )),
                Box::new(FINGERPRINT),
            ];
            out.build(&setters).expect("an answer");
            black_box(out.raw);
        }
    });
}

fn types(bench: &mut Bench<'_>) {
    use stun_types::attribute::{AttributeStaticType, Username, XorMappedAddress};
    use stun_types::message::{IntegrityAlgorithm, Message, MessageWriteVec, ShortTermCredentials};
    use stun_types::prelude::{MessageWrite, MessageWriteExt};

    let key = ShortTermCredentials::new(OUR_PASSWORD.to_owned()).make_key();
    let bytes = check();
    bench.add(READ, "stun-types", move |n| {
        for _ in 0..n {
            let message = Message::from_bytes(black_box(&bytes)).expect("a message");
            assert!(message.validate_integrity_with_key(&key).is_ok());
            assert!(message.has_attribute(Username::TYPE));
        }
    });
    let key = ShortTermCredentials::new(OUR_PASSWORD.to_owned()).make_key();
    let bytes = check();
    bench.add(WRITE, "stun-types", move |n| {
        let asked = Message::from_bytes(&bytes).expect("a message");
        for _ in 0..n {
            let mut out = Message::builder_success(black_box(&asked), MessageWriteVec::new());
            let mapped = XorMappedAddress::new(remote(), asked.transaction_id());
            let written = out.add_attribute(&mapped).is_ok()
                && out
                    .add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1)
                    .is_ok()
                && out.add_fingerprint().is_ok();
            assert!(written);
            black_box(out.finish());
        }
    });
}
