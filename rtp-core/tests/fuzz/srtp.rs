//! SRTP and SRTCP: forged bytes are refused without a trace, and what we protect we understand.

use rtp_core::srtp::{Cipher, Inbound, MasterKey, Outbound, Suite};

/// One input: the suite in the first byte, a packet in the rest.
pub(crate) fn fuzz(data: &[u8]) {
    let Some((&choice, packet)) = data.split_first() else {
        return;
    };
    let suite = Suite::ALL[usize::from(choice) % Suite::ALL.len()];
    let key = MasterKey::generate(suite, &mut |out: &mut [u8]| out.fill(choice | 1));
    let mut inbound = Inbound::new(&key);
    let mut copy = packet.to_vec();
    assert!(inbound.unprotect_rtp(&mut copy).is_err());
    assert!(inbound.unprotect_rtcp(&mut copy).is_err());
    // `ring` wipes what it cannot verify; nobody shows it decrypted.
    let wiped = |(found, sent): (&u8, &u8)| found == sent || *found == 0;
    match suite.cipher() {
        Cipher::AesGcm => assert!(copy.iter().zip(packet).all(wiped), "decrypted unverified"),
        _ => assert_eq!(copy, packet, "nothing is decrypted before it is verified"),
    }
    assert_eq!(inbound.streams(), 0);

    let mut outbound = Outbound::new(&key);
    let mut buffer = [packet, &[0; 32]].concat();
    if let Ok(len) = outbound.protect_rtp(&mut buffer, packet.len()) {
        assert_eq!(
            inbound.unprotect_rtp(&mut buffer[..len]),
            Ok(&mut packet.to_vec()[..])
        );
    }
    let mut buffer = [packet, &[0; 32]].concat();
    if let Ok(len) = outbound.protect_rtcp(&mut buffer, packet.len()) {
        assert_eq!(
            inbound.unprotect_rtcp(&mut buffer[..len]),
            Ok(&mut packet.to_vec()[..])
        );
    }
}
