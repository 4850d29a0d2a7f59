//! What both parsers accept must give the same facts. `rsip` reads less: no compact names, no
//! folding, no unknown methods, only text; what it refuses, or is known to misread, is passed over.

#![no_main]

use std::cell::Cell;
use std::panic::UnwindSafe;
use std::sync::Once;

use rsip::headers::UntypedHeader;
use rsip::message::{HasHeaders, HeadersExt};
use sip_core::header::{CSeq, CallId, From, To, Via};
use sip_core::{Capabilities, Message, validate};

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));

fn run(data: &[u8]) {
    let Ok(ours) = Message::parse(data.to_vec()) else {
        return;
    };
    // Only what we find right: what is wrong may be read in many ways.
    if !validate(&ours, &Capabilities::default()).is_valid() || !ours.as_bytes().is_ascii() {
        return;
    }
    let simple = |b: &[u8]| {
        !b.iter()
            .any(|b| matches!(b, b'\r' | b'\n' | b'\t' | b'"' | b'%' | b'\\' | b'['))
    };
    if !ours
        .headers()
        .all(|f| simple(f.value()) && f.raw_name().len() > 1)
    {
        return;
    }
    let bytes = ours.as_bytes().to_vec();
    let Some(Ok(theirs)) = quietly(|| rsip::SipMessage::try_from(&bytes[..])) else {
        return;
    };
    if theirs.headers().iter().count() != ours.headers().count() {
        return;
    }
    match &theirs {
        rsip::SipMessage::Request(request) => {
            assert_eq!(
                ours.method().map(|m| m.to_string()),
                Some(request.method.to_string())
            );
        }
        rsip::SipMessage::Response(response) => {
            assert_eq!(
                ours.status().map(|s| s.code()),
                Some(response.status_code.code())
            );
        }
    }
    let trimmed = |text: &str| text.trim_matches([' ', '\t']).to_owned();
    if let (Ok(mine), Ok(yours)) = (ours.typed::<CallId<'_>>(), theirs.call_id_header()) {
        assert_eq!(mine.as_str(), trimmed(yours.value()));
    }
    if let (Ok(mine), Ok(Ok(yours))) = (
        ours.typed::<CSeq<'_>>(),
        theirs.cseq_header().map(|c| c.seq()),
    ) {
        assert_eq!(mine.sequence(), yours);
    }
    if let (Ok(mine), Ok(Ok(Some(yours)))) = (
        ours.typed::<From<'_>>(),
        theirs.from_header().map(|f| f.tag()),
    ) {
        assert_eq!(mine.tag().map(str::to_owned), Some(trimmed(yours.value())));
    }
    if let (Ok(mine), Ok(Ok(Some(yours)))) =
        (ours.typed::<To<'_>>(), theirs.to_header().map(|f| f.tag()))
    {
        assert_eq!(mine.tag().map(str::to_owned), Some(trimmed(yours.value())));
    }
    if let (Ok(mine), Ok(yours)) = (ours.typed::<Via<'_>>(), theirs.via_header()) {
        assert!(
            trimmed(yours.value())
                .as_bytes()
                .starts_with(mine.as_bytes())
        );
    }
    let body = match &theirs {
        rsip::SipMessage::Request(request) => &request.body,
        rsip::SipMessage::Response(response) => &response.body,
    };
    assert_eq!(ours.body(), &body[..]);
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// rsip 0.4 has panics of its own, which are not ours to report.
fn quietly<T>(work: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // libFuzzer's own hook ends the process.
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = std::panic::catch_unwind(work);
    QUIET.set(false);
    result.ok()
}
