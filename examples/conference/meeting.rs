//! A room for whoever was named on the command line: files, phones, a crowd.

use std::fs::File;
use std::io::BufReader;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use examples::checks::Checks;
use examples::interrupt::Interrupt;
use examples::screen::Screen;
use media_mix::{Clip, Rate};
use tokio::time::sleep;

use crate::args::Cli;
use crate::crowd;
use crate::door::Door;
use crate::guests::Story;
use crate::recording::{self, Recording};
use crate::room::{Plan, Room};
use examples::verdict::{Outcome, Stop};

/// The longest file that is taken: ten minutes at 48 kHz, 58 MB.
const MOST_SAMPLES: usize = 600 * 48_000;

/// Reads a file into memory.
///
/// # Errors
/// A line that names it and says why it cannot be played.
pub(crate) fn read(path: &Path) -> Result<Clip, String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot play {}: {error}", path.display());
    let file = File::open(path).map_err(|error| failed(&error))?;
    let clip =
        Clip::from_wav(BufReader::new(file), MOST_SAMPLES).map_err(|error| failed(&error))?;
    match clip.samples().is_empty() {
        true => Err(failed(&"there is no sound in it")),
        false => Ok(clip),
    }
}

/// The policy, as the arguments say.
fn door(cli: &Cli) -> Option<Door> {
    cli.listen.map(|_| Door {
        room: cli.room.clone(),
        password: cli
            .password
            .clone()
            .map(|password| (cli.username.clone(), password)),
        most: cli.max_phones.into(),
    })
}

/// Opens the room and keeps it open.
///
/// # Errors
/// When it cannot be opened, or somebody interrupts it while nobody may call.
pub(crate) async fn run(
    cli: &Cli,
    screen: &Arc<Screen>,
    interrupt: &Interrupt,
) -> Result<Outcome, Stop> {
    let bind = cli
        .listen
        .unwrap_or(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
    if bind.ip().is_unspecified() && cli.advertise.is_none() {
        return Err(Stop::Refused(format!(
            "{} is no address that a phone can send to: listen at one of this machine's, or say --advertise",
            bind.ip()
        )));
    }
    let clips: Vec<_> = cli
        .wav
        .iter()
        .map(|path| read(path).map(|clip| (path.display().to_string(), clip)))
        .collect::<Result<_, _>>()?;
    let simulated = usize::from(cli.self_load.unwrap_or(0));
    let plan = Plan {
        bind,
        advertise: cli.advertise,
        rtp_ports: cli.rtp_ports.clone(),
        media_port: cli.media_port,
        servers: cli.servers.clone(),
        door: door(cli),
        seats: clips.len() + simulated,
    };
    let story = Story::new(screen.clone());
    let room = Room::open(plan, story.clone()).await?;
    let file = match &cli.record {
        Some(path) => Some((path, recording::create(path)?)),
        None => None,
    };
    story.note(&invitation(cli, &room));

    let longest = clips
        .iter()
        .map(|(_, clip)| clip.ms())
        .max()
        .map(Duration::from_millis);
    let open_for = match (cli.seconds, cli.listen) {
        (None, None) => longest,
        (seconds, _) => seconds,
    };
    let recording = match file {
        Some((path, file)) => Some(Recording::start(room.ear(room.host).await?, file, path)),
        None => None,
    };
    for (name, clip) in clips {
        story.note(&format!(
            "{name} speaks: {:.1} s at {} kHz",
            clip.ms() as f64 / 1000.0,
            clip.rate().khz()
        ));
        room.seat(&name, clip).await?;
    }
    crowd::join(&room, simulated).await?;
    if simulated > 0 {
        story.note(&format!("{simulated} simulated participants are in"));
    }

    let closing = async {
        match open_for {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
    };
    let interrupted = tokio::select! {
        () = closing => false,
        () = interrupt.wait() => true,
        () = room.show_load(simulated) => false,
    };
    screen.end_live();
    let mut checks = Checks::new();
    room.load(simulated).await?.check(&mut checks);
    if cli.listen.is_some() {
        let guests = room.guests();
        let figure = format!("{} came, {} turned away", guests.came, guests.refused);
        checks.add("phones", figure, true);
    }
    let mut files = Vec::new();
    if let Some(recording) = recording {
        let recorded = recording.stop().await?;
        let figure = format!("{:.1} s at {} kHz", recorded.seconds, Rate::Khz48.khz());
        checks.add("recording", figure, recorded.seconds > 0.0);
        files.push(recorded.path);
    }
    room.desk.close().await;
    // A room without an end of its own is closed by Ctrl-C, as it should be.
    match interrupted && open_for.is_some() {
        true => Err(Stop::Interrupted(files)),
        false => Ok(Outcome {
            checks,
            files,
            table: None,
        }),
    }
}

/// Who may come, and how.
fn invitation(cli: &Cli, room: &Room) -> String {
    if cli.listen.is_none() {
        return "the room is open; nobody may call in (--listen)".to_owned();
    }
    let who = match &cli.password {
        Some(_) => format!("whoever knows the password of {:?}", cli.username),
        None => "anyone".to_owned(),
    };
    format!(
        "the room is open: sip:{}@{} for {who}, {} phones at most",
        cli.room, room.address, cli.max_phones
    )
}
