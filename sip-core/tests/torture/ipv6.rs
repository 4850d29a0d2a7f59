//! The messages of RFC 5118.

use super::{Over, Row, Verdict, all, crlf};

/// RFC 5118's messages in substance: the addresses in the places that each is about.
pub(crate) fn rows() -> Vec<Row> {
    use Verdict::*;
    let register = |uri: &str, via: &str, contact: &str| {
        crlf(&format!(
            "REGISTER {uri} SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
             Via: SIP/2.0/UDP {via}\nCall-ID: SSG9559905523997077@hlau_4100\nContact: {contact}\n\
             Max-Forwards: 70\nCSeq: 98176 REGISTER\nContent-Length: 0\n\n"
        ))
    };
    let invite = |via: &str, contact: &str, sdp: &str| {
        let sdp = crlf(sdp);
        let mut bytes = crlf(&format!(
            "INVITE sip:user@[2001:db8::10] SIP/2.0\nTo: sip:user@[2001:db8::10]\n\
             From: sip:user@example.com;tag=81x2\nVia: {via}\n\
             Call-ID: SSG9559905523997077@hlau_4100\nContact: {contact}\nCSeq: 8612 INVITE\n\
             Max-Forwards: 70\nContent-Type: application/sdp\nContent-Length: {}\n\n",
            sdp.len()
        ));
        bytes.extend_from_slice(&sdp);
        bytes
    };
    let sdp6 = "v=0\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\ns=Live video feed for today's meeting\n\
                c=IN IP6 2001:db8::20\nt=3338481189 3370017201\nm=audio 6000 RTP/AVP 2\na=rtpmap:2 G726-32/8000\n";
    let both = "v=0\no=bob 280744730 28977631 IN IP4 host.example.com\ns=\nt=0 0\n\
                m=audio 22334 RTP/AVP 0\nc=IN IP4 192.0.2.1\nm=video 6024 RTP/AVP 107\nc=IN IP6 2001:db8::1\na=rtpmap:107 H263-1998/90000\n";
    let caller = "\"Caller\" <sip:caller@[2001:db8::1]>";
    let plain = "[2001:db8::9:1];branch=z9hG4bKas3-111";
    let bye = crlf(
        "BYE sip:user@host.example.net SIP/2.0\nVia: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\n\
         Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\n\
         Call-ID: 997077@lau_4100\nMax-Forwards: 70\nCSeq: 89187 BYE\n\
         To: sip:user@example.net;tag=9817--94\nFrom: sip:user@example.com;tag=81x2\nContent-Length: 0\n\n",
    );
    let options = |uri: &str| {
        crlf(&format!(
            "OPTIONS {uri} SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
             Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3\nCall-ID: SSG95523997077@hlau_4100\n\
             Max-Forwards: 70\nContact: \"Caller\" <sip:caller@[2001:db8::9:1]>\nCSeq: 921 OPTIONS\nContent-Length: 0\n\n"
        ))
    };
    [
        (
            "IPv6 reference",
            "4.1",
            register("sip:[2001:db8::10]", plain, caller),
            Accept,
        ),
        (
            "IPv6 without brackets",
            "4.2",
            register("sip:2001:db8::10", plain, caller),
            Answer(400),
        ),
        (
            "port inside the brackets",
            "4.3",
            register("sip:[2001:db8::10:5070]", plain, caller),
            Accept,
        ),
        (
            "port behind the brackets",
            "4.4",
            register("sip:[2001:db8::10]:5070", plain, caller),
            Accept,
        ),
        (
            "received in brackets",
            "4.5",
            register(
                "sip:example.com",
                "[2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111",
                caller,
            ),
            Accept,
        ),
        (
            "received without brackets",
            "4.5",
            register(
                "sip:example.com",
                "[2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3-111",
                caller,
            ),
            Accept,
        ),
        (
            "IPv6 in SDP",
            "4.6",
            invite(
                "SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111",
                caller,
                sdp6,
            ),
            Accept,
        ),
        ("both kinds in Via", "4.7", bye, Accept),
        (
            "both kinds in SDP",
            "4.8",
            invite(
                "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111",
                caller,
                both,
            ),
            Accept,
        ),
        (
            "IPv4-mapped address",
            "4.9",
            invite(
                "SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19",
                "\"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>",
                sdp6,
            ),
            Accept,
        ),
        (
            "three colons",
            "4.10",
            options("sip:user@[2001:db8:::192.0.2.1]"),
            Accept,
        ),
        (
            "two colons and IPv4",
            "4.10",
            options("sip:user@[2001:db8::192.0.2.1]"),
            Accept,
        ),
    ]
    .into_iter()
    .map(|(name, section, bytes, verdict)| Row {
        name,
        rule: match section {
            "4.1" => "RFC 5118 section 4.1",
            "4.2" => "RFC 5118 section 4.2",
            "4.3" => "RFC 5118 section 4.3",
            "4.4" => "RFC 5118 section 4.4",
            "4.5" => "RFC 5118 section 4.5",
            "4.6" => "RFC 5118 section 4.6",
            "4.7" => "RFC 5118 section 4.7",
            "4.8" => "RFC 5118 section 4.8",
            "4.9" => "RFC 5118 section 4.9",
            _ => "RFC 5118 section 4.10",
        },
        over: Over::Datagram,
        caps: all,
        bytes,
        verdict,
    })
    .collect()
}
