//! The demo's claims, one function each: what is done, what is measured, what is written into the table.

use std::time::Duration;

use examples::args::Keys;
use examples::live::Meter;
use media_mix::Rate;
use signaling::call::CallEnd;
use signaling::{CallId, Hold};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::bridge::{Bridge, wall};
use crate::demo::{Ears, Expectations, Report};
use crate::figures::Figures;
use crate::hearing::{Expected, Heard, TONE_DBOV, at_listening, silence};
use crate::line::Log;
use crate::phone::{self, Phone};
use crate::setup::Setup;
use crate::story::Story;
use crate::tape::{SETTLE, Tape, listen};
use examples::verdict::Stop;

/// Keys that we press, and that the phone presses.
const KEYS_OUT: &str = "12#";
const KEYS_IN: &str = "42";

/// How long sound is listened to closely, and silence.
const SOUND: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_millis(500);

/// How often at most it is listened to.
const LISTENINGS: u8 = 3;

/// How long a phone on the same machine may take to answer a request, keys included.
const PROMPT: Duration = Duration::from_secs(5);

/// The phone was reached as asked: challenged, with the headers and the caller of our choice.
pub(crate) fn reached(report: &mut Report, phone: &Phone, setup: &Setup, story: &Story) {
    let seen = story.seen();
    let wanted = ["INVITE", "401", "INVITE", "180", "200"];
    let mut rest = seen.iter();
    let in_order = wanted.iter().all(|step| rest.any(|seen| seen == step));
    report.checks.add(
        "digest",
        format!(
            "{} as {:?} in realm {:?}",
            wanted.join(", "),
            phone::USER,
            phone::REALM
        ),
        in_order,
    );

    let log = phone.log();
    let invite = log.incoming.as_ref().map(|(_, invite)| invite.as_ref());
    let arrived = setup.headers.iter().filter(|header| {
        let came = invite.and_then(|invite| invite.header(header.name.as_str()));
        came.is_some_and(|came| came.to_str() == header.value)
    });
    let names: Vec<_> = setup
        .headers
        .iter()
        .map(|header| format!("{}: {}", header.name, header.value))
        .collect();
    report.checks.add(
        "headers",
        names.join(", "),
        arrived.count() == setup.headers.len(),
    );
    let from = invite
        .and_then(|invite| invite.header("From"))
        .map(|from| from.to_str().into_owned());
    let from = from.unwrap_or_default();
    let shown = from.split(";tag=").next().unwrap_or_default().to_owned();
    let wanted = setup.from.to_string();
    report.checks.add(
        "caller",
        &shown,
        shown == wanted || shown == format!("<{wanted}>"),
    );
}

/// A second of everyone's sound.
pub(crate) async fn listening(
    report: &mut Report,
    bridge: &Bridge,
    ears: &Ears,
    expected: &Expectations,
    story: &Story,
) -> Result<(), Stop> {
    story.note(wall(), "listening: who hears what");
    let mut tapes = vec![&ears.phone, &ears.session];
    tapes.extend(&ears.talkers);
    let mut wanted = vec![&expected.phone, &expected.session];
    wanted.extend(&expected.talkers);
    let heard = attentively(&tapes, &wanted).await?;
    let talkers = bridge.talkers.iter().map(|(name, _)| name.as_str());
    for (who, heard) in ["phone", "session"].into_iter().chain(talkers).zip(&heard) {
        match heard {
            Some(heard) => report
                .checks
                .add(format!("{who} hears"), heard, heard.pass()),
            None => report
                .checks
                .add(format!("{who} hears"), "not a whole second came", false),
        }
    }
    let mut heard = heard.into_iter();
    (report.phone, report.talker) = (heard.next().flatten(), heard.nth(1).flatten());

    let mut levels = Vec::new();
    for (name, talker) in &bridge.talkers {
        let (session, talker) = (bridge.session, *talker);
        let level = bridge
            .line
            .with(move |gateway| gateway.level(session, talker))
            .await?
            .dbov();
        story.note(wall(), &format!("{name} {} {level:.0} dBov", Meter(level)));
        levels.push(level);
    }
    let figure = levels
        .iter()
        .map(|level| format!("{level:.0} dBov"))
        .collect::<Vec<_>>()
        .join(", ");
    let wanted = TONE_DBOV;
    report.checks.add(
        "level meters",
        figure,
        levels
            .iter()
            .all(|level| (f64::from(*level) - wanted).abs() <= 1.5),
    );
    Ok(())
}

/// Listens for a second to each tape and judges it; where something is amiss, once or twice again: a machine that is
/// busy with other things may have been late with a packet, and only what is wrong in the call stays wrong.
async fn attentively(tapes: &[&Tape], expected: &[&Expected]) -> Result<Vec<Option<Heard>>, Stop> {
    let mut listening = 0;
    loop {
        listening += 1;
        let sounds = listen(tapes, SOUND).await;
        let rates = tapes.iter().map(|tape| tape.rate());
        let jobs: Vec<_> = sounds
            .into_iter()
            .zip(rates)
            .zip(expected.iter().map(|&expected| expected.clone()))
            .collect();
        let heard = spawn_blocking(move || {
            let judge = |((sound, rate), expected): ((Vec<i16>, Rate), Expected)| {
                expected.judge(&sound, rate, listening)
            };
            jobs.into_iter().map(judge).collect::<Vec<_>>()
        });
        let heard = heard.await.map_err(|error| error.to_string())?;
        if listening == LISTENINGS
            || heard.iter().flatten().filter(|heard| heard.pass()).count() == tapes.len()
        {
            return Ok(heard);
        }
    }
}

/// Listens until both tapes are silent for as long as a listening lasts, as often as [`attentively`] does for sound and
/// for the same reason: which listening it was, and what each heard.
async fn silently(tapes: &[&Tape; 2]) -> (u8, [(f64, bool); 2]) {
    let mut listening = 0;
    loop {
        listening += 1;
        let quiet = listen(tapes, SILENCE).await;
        let heard = [0, 1].map(|tape| silence(&quiet[tape]));
        if listening == LISTENINGS || heard.iter().all(|(_, silent)| *silent) {
            return (listening, heard);
        }
    }
}

/// Keys in both directions at once, each reported once.
pub(crate) async fn keys(
    report: &mut Report,
    bridge: &Bridge,
    call: CallId,
    phone: &Phone,
    phone_call: CallId,
    story: &Story,
) -> Result<(), Stop> {
    story.note(
        wall(),
        &format!("keys: {KEYS_OUT} to the phone, {KEYS_IN} from it"),
    );
    let out = bridge
        .line
        .with(move |gateway| gateway.send_dtmf(call, KEYS_OUT))
        .await?;
    let back = phone
        .line()
        .with(move |gateway| gateway.send_dtmf(phone_call, KEYS_IN))
        .await?;
    phone
        .line()
        .until(PROMPT, |log| log.keys.len() >= KEYS_OUT.len())
        .await;
    bridge
        .line
        .until(PROMPT, |log| log.keys.len() >= KEYS_IN.len())
        .await;
    // A key that is reported twice is reported late.
    sleep(SETTLE).await;
    for (what, sent, pressed, keys) in [
        (
            "keys to the phone",
            out.map_err(|error| error.to_string()),
            KEYS_OUT,
            phone.log().keys,
        ),
        (
            "keys from the phone",
            back.map_err(|error| error.to_string()),
            KEYS_IN,
            bridge.line.log().keys,
        ),
    ] {
        match sent {
            Ok(()) => report.checks.add(
                what,
                format!("{pressed} sent, {keys} reported"),
                keys == pressed,
            ),
            Err(error) => report.checks.add(what, error, false),
        }
    }
    Ok(())
}

/// Hold and resume: silence on both sides, and then the sound of before.
pub(crate) async fn holding(
    report: &mut Report,
    bridge: &Bridge,
    call: CallId,
    ears: &Ears,
    expected: &Expectations,
    (name, how): (&str, Hold),
    story: &Story,
) -> Result<(), Stop> {
    let what = format!("hold by {name}");
    let before = bridge.line.log();
    story.note(wall(), &what);
    let asked = bridge
        .line
        .with(move |gateway| gateway.hold(call, how))
        .await?;
    let held = |log: &Log| log.held > before.held || log.refused.is_some() || log.ended.is_some();
    let (log, _) = bridge.line.until(PROMPT, held).await;
    if let Some(why) = asked.err().map(|error| error.to_string()).or(log.refused) {
        report.checks.add(what, why, false);
        return Ok(());
    }
    let tapes = [&ears.phone, &ears.session];
    let (listening, heard) = silently(&tapes).await;
    let [to_phone, from_phone] = heard.map(|(level, _)| level);
    let figure = format!(
        "phone hears {to_phone:.0} dBFS, session {from_phone:.0} dBFS (silence is below -60){}",
        at_listening(listening)
    );
    let silent = heard.iter().all(|(_, silent)| *silent);
    report
        .checks
        .add(what, figure, silent && log.held > before.held);

    let what = format!("  resumed from {name}");
    let asked = bridge
        .line
        .with(move |gateway| gateway.resume(call))
        .await?;
    let resumed =
        |log: &Log| log.resumed > before.resumed || log.refused.is_some() || log.ended.is_some();
    let (log, _) = bridge.line.until(PROMPT, resumed).await;
    if let Some(why) = asked.err().map(|error| error.to_string()).or(log.refused) {
        report.checks.add(what, why, false);
        return Ok(());
    }
    let heard = attentively(&tapes, &[&expected.phone, &expected.session]).await?;
    match &heard[..] {
        [Some(phone), Some(session)] => {
            let figure = format!(
                "phone hears {}; session hears {}",
                phone.in_short(),
                session.in_short()
            );
            report
                .checks
                .add(what, figure, phone.pass() && session.pass());
        }
        _ => report.checks.add(what, "no sound came back", false),
    }
    Ok(())
}

/// What the packets say.
pub(crate) fn quality(
    report: &mut Report,
    ours: Option<Figures>,
    phones: Option<Figures>,
    setup: &Setup,
    lost: u64,
) {
    let (Some(ours), Some(phones)) = (ours, phones) else {
        report.checks.add("figures", "a side has none", false);
        return;
    };
    let negotiated = ours.codec.as_deref().unwrap_or("none").to_owned();
    let offered_first = setup.first_codec().name();
    let first = negotiated.eq_ignore_ascii_case(offered_first);
    report.checks.add("codec", &negotiated, first);
    report
        .checks
        .add("key exchange", ours.keys(), ours.is_secure_as(setup));
    if setup.keys == Some(Keys::Dtls) {
        // Both ways of going are shown to be what they say.
        report.checks.add("way", ours.way(), ours.goes_as(setup));
    }
    report.checks.add(
        "setup time",
        format!(
            "{:.3} s, half a second of ringing included",
            report.setup.as_secs_f64()
        ),
        report.setup < Duration::from_secs(2),
    );
    let loss = [ours.loss_percent, phones.loss_percent];
    report.checks.add(
        "loss",
        format!("{:.1} % from the phone, {:.1} % to it", loss[0], loss[1]),
        loss.iter().all(|loss| *loss < 1.0),
    );
    let jitter = [ours.jitter_ms, phones.jitter_ms];
    report.checks.add(
        "jitter",
        format!(
            "{:.1} ms from the phone, {:.1} ms to it",
            jitter[0], jitter[1]
        ),
        jitter.iter().all(|jitter| *jitter < 20.0),
    );
    let mos = [ours.mos.unwrap_or(0.0), phones.mos.unwrap_or(0.0)];
    report.checks.add(
        "MOS",
        format!(
            "{:.2} from the phone, {:.2} to it (E-model)",
            mos[0], mos[1]
        ),
        mos.iter().all(|mos| *mos >= 4.0),
    );
    report.checks.add(
        "taps",
        format!("{lost} samples lost on the way to the checks"),
        lost == 0,
    );
    report.figures = Some(ours);
}

/// BYE, and its answer.
pub(crate) async fn goodbye(report: &mut Report, bridge: &Bridge, call: CallId, phone: &Phone) {
    let ours = bridge.hang_up(call).await;
    let (log, _) = phone.line().until(PROMPT, |log| log.ended.is_some()).await;
    let clean = [&ours, &log.ended]
        .into_iter()
        .all(|end| end.as_ref().is_some_and(CallEnd::is_clean));
    let say = |end: Option<&CallEnd>| end.map_or("no end".to_owned(), ToString::to_string);
    report.checks.add(
        "end",
        format!(
            "bridge: {}; phone: {}",
            say(ours.as_ref()),
            say(log.ended.as_ref())
        ),
        clean,
    );
}
