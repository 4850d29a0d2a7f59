//! Mutations of messages, drawn from a seed.

/// Numbers below what is asked for, the same for the same seed.
pub fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed);
    move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    }
}

/// Changes that text protocols fear: bytes flipped, cut, doubled, moved, and separators put in.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut impl FnMut(usize) -> usize) {
    const SPICE: &[&[u8]] = &[
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"<",
        b">",
        b"\"",
        b"\\",
        b"@",
        b"%",
        b"%00",
        b"=",
        b"?",
        b"[",
        b"]",
        b"/",
        b"\0",
        b"\xff",
        b"4294967296",
        b"-1",
        b"Content-Length: 5\r\n",
        b"\r\n\r\n",
        b"SIP/2.0",
        b"::",
        b"*",
        b"(",
        b")",
        b"\r\n ",
        b"Digest ",
        b"realm=x",
    ];
    for _ in 0..1 + random(4) {
        let at = random(bytes.len() + 1);
        match random(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random(8),
            1 if at < bytes.len() => {
                let end = (at + 1 + random(12)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                let end = (at + random(60)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            3 => bytes.truncate(at),
            _ => {
                let spice = SPICE[random(SPICE.len())];
                bytes.splice(at..at, spice.iter().copied());
            }
        }
    }
}
