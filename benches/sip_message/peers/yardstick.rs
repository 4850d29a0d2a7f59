//! Yardsticks: what the bytes alone cost.

use std::hint::black_box;

use super::Peer;

/// Every line's end and colon found and kept: the least work of a parser that knows its lines.
fn lines(bytes: &[u8]) -> bool {
    let mut at = [(0u32, 0u32, 0u32); 64];
    let (mut pos, mut n) = (0, 0);
    while let Some(eol) = memchr::memchr(b'\n', &bytes[pos..]) {
        if eol < 2 {
            break;
        }
        let colon = memchr::memchr(b':', &bytes[pos..pos + eol]).unwrap_or(0);
        at[n & 63] = (pos as u32, (pos + colon) as u32, (pos + eol) as u32);
        n += 1;
        pos += eol + 1;
    }
    black_box(&at);
    n > 0
}

fn http(bytes: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    if bytes.starts_with(b"HTTP/") {
        let mut response = httparse::Response::new(&mut headers);
        response.parse(bytes).is_ok_and(|s| s.is_complete()) && black_box(&response).code.is_some()
    } else {
        let mut request = httparse::Request::new(&mut headers);
        request.parse(bytes).is_ok_and(|s| s.is_complete()) && black_box(&request).method.is_some()
    }
}

pub(crate) fn peers() -> Vec<Peer> {
    let yardstick = |name, http, parse| Peer {
        name,
        http,
        parse,
        access: None,
        digest: None,
        print: None,
    };
    vec![
        yardstick("memchr", false, lines),
        yardstick("httparse", true, http),
    ]
}
