//! The demo: a session, a phone of our own, and every claim about a call checked by ear and by protocol.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use examples::args::{Codec, Transport};
use examples::checks::Checks;
use examples::screen::Screen;
use media_mix::Rate;
use signaling::Hold;
use signaling::engine::Voice;
use tokio::task::spawn_blocking;

use crate::bridge::{Bridge, Left, Tapped, wall};
use crate::claims;
use crate::figures::Figures;
use crate::hearing::{Expected, Heard, limit, tones};
use crate::phone::{self, Answered, Phone};
use crate::setup::Setup;
use crate::story::Story;
use crate::tape::Tape;
use crate::ticket::Ticket;
use examples::interrupt::Interrupt;
use examples::verdict::Stop;

/// What the two talkers say, in Hz.
const TALKERS: [usize; 2] = [440, 660];

/// How long a phone on the same machine may take to answer.
const PROMPT: Duration = Duration::from_secs(5);

/// What the demo found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) checks: Checks,
    /// Time from the INVITE to the answer.
    pub(crate) setup: Duration,
    /// What the phone and the first talker heard in their first second.
    pub(crate) phone: Option<Heard>,
    pub(crate) talker: Option<Heard>,
    /// Our figures at the end.
    pub(crate) figures: Option<Figures>,
    /// Where the files are.
    pub(crate) files: Vec<std::path::PathBuf>,
}

/// The tapes of a call that is up.
pub(crate) struct Ears {
    /// What the phone hears.
    pub(crate) phone: Tape,
    /// What the session gets from the phone.
    pub(crate) session: Tape,
    /// What each talker hears.
    pub(crate) talkers: Vec<Tape>,
}

/// Runs the demo once.
///
/// # Errors
/// When the call cannot be made, or somebody interrupts it.
pub(crate) async fn run(
    setup: &Setup,
    screen: &Arc<Screen>,
    told: bool,
    interrupt: &Interrupt,
) -> Result<Report, Stop> {
    let ticket = Ticket::new(setup.brought.as_ref(), UNIX_EPOCH + wall())?;
    let story = Story::new(screen.clone(), told, wall());
    let phone = Phone::start(setup.bind).await?;
    let voices = TALKERS
        .iter()
        .map(|&hz| {
            (
                format!("talker {hz} Hz"),
                Voice::tone(tones(Rate::Khz48, &[hz])),
            )
        })
        .collect();
    let bind = setup.bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut bridge = Bridge::open(setup, &ticket, bind, voices, story.clone()).await?;

    let mut report = Report::default();
    report.checks.add("token", &ticket, true);
    let done = tokio::select! {
        done = call(setup, &mut bridge, &phone, &ticket, &story, &mut report) => done,
        () = interrupt.wait() => Err(Stop::Interrupted(Vec::new())),
    };
    if let Err(Stop::Refused(_)) = &done {
        bridge.discard().await;
        phone.close().await;
        return done.map(|()| report);
    }
    if let (Err(Stop::Interrupted(_)), Some(call)) = (&done, bridge.call) {
        bridge.hang_up(call).await;
    }
    let Left { files, .. } = bridge.finish().await;
    phone.close().await;
    match (done, files) {
        (Ok(()), files) => {
            let figure = match &files {
                Ok(files) => format!("{} written", files.len()),
                Err(error) => error.clone(),
            };
            report.checks.add("files", figure, files.is_ok());
            report.files = files.unwrap_or_default();
            Ok(report)
        }
        (Err(Stop::Interrupted(_)), files) => Err(Stop::Interrupted(files?)),
        (Err(stop), _) => Err(stop),
    }
}

/// What the story is about.
fn heads(ticket: &Ticket, phone: &Phone, transport: Transport) -> [(&'static str, String); 3] {
    let phone = phone.address();
    [
        ("token", ticket.to_string()),
        (
            "session",
            format!("{}: two talkers, 440 Hz and 660 Hz", ticket.session),
        ),
        (
            "phone",
            format!("at {phone} over {transport}, asks for a password, says 1020 Hz"),
        ),
    ]
}

/// From the INVITE to the BYE.
async fn call(
    setup: &Setup,
    bridge: &mut Bridge,
    phone: &Phone,
    ticket: &Ticket,
    story: &Story,
    report: &mut Report,
) -> Result<(), Stop> {
    let uri = phone.uri(setup.transport)?;
    // While it rings: how loud a codec's own noise may be takes some listening to it.
    let codec = setup.first_codec();
    let expected = spawn_blocking(move || Expectations::of(codec));
    let call = bridge.dial(setup, ticket, uri).await?;
    story.open(&heads(ticket, phone, setup.transport));
    let answered = tokio::select! {
        answered = phone.answer() => answered,
        refusal = bridge.refusal() => return Err(Stop::Refused(refusal)),
    };
    let Answered {
        call: phone_call,
        ear,
    } = answered?;
    let (log, up) = bridge
        .line
        .until(PROMPT, |log| log.answered.is_some() || log.ended.is_some())
        .await;
    let (Some(took), true) = (log.answered, up) else {
        return Err(Stop::Refused(
            log.ended
                .map_or("the phone did not answer".into(), |end| end.to_string()),
        ));
    };
    report.setup = took;

    let heard_by_phone = bridge.file(setup, "callee-heard.wav", Rate::Khz48)?;
    let mut talkers = Vec::new();
    for (_, talker) in bridge.talkers.clone() {
        talkers.push(bridge.tape_talker(talker, Rate::Khz48).await?);
    }
    let ears = Ears {
        phone: bridge.keep(Tape::new(ear, Some(heard_by_phone))),
        session: bridge
            .tape_call(
                setup,
                call,
                Tapped::Received,
                Rate::Khz48,
                "session-heard.wav",
            )
            .await?,
        talkers,
    };
    let expected = expected.await.map_err(|error| error.to_string())??;

    claims::reached(report, phone, setup, story);
    claims::listening(report, bridge, &ears, &expected, story).await?;
    claims::keys(report, bridge, call, phone, phone_call, story).await?;
    for hold in [
        ("sendonly", Hold::SendOnly),
        ("inactive", Hold::Inactive),
        ("port 0", Hold::PortZero),
    ] {
        claims::holding(report, bridge, call, &ears, &expected, hold, story).await?;
    }
    let ours = bridge.figures(call).await;
    let phones = phone
        .line()
        .with(move |gateway| gateway.call(phone_call))
        .await?;
    let lost = ears.all().map(Tape::lost).sum();
    claims::quality(
        report,
        ours,
        phones.as_ref().map(Figures::from),
        setup,
        lost,
    );
    story.note(wall(), "goodbye");
    claims::goodbye(report, bridge, call, phone).await;
    Ok(())
}

impl Ears {
    fn all(&self) -> impl Iterator<Item = &Tape> {
        [&self.phone, &self.session]
            .into_iter()
            .chain(&self.talkers)
    }
}

/// What each of those who listen should hear.
pub(crate) struct Expectations {
    pub(crate) phone: Expected,
    pub(crate) session: Expected,
    pub(crate) talkers: Vec<Expected>,
}

impl Expectations {
    fn of(codec: Codec) -> Result<Self, String> {
        let says = phone::SAYS;
        let limit = |hz: &[usize]| limit(codec, hz).map_err(|error| error.to_string());
        let (towards, back) = (limit(&TALKERS)?, limit(&[says])?);
        let [first, second] = TALKERS;
        let talker = |own, other| Expected {
            wanted: vec![other, says],
            own,
            limit: back,
        };
        Ok(Self {
            phone: Expected {
                wanted: TALKERS.to_vec(),
                own: says,
                limit: towards,
            },
            session: Expected {
                wanted: vec![says],
                own: first,
                limit: back,
            },
            talkers: vec![talker(first, second), talker(second, first)],
        })
    }
}
