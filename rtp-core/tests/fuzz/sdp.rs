//! SDP: nothing panics, and what was understood prints to the same again.

use rtp_core::sdes::Crypto;
use rtp_core::sdp::{
    Attributes, Candidate, Description, ExtMap, Fingerprint, Group, Msid, RtcpAddress, RtcpFeedback,
};
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// One input.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(description) = Description::parse(data) else {
        return;
    };
    let printed = description.to_bytes();
    let again = Description::parse(&printed).expect("what we print is SDP");
    assert_eq!(again, description);
    assert_eq!(again.to_bytes(), printed);

    typed(&description.attributes);
    for (line, media) in description.media.iter().enumerate() {
        let _ = (
            description.direction_of(line),
            media.payload_types().count(),
            media.attributes.rtcp(),
        );
        let _ = (
            media.attributes.millis("ptime"),
            description.connection_of(line).map(|address| address.ip()),
        );
        for map in media.attributes.rtpmaps() {
            assert_eq!(map.to_string().parse(), Ok(map));
        }
        for fmtp in media.attributes.fmtps() {
            assert_eq!(fmtp.to_string().parse(), Ok(fmtp));
        }
        typed(&media.attributes);
        for value in media.attributes.values("crypto") {
            if let Ok(crypto) = value.parse::<Crypto>() {
                assert_eq!(crypto.to_string().parse(), Ok(crypto.clone()));
                let _ = crypto.usable();
            }
        }
    }
}

/// Each typed attribute prints to what reads as the same again.
fn typed(attributes: &Attributes) {
    fn check<T: FromStr + Display + PartialEq + Debug>(attributes: &Attributes, name: &str)
    where
        T::Err: PartialEq + Debug,
    {
        for value in attributes.typed::<T>(name) {
            assert_eq!(value.to_string().parse(), Ok(value));
        }
    }
    check::<Candidate>(attributes, "candidate");
    check::<ExtMap>(attributes, "extmap");
    check::<Fingerprint>(attributes, "fingerprint");
    check::<Group>(attributes, "group");
    check::<Msid>(attributes, "msid");
    check::<RtcpAddress>(attributes, "rtcp");
    check::<RtcpFeedback>(attributes, "rtcp-fb");
}
