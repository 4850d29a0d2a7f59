/// What a transaction layer reads from a message, reduced to numbers that every peer can produce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) branch: usize,
    pub(crate) from_tag: usize,
    pub(crate) to_tag: usize,
    pub(crate) call_id: usize,
    pub(crate) cseq: u32,
    pub(crate) cseq_method: usize,
    /// Length of the Contact URI's host as text; 0 without a Contact.
    pub(crate) contact_host: usize,
}

impl Facts {
    /// The right answer, found by plain text search.
    pub(crate) fn expected(message: &[u8]) -> Facts {
        let text = std::str::from_utf8(message).expect("the samples are text");
        let line = |name: &str| {
            text.lines()
                .find_map(|l| l.strip_prefix(name))
                .unwrap_or("")
        };
        let after = |line: &str, key: &str| {
            line.find(key).map_or(0, |i| {
                line[i + key.len()..]
                    .split([';', '>', ':', ' '])
                    .next()
                    .unwrap_or("")
                    .len()
            })
        };
        let (sequence, method) = line("CSeq: ").split_once(' ').expect("a CSeq");
        Facts {
            branch: after(line("Via: "), "branch="),
            from_tag: after(line("From: "), "tag="),
            to_tag: after(line("To: "), "tag="),
            call_id: line("Call-ID: ").len(),
            cseq: sequence.parse().expect("a number"),
            cseq_method: method.len(),
            contact_host: after(line("Contact: "), "@"),
        }
    }
}

/// Length of an address as text, without making the text: some peers hand out parsed addresses.
pub(crate) fn ip_len(ip: &std::net::IpAddr) -> usize {
    match ip {
        std::net::IpAddr::V4(v4) => {
            3 + v4
                .octets()
                .iter()
                .map(|o| 1 + usize::from(*o > 9) + usize::from(*o > 99))
                .sum::<usize>()
        }
        v6 => v6.to_string().len(),
    }
}
