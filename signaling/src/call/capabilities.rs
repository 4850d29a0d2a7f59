//! From the codecs that the mixer has to what SDP offers: one list, copied once.

use crate::dial::{Ice, Secure};
use crate::engine::AUDIO_LEVEL;
use crate::random::Random;
use media_mix::codec::Registry;
use rtp_core::ice::{self, Agent};
use rtp_core::negotiate::{
    Capabilities, Codec, Dtls, DtlsPolicy, IceDescription, LocalAddress, Sdes, SdesPolicy,
};
use rtp_core::sdp::Fingerprint;
use rtp_core::srtp::Suite;
use rtp_core::transport::Component;
use std::time::Instant;

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

/// Adds that we read how loud packets say that they are (RFC 6464), for sessions that mix their loudest alone: who offers the
/// header extension gets it answered, and DTLS offers of ours name it.
pub fn with_levels(mut capabilities: Capabilities) -> Capabilities {
    capabilities.extensions.push(AUDIO_LEVEL.to_owned());
    capabilities
}

/// Adds what ICE needs to `capabilities`: credentials, and the addresses where RTP and, in case that it does not share the
/// port, RTCP are received as the candidates.
pub fn with_ice(
    now: Instant,
    mut capabilities: Capabilities,
    policy: Ice,
    random: &Random,
) -> Capabilities {
    if policy == Ice::Off {
        return capabilities;
    }
    capabilities.ice = capabilities
        .streams
        .iter()
        .map(|stream| {
            let ours = IceDescription::draw(&mut random.boxed());
            let told = |component, host| {
                let mut config = ice::Config::default();
                config.component = component;
                // Only its description is of use: the leg that gets the packets has its own, with these credentials.
                let mut agent = Agent::with_credentials(now, config, &ours, random.boxed());
                // Without an address that others can reach there are credentials alone, and the phone's checks.
                let _ = agent.add_host(now, host);
                agent.finish_gathering(now);
                agent.description()
            };
            let mut both = told(Component::Rtp, stream.rtp);
            // Where there is but one port, RTCP has to share it.
            if stream.rtcp != stream.rtp {
                let rtcp = told(Component::Rtcp, stream.rtcp);
                both.candidates.extend(rtcp.candidates);
            }
            both
        })
        .collect();
    capabilities.ice_required = policy == Ice::Require;
    capabilities
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_core::negotiate::{Negotiation, NegotiationError};
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

    #[test]
    fn codecs_that_nobody_registered_are_understood_and_never_chosen() {
        let negotiation = || {
            let local = SocketAddr::from(([127, 0, 0, 1], 4000));
            let can = capabilities(
                &Registry::default(),
                local.into(),
                Secure::Off,
                &[Suite::AesCm128HmacSha1_80],
                None,
            );
            Negotiation::new(1, can, Box::new(|key: &mut [u8]| key.fill(7)))
        };
        let offer = |formats: &str| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                 m=audio 5000 RTP/AVP {formats}\r\na=fmtp:18 annexb=no\r\na=rtpmap:96 AMR/8000\r\n\
                 a=fmtp:96 octet-align=1\r\na=rtpmap:97 AMR-WB/16000\r\na=rtpmap:98 PCMU/8000\r\n"
            )
        };
        // 18 is G.729 without a word; 98 is PCMU under a number of the peer's own.
        for (formats, taken) in [("18 96 97 0", "0"), ("18 96 8 97 98", "98")] {
            let mut ours = negotiation();
            let received = ours.receive_offer(offer(formats)).unwrap();
            let answer = ours.answer(received).unwrap();
            let answered = &answer.description().media[0].formats;
            assert_eq!(answered[0], taken, "{formats}");
            assert!(
                ["18", "96", "97"]
                    .iter()
                    .all(|other| !answered.iter().any(|format| format == other)),
                "{formats}: {answered:?}"
            );
        }
        let mut ours = negotiation();
        let nothing = ours
            .receive_offer(offer("18 96 97"))
            .and_then(|received| ours.answer(received).map(drop));
        assert!(
            matches!(nothing, Err(NegotiationError::PeerIncompatible(_))),
            "{nothing:?}"
        );
    }
}
