//! The demo: speakers from WAV files, phones of our own and a crowd, and every claim about the room checked by ear and by
//! protocol.

use std::fs::File;
use std::io::BufWriter;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use examples::checks::Checks;
use examples::interrupt::Interrupt;
use examples::screen::Screen;
use media_mix::wav::WavWriter;
use media_mix::{Rate, Tone};
use signaling::session::ParticipantId;
use tokio::time::{sleep, timeout};

use crate::args::Cli;
use crate::caller::{self, Answer, Attempt, Caller};
use crate::crowd;
use crate::door::Door;
use crate::ears::{self, Ear, VOICE_DBOV};
use crate::guests::Story;
use crate::load::Load;
use crate::meeting::read;
use crate::recording::{self, Recording};
use crate::room::{Plan, Room};
use examples::verdict::{Outcome, Stop};

/// The speakers: what each says in Hz, at which rate its file is, and with how many channels.
const SPEAKERS: [(usize, Rate, u8); 2] = [(440, Rate::Khz8, 1), (660, Rate::Khz48, 2)];

/// The phones: name, codec, and what each says in Hz.
const PHONES: [(&str, &str, usize); 2] = [("alice", "PCMU", 1013), ("bob", "G722", 1300)];

/// What phones call, and what they must know.
const ROOM: &str = "conference";
const USER: &str = "guest";
const PASSWORD: &str = "patchcord";

/// How many are simulated where nobody says.
const CROWD: u16 = 30;

/// How long the room is open where nobody says.
const OPEN: Duration = Duration::from_secs(8);

/// How long a jitter buffer takes to fit the network.
const FITTING: Duration = Duration::from_millis(1500);

/// How long something on the same machine may take.
const PROMPT: Duration = Duration::from_secs(5);

/// Runs the demo once.
///
/// # Errors
/// When the room cannot be opened, or somebody interrupts it.
pub(crate) async fn run(
    cli: &Cli,
    screen: &Arc<Screen>,
    interrupt: &Interrupt,
) -> Result<Outcome, Stop> {
    let simulated = usize::from(cli.self_load.unwrap_or(CROWD));
    let plan = Plan {
        bind: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
        advertise: None,
        rtp_ports: cli.rtp_ports.clone(),
        media_port: cli.media_port,
        servers: cli.servers.clone(),
        door: Some(Door {
            room: ROOM.into(),
            password: Some((USER.into(), PASSWORD.into())),
            most: PHONES.len(),
        }),
        seats: SPEAKERS.len() + simulated,
    };
    let story = Story::new(screen.clone());
    let room = Room::open(plan, story).await?;
    let record = cli
        .record
        .clone()
        .unwrap_or_else(|| cli.out.join("room.wav"));
    let file = recording::create(&record)?;
    let mut files = vec![record.clone()];
    for (hz, rate, channels) in SPEAKERS {
        let path = cli.out.join(format!("speaker-{hz}.wav"));
        write(&path, hz, rate, channels)?;
        files.push(path);
    }
    let recording = Recording::start(room.ear(room.host).await?, file, &record);
    let mut checks = Checks::new();
    let told = tokio::select! {
        told = tell(cli, &room, &files[1..], simulated, &mut checks) => told,
        () = interrupt.wait() => Err(Stop::Interrupted(Vec::new())),
        () = room.show_load(simulated) => Ok(()),
    };
    screen.end_live();
    let open_for = room.story.seconds();
    let recorded = recording.stop().await?;
    room.desk.close().await;
    match told {
        Err(Stop::Interrupted(_)) => return Err(Stop::Interrupted(files)),
        told => told?,
    }
    let figure = format!("{:.1} s of {open_for:.1} at 48 kHz", recorded.seconds);
    // The file begins when the room is open and the host listens.
    checks.add(
        "recording",
        figure,
        (open_for - recorded.seconds).abs() < 1.0,
    );
    Ok(Outcome {
        checks,
        files,
        table: None,
    })
}

/// Writes two seconds of a tone that can be played again and again.
fn write(path: &Path, hz: usize, rate: Rate, channels: u8) -> Result<(), String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
    let mut pcm = vec![0; rate.samples(2000)];
    Tone::new(rate, hz as f64, VOICE_DBOV).fill(&mut pcm);
    let all: Vec<i16> = pcm
        .iter()
        .flat_map(|&sample| std::iter::repeat_n(sample, channels.into()))
        .collect();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    let file = File::create(path).map_err(|error| failed(&error))?;
    let mut file =
        WavWriter::new(BufWriter::new(file), rate, channels).map_err(|error| failed(&error))?;
    file.write(&all).map_err(|error| failed(&error))?;
    file.finish().map(drop).map_err(|error| failed(&error))
}

/// Everything that happens while the room is open.
async fn tell(
    cli: &Cli,
    room: &Room,
    speakers: &[PathBuf],
    simulated: usize,
    checks: &mut Checks,
) -> Result<(), Stop> {
    room.story.note(&format!(
        "the room is open: sip:{ROOM}@{}, two phones at most, who must know a password",
        room.address
    ));
    let mut ears = Vec::new();
    let everyone: Vec<usize> = SPEAKERS
        .iter()
        .map(|speaker| speaker.0)
        .chain(PHONES.iter().map(|phone| phone.2))
        .collect();
    let others = |own: usize| everyone.iter().copied().filter(|&hz| hz != own).collect();
    for (path, (hz, rate, channels)) in speakers.iter().zip(SPEAKERS) {
        let name = format!("file {hz} Hz");
        let seat = room.seat(&name, read(path)?).await?;
        let kind = if channels == 1 { "mono" } else { "stereo" };
        room.story.note(&format!(
            "{} speaks: {} kHz, {kind}",
            path.display(),
            rate.khz()
        ));
        ears.push(ear(room, &name, seat, others(hz), Some(hz)).await?);
    }
    let crowd = crowd::join(room, simulated).await?;
    if let Some(&one) = crowd.first() {
        room.story.note(&format!(
            "{simulated} simulated participants are in, all of whom say a quiet noise"
        ));
        ears.push(ear(room, "one of the simulated", one, everyone.clone(), None).await?);
    }
    ears.push(ear(room, "host", room.host, everyone.clone(), None).await?);

    let mut phones = arrivals(room, checks).await?;
    for (phone, (name, codec, hz)) in phones.iter_mut().zip(PHONES) {
        if let Some(reader) = phone.ear.take() {
            ears.push(Ear {
                who: format!("{name}, {codec}"),
                reader,
                wanted: others(hz),
                unwanted: Some(hz),
            });
        }
    }
    // Jitter buffers begin careful, and shorten what they play by a period here and there until they fit the network.
    sleep(FITTING).await;
    room.story.note("listening: who hears what, in dB");
    let heard = ears::listen(&mut ears).await;
    for (ear, heard) in ears.iter().zip(heard) {
        checks.add(format!("{} hears", ear.who), heard.figure, heard.pass);
    }
    mute(room, others, checks).await?;

    // Long enough for a look at the load.
    let open = cli.seconds.unwrap_or(OPEN);
    sleep(open.saturating_sub(Duration::from_secs_f64(room.story.seconds()))).await;
    let load: Load = room.load(simulated).await?;
    load.check(checks);
    goodbye(room, phones, checks).await
}

/// An ear of somebody in the room.
async fn ear(
    room: &Room,
    who: &str,
    id: ParticipantId,
    wanted: Vec<usize>,
    unwanted: Option<usize>,
) -> Result<Ear, String> {
    Ok(Ear {
        who: who.to_owned(),
        reader: room.ear(id).await?,
        wanted,
        unwanted,
    })
}

/// Who calls: those that are turned away, and those that come in.
async fn arrivals(room: &Room, checks: &mut Checks) -> Result<Vec<Caller>, Stop> {
    let attempt = |name, password, called| Attempt {
        name,
        room: called,
        at: room.address,
        account: (USER, password),
        codec: "PCMU",
        says: 2000,
    };
    turned_away(
        checks,
        "a wrong password",
        &attempt("mallory", "guess", ROOM),
        &[401, 403],
    )
    .await?;
    turned_away(
        checks,
        "another room",
        &attempt("trudy", PASSWORD, "boardroom"),
        &[404],
    )
    .await?;
    let mut phones = Vec::new();
    for (name, codec, says) in PHONES {
        let attempt = Attempt {
            codec,
            says,
            ..attempt(name, PASSWORD, ROOM)
        };
        match caller::call(&attempt).await? {
            Answer::In(phone) => phones.push(*phone),
            Answer::Refused(status, phrase) => {
                return Err(Stop::Refused(format!(
                    "{name} was turned away: {status} {phrase}"
                )));
            }
        }
    }
    turned_away(
        checks,
        "a third phone",
        &attempt("carol", PASSWORD, ROOM),
        &[486],
    )
    .await?;
    let up =
        |guests: &crate::guests::Guests| guests.inside.iter().all(|guest| guest.codec.is_some());
    let guests = room.until(PROMPT, up).await;
    let codecs: Vec<_> = guests
        .inside
        .iter()
        .filter_map(|guest| guest.codec.clone())
        .collect();
    let wanted = PHONES.map(|phone| phone.1);
    checks.add(
        "two phones",
        format!("{} in, {} turned away", codecs.join(", "), guests.refused),
        codecs == wanted && guests.refused == 2,
    );
    Ok(phones)
}

/// A call that must be refused.
async fn turned_away(
    checks: &mut Checks,
    what: &str,
    attempt: &Attempt<'_>,
    wanted: &[u16],
) -> Result<(), Stop> {
    match caller::call(attempt).await? {
        Answer::Refused(status, phrase) => {
            checks.add(what, format!("{status} {phrase}"), wanted.contains(&status));
        }
        Answer::In(phone) => {
            phone.hang_up().await;
            checks.add(what, "was let in", false);
        }
    }
    Ok(())
}

/// The host silences the first phone: everyone else is heard.
async fn mute(
    room: &Room,
    others: impl Fn(usize) -> Vec<usize>,
    checks: &mut Checks,
) -> Result<(), Stop> {
    let (name, _, hz) = PHONES[0];
    let Some(guest) = room.guests().inside.first().cloned() else {
        checks.add("mute", "the phone is gone", false);
        return Ok(());
    };
    room.story.note(&format!("the host mutes {name}"));
    let (session, host, target) = (room.session, room.host, guest.participant);
    let muted = room
        .desk
        .with(move |gateway| gateway.force_mute(session, host, target, true))
        .await?;
    muted.map_err(|error| error.to_string())?;
    let who = format!("host, {name} muted,");
    let mut ears = [ear(room, &who, room.host, others(hz), Some(hz)).await?];
    for heard in ears::listen(&mut ears).await {
        checks.add(format!("{who} hears"), heard.figure, heard.pass);
    }
    let _ = room
        .desk
        .with(move |gateway| gateway.force_mute(session, host, target, false))
        .await?;
    Ok(())
}

/// The phones hang up, and are gone.
async fn goodbye(room: &Room, phones: Vec<Caller>, checks: &mut Checks) -> Result<(), Stop> {
    let mut figures = Vec::new();
    let mut worst = 0.0_f64;
    for phone in &phones {
        if let Some((codec, loss)) = phone.figures().await? {
            figures.push(format!("{codec} {:.1} %", loss * 100.0));
            worst = worst.max(loss);
        }
    }
    let all = figures.len() == PHONES.len();
    checks.add("packets lost", figures.join(", "), all && worst < 0.02);
    let mut clean = true;
    for phone in phones {
        // Closing waits for the room's answer.
        clean &= timeout(2 * PROMPT, phone.hang_up()).await.unwrap_or(false);
    }
    let guests = room.until(PROMPT, |guests| guests.inside.is_empty()).await;
    checks.add(
        "goodbye",
        format!("{} came, {} left", guests.came, guests.left),
        clean && guests.came == PHONES.len() && guests.left == guests.came,
    );
    Ok(())
}
