//! Any bytes as a URI, and two URIs compared. A line end parts them.

use sip_core::{Uri, UriRef};

use super::exercise;

pub fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |b| *b == b'\n');
    let (a, b) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let Ok(a) = UriRef::parse(a) else { return };
    exercise::uri(&a);
    let copy: Uri = a.as_str().parse().expect("what parsed parses again");
    assert!(copy.as_ref().equivalent(&a));
    if let Ok(b) = UriRef::parse(b) {
        exercise::uri(&b);
        assert_eq!(a.equivalent(&b), b.equivalent(&a), "{a} and {b}");
    }
}
