//! Phones that nobody here wrote join a session over a way that ICE finds, keyed by DTLS: baresip and Linphone, each codec,
//! called and calling. And without rtcp-mux: then RTCP has a way and a handshake of its own. (Linphone 5.1.65 has to call for
//! that: in its answers it names no candidates for RTCP.)
//!
//! Both do ICE on the machine's address on a network alone, so the gateway is there as well; without one nothing is tried.

mod house;

use house::{House, PHONE, SOON, TALKERS};
use interop::{Baresip, BaresipOptions, Codec, Heard, Linphone, LinphoneOptions, Security};
use interop::{Transport, installed, network, wait_until};
use signaling::net::Event;
use signaling::{CallId, Hold, Ice, Secure};
use sip_core::Uninvited;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A gateway at this address that takes calls with ICE and DTLS, and no others.
fn gateway(ip: IpAddr) -> House {
    House::with(|config| {
        config.bind = (ip, 0).into();
        config.ice = Ice::Require;
        config.secure = Secure::Dtls;
        config.uninvited = Uninvited::Accept;
    })
}

/// A phone that plays [`PHONE`] and answers.
trait Phone {
    fn start(codec: Codec, mux: bool) -> Self;
    fn uri(&self) -> String;
    fn calls(&mut self, uri: &str);
    /// What it heard in its last call.
    fn recorded(&self) -> Heard;
    /// Whether it has said that its keys are there, for RTP and where `own` also for RTCP on its own port.
    fn is_keyed(&self, own: bool) -> bool;
}

impl Phone for Baresip {
    fn start(codec: Codec, mux: bool) -> Self {
        let mut options = BaresipOptions::new(codec);
        options.security = Security::Dtls;
        options.ice = true;
        options.mux = Some(mux);
        options.hz = PHONE;
        Baresip::start(&options)
    }

    fn uri(&self) -> String {
        Baresip::uri(self, Transport::Udp)
    }

    fn calls(&mut self, uri: &str) {
        self.control.command("dial", uri);
    }

    fn recorded(&self) -> Heard {
        Heard::wav(self.recordings().last().expect("a recording"))
    }

    fn is_keyed(&self, own: bool) -> bool {
        let done = |port| self.log().contains(&format!("DTLS-SRTP complete ({port})"));
        done("audio/RTP") && done("audio/RTCP") == own
    }
}

impl Phone for Linphone {
    fn start(codec: Codec, mux: bool) -> Self {
        let mut options = LinphoneOptions::new(codec);
        options.security = Security::Dtls;
        options.ice = true;
        options.mux = mux;
        options.hz = PHONE;
        Linphone::start(&options)
    }

    fn uri(&self) -> String {
        Linphone::uri(self)
    }

    fn calls(&mut self, uri: &str) {
        self.command(&format!("call {uri}"));
    }

    fn recorded(&self) -> Heard {
        self.heard()
    }

    fn is_keyed(&self, own: bool) -> bool {
        let done = |text| self.logged(text);
        done("DTLS Handshake on RTP channel successful")
            && done("DTLS RTCP Handshake successful") == own
    }
}

fn hears_the_phone(house: &mut House, when: &str) {
    let heard = house.hear(Duration::from_millis(500));
    let both = heard[0].seconds_of_all(&[TALKERS[1], PHONE]);
    assert!(both >= 0.35, "{when}: {both} s of {} s", heard[0].seconds());
}

/// Sound both ways, over a way that ICE found and under keys that a handshake made.
fn talk(house: &mut House, call: CallId, codec: Codec, mux: bool, holds: bool) {
    let is_there = |house: &House| {
        let info = house.gateway.call(call).expect("the call's figures");
        let received = info.media.as_ref().and_then(|media| media.path.as_ref());
        received.is_some_and(|path| path.packets_received > 10)
    };
    for _ in 0..50 {
        if is_there(house) {
            break;
        }
        house.run_for(Duration::from_millis(100));
    }
    house.run_for(Duration::from_millis(500));
    hears_the_phone(house, "at first");
    let info = house.gateway.call(call).expect("the call's figures");
    assert!(info.codec.eq_ignore_ascii_case(codec.name()), "{info:?}");
    assert!(info.dtls && info.suite.is_some(), "{info:?}");
    let pair = info.pair.expect("a way");
    assert_eq!(pair.local.ip(), pair.remote.ip(), "{pair:?}");
    let own = info.media.as_ref().and_then(|media| media.rtcp_pair);
    assert_eq!(own.is_none(), mux, "{own:?}");
    if holds {
        house.gateway.hold(call, Hold::Inactive).expect("a hold");
        house.wait_for("our hold", |e| {
            matches!(e, Event::Held { .. }).then_some(())
        });
        // What was on its way is played out, and what came late fades.
        house.run_for(Duration::from_millis(200));
        let silent = house.hear(Duration::from_millis(300));
        let phone = silent[0].level_db(PHONE);
        assert!(phone < -70.0, "heard at {phone:.1} dB while held");
        house.gateway.resume(call).expect("a resume");
        house.wait_for("our resume", |e| {
            matches!(e, Event::Resumed { .. }).then_some(())
        });
        house.run_for(Duration::from_millis(300));
        hears_the_phone(house, "after the hold");
        let now = house.gateway.call(call).expect("the call's figures");
        assert_eq!((now.suite, now.pair), (info.suite, info.pair));
    }
}

fn end(house: &mut House, call: CallId, phone: &impl Phone) {
    house.gateway.hang_up(call).expect("a BYE");
    let clean = house.wait_for("the end", |e| match e {
        Event::Ended { end, .. } => Some(end.is_clean()),
        _ => None,
    });
    assert!(clean);
    // Linphone's first recording cannot be read until it is over.
    house.run_for(Duration::from_millis(700));
    let mut heard = 0.0;
    wait_until("the talkers in the phone's recording", SOON, || {
        heard = phone.recorded().seconds_of_all(&TALKERS);
        (heard >= 0.5).then_some(())
    });
}

/// Reports come, which takes seconds.
fn reports(house: &mut House, call: CallId) {
    let end = Instant::now() + SOON;
    loop {
        house.run_for(Duration::from_millis(200));
        let info = house.gateway.call(call).expect("the call's figures");
        let path = info.media.as_ref().and_then(|media| media.path.as_ref());
        if path.is_some_and(|path| path.reports_received > 0) {
            return;
        }
        assert!(Instant::now() < end, "no report: {info:?}");
    }
}

fn we_call<P: Phone>(house: &mut House, phone: &P, codec: Codec, mux: bool) {
    let call = house.dial(&phone.uri(), |request| {
        request.secure = Secure::Dtls;
        request.ice = Ice::Require;
    });
    house.wait_for("the answer", |e| {
        matches!(e, Event::Answered { .. }).then_some(())
    });
    let is_first = codec == Codec::ALL[0];
    talk(house, call, codec, mux, is_first || mux);
    assert!(phone.is_keyed(!mux));
    if is_first && !mux {
        reports(house, call);
    }
    end(house, call, phone);
}

fn it_calls<P: Phone>(house: &mut House, phone: &mut P, codec: Codec, mux: bool) {
    phone.calls(&format!("sip:room7@{}", house.gateway.sip_addr()));
    let call = house.answer();
    talk(house, call, codec, mux, false);
    assert!(phone.is_keyed(!mux));
    end(house, call, phone);
}

fn every_codec<P: Phone>(program: &str, mux: bool) {
    if !installed(&[program]) {
        return;
    }
    let Some(ip) = network() else { return };
    let mut house = gateway(ip);
    for (n, codec) in Codec::ALL.into_iter().enumerate() {
        println!("{program}, {codec:?}");
        let mut phone = P::start(codec, mux);
        // Without mux one call a codec is enough.
        if mux || n % 2 == 0 {
            we_call(&mut house, &phone, codec, mux);
        }
        if mux || n % 2 == 1 {
            it_calls(&mut house, &mut phone, codec, mux);
        }
    }
}

#[test]
fn baresip() {
    every_codec::<Baresip>("baresip", true);
}

#[test]
fn linphone() {
    every_codec::<Linphone>("linphonec", true);
}

#[test]
fn baresip_without_mux() {
    every_codec::<Baresip>("baresip", false);
}

#[test]
fn linphone_without_mux() {
    let Some(ip) = network().filter(|_| installed(&["linphonec"])) else {
        return;
    };
    let mut house = gateway(ip);
    for codec in Codec::ALL {
        let mut phone = <Linphone as Phone>::start(codec, false);
        it_calls(&mut house, &mut phone, codec, false);
    }
}
