//! From the codecs that the mixer has to what SDP offers: one list, copied once.

use crate::dial::Secure;
use media_mix::codec::Registry;
use rtp_core::negotiate::{Capabilities, Codec, Dtls, DtlsPolicy, LocalAddress, Sdes, SdesPolicy};
use rtp_core::sdp::Fingerprint;
use rtp_core::srtp::Suite;

/// What a call can do: the registry's codecs in its order, at `local`, encrypted as `secure` says, with these suites in
/// their order. DTLS needs the fingerprint of the certificate that will be shown.
pub fn capabilities(
    registry: &Registry,
    local: LocalAddress,
    secure: Secure,
    suites: &[Suite],
    fingerprint: Option<Fingerprint>,
) -> Capabilities {
    let codecs = registry
        .descriptions()
        .map(|description| {
            let mut codec = Codec::new(description.name, description.clock_rate)
                .with_channels(description.rtp_channels);
            if !description.fmtp.is_empty() {
                codec = codec.with_fmtp(description.fmtp);
            }
            match description.payload_type {
                Some(number) => codec.with_payload_type(number),
                None => codec,
            }
        })
        .collect();
    let mut capabilities = Capabilities::new(codecs, local);
    capabilities.sdes = Sdes::new(match secure {
        Secure::Off | Secure::Dtls => SdesPolicy::Off,
        Secure::Allow => SdesPolicy::Allow,
        Secure::Require => SdesPolicy::Require,
    });
    capabilities.sdes.suites = suites.to_vec();
    if let Some(fingerprint) = fingerprint {
        let policy = match secure {
            Secure::Off => DtlsPolicy::Off,
            Secure::Allow | Secure::Require => DtlsPolicy::Allow,
            Secure::Dtls => DtlsPolicy::Require,
        };
        capabilities.dtls = Dtls::new(policy, fingerprint);
    }
    capabilities
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn offers_the_registrys_codecs_in_its_order() {
        let local = SocketAddr::from(([127, 0, 0, 1], 4000));
        let suites = [Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80];
        let capabilities = capabilities(
            &Registry::default(),
            local.into(),
            Secure::Require,
            &suites,
            None,
        );
        let names: Vec<_> = capabilities
            .codecs
            .iter()
            .map(|codec| codec.name.as_str())
            .collect();
        assert_eq!(names, ["opus", "G722", "PCMU", "PCMA"]);
        assert_eq!(capabilities.codecs[0].channels, 2);
        assert_eq!(capabilities.codecs[1].payload_type, Some(9));
        assert_eq!(capabilities.sdes.policy, SdesPolicy::Require);
        assert_eq!(capabilities.sdes.suites, suites);
    }
}
