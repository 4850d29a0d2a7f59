//! Two sides and an exchange between them.

use rtp_core::negotiate::{
    Agreement, AudioStream, Capabilities, Codec, KeySource, Negotiation, NegotiationError,
    SentOffer,
};
use rtp_core::sdp::Description;
use std::net::SocketAddr;

/// Keys that differ from one to the next: a counter is enough to tell them apart.
pub(crate) fn keys(seed: u8) -> KeySource {
    let mut count = 0u8;
    Box::new(move |key| {
        count = count.wrapping_add(1);
        key.fill(seed ^ count);
    })
}

pub(crate) fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], port))
}

pub(crate) fn opus() -> Codec {
    Codec::new("opus", 48_000)
        .with_channels(2)
        .with_fmtp("useinbandfec=1")
}

pub(crate) fn g711() -> Vec<Codec> {
    vec![Codec::new("PCMU", 8_000), Codec::new("PCMA", 8_000)]
}

/// Opus, G.722, PCMU, PCMA at 192.0.2.`host`:4000.
pub(crate) fn all(host: u8) -> Capabilities {
    let mut codecs = vec![opus(), Codec::new("G722", 8_000)];
    codecs.extend(g711());
    Capabilities::new(codecs, address(host, 4000))
}

pub(crate) fn side(host: u8, capabilities: Capabilities) -> Negotiation {
    Negotiation::new(u64::from(host), capabilities, keys(host << 4))
}

/// A caller and a callee who can do the same.
pub(crate) fn pair() -> (Negotiation, Negotiation) {
    (side(1, all(1)), side(2, all(2)))
}

/// Carries an offer over and its answer back; what each side then has.
pub(crate) fn exchange(
    offer: &SentOffer,
    from: &mut Negotiation,
    to: &mut Negotiation,
) -> Result<(AudioStream, AudioStream), NegotiationError> {
    let received = to.receive_offer(offer.to_bytes())?;
    let answer = to.answer(received)?;
    let theirs = stream(answer.agreement());
    let ours = stream(from.answered(offer, answer.to_bytes())?);
    Ok((ours, theirs))
}

pub(crate) fn stream(agreement: &Agreement) -> AudioStream {
    agreement.audio().next().expect("an audio stream").clone()
}

/// A description at 192.0.2.9 with these media lines.
pub(crate) fn offered(media: &str) -> String {
    format!(
        "v=0\r\no=- 9 9 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{}",
        media.replace('\n', "\r\n")
    )
}

/// Our answer to an offer of this text, as text.
pub(crate) fn answer(
    side: &mut Negotiation,
    offer: &str,
) -> Result<(Description, AudioStream), NegotiationError> {
    let received = side.receive_offer(offer)?;
    let answer = side.answer(received)?;
    let printed = Description::parse(answer.to_bytes()).expect("what we print is SDP");
    assert_eq!(&printed, answer.description());
    Ok((printed, stream(answer.agreement())))
}

pub(crate) fn lines(description: &Description) -> Vec<String> {
    description.to_string().lines().map(str::to_owned).collect()
}
