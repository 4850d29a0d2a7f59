//! Dials a real phone: what can be checked without knowing anything of it.

use std::fs::File;
use std::io::BufReader;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use examples::args::{Target, target};
use examples::checks::Checks;
use examples::screen::Screen;
use media_mix::Rate;
use media_mix::wav::WavReader;
use signaling::CallId;
use signaling::call::{CallEnd, EndReason};
use signaling::engine::{PcmWriter, Voice};
use sip_core::Uri;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::args::Cli;
use crate::bridge::{Bridge, Left, Tapped, wall};
use crate::figures::Figures;
use crate::hearing::tones;
use crate::setup::Setup;
use crate::story::Story;
use crate::ticket::Ticket;
use examples::interrupt::Interrupt;
use examples::verdict::{Outcome, Stop};

/// What the session says where nobody names a file, in Hz.
const TONES: [usize; 2] = [440, 660];

/// How long a call lasts where nobody says.
const DURATION: Duration = Duration::from_secs(10);

/// How often a file's next samples are handed to the session.
const REFILL: Duration = Duration::from_millis(100);

/// Dials `uri` and talks for a while.
///
/// # Errors
/// When the call cannot be made, or somebody interrupts it.
pub(crate) async fn run(
    cli: &Cli,
    setup: &Setup,
    uri: &str,
    screen: &Arc<Screen>,
    interrupt: &Interrupt,
) -> Result<Outcome, Stop> {
    let target = target(uri, cli.call.transport)?;
    let ticket = Ticket::new(setup.brought.as_ref(), UNIX_EPOCH + wall())?;
    let Said {
        voices,
        words,
        file,
    } = said(cli.play.as_deref())?;
    let bind = match setup.bind {
        Some(bind) => bind,
        None => tokio::select! {
            bind = local_address(&target.uri) => bind?,
            () = interrupt.wait() => return Err(Stop::Interrupted(Vec::new())),
        },
    };
    let story = Story::new(screen.clone(), true, wall());
    let mut bridge = Bridge::open(setup, &ticket, bind, voices, story.clone()).await?;
    let heads = [
        ("token", ticket.to_string()),
        ("session", format!("{}: {words}", ticket.session)),
        ("phone", format!("{} over {}", target.uri, target.transport)),
    ];
    let player = file.map(|(file, writer)| tokio::spawn(play(file, writer)));
    let mut checks = Checks::new();
    checks.add("token", &ticket, true);
    let done = tokio::select! {
        done = call(cli, setup, &mut bridge, &target, &ticket, &heads, &mut checks) => done,
        () = interrupt.wait() => Err(Stop::Interrupted(Vec::new())),
    };
    if let Some(player) = player {
        player.abort();
    }
    match done {
        Err(Stop::Refused(line)) => {
            bridge.discard().await;
            Err(Stop::Refused(format!("{}: {line}", target.uri)))
        }
        Err(Stop::Interrupted(_)) => {
            if let Some(call) = bridge.call {
                bridge.hang_up(call).await;
            }
            Err(Stop::Interrupted(bridge.finish().await.files?))
        }
        Ok(()) => {
            let Left { end, files } = bridge.finish().await;
            let figure = end.as_ref().map_or(
                "the phone did not answer the BYE".into(),
                CallEnd::to_string,
            );
            checks.add("clean end", figure, end.as_ref().is_some_and(is_clean));
            if let Err(error) = &files {
                checks.add("files", error, false);
            }
            Ok(Outcome {
                checks,
                files: files.unwrap_or_default(),
                table: None,
            })
        }
    }
}

/// From the INVITE to the BYE.
async fn call(
    cli: &Cli,
    setup: &Setup,
    bridge: &mut Bridge,
    target: &Target,
    ticket: &Ticket,
    heads: &[(&'static str, String)],
    checks: &mut Checks,
) -> Result<(), Stop> {
    let call = bridge.dial(setup, ticket, target.uri.clone()).await?;
    bridge.story().open(heads);
    if cli.call.early_media {
        record(setup, bridge, call, Rate::Khz48).await?;
    }
    let forever = Duration::from_secs(24 * 3600);
    let (log, _) = bridge
        .line
        .until(forever, |log| log.answered.is_some() || log.ended.is_some())
        .await;
    let Some(took) = log.answered else {
        return Err(Stop::Refused(
            log.ended.map_or("no answer".into(), |end| end.to_string()),
        ));
    };
    let agreed = bridge.figures(call).await;
    if !cli.call.early_media {
        let codec = agreed.as_ref().and_then(|figures| figures.codec.as_deref());
        record(setup, bridge, call, rate_of(codec)).await?;
    }
    let duration = cli.duration.unwrap_or(DURATION);
    let (log, over) = bridge.line.until(duration, |log| log.ended.is_some()).await;
    let figures = match log.last {
        Some(last) if over => Some(Figures::from(&*last)),
        _ => bridge.figures(call).await,
    };
    // What was agreed on is gone from the figures of a call that is over.
    let figures = figures.map(|figures| figures.or(agreed));
    if !over {
        bridge.hang_up(call).await;
    }

    judge(checks, setup, took, figures.as_ref());
    Ok(())
}

fn judge(checks: &mut Checks, setup: &Setup, took: Duration, figures: Option<&Figures>) {
    checks.add(
        "answered",
        format!("after {:.3} s", took.as_secs_f64()),
        true,
    );
    let Some(figures) = figures else {
        checks.add("media both ways", "no figures", false);
        return;
    };
    checks.add(
        "codec",
        figures.codec.as_deref().unwrap_or("none"),
        figures.codec.is_some(),
    );
    checks.add("key exchange", figures.keys(), figures.is_secure_as(setup));
    if setup.ice {
        checks.add("way", figures.way(), figures.goes_as(setup));
    }
    let both = figures.received > 0 && figures.sent > 0;
    checks.add(
        "media both ways",
        format!(
            "{} packets came, {} were sent",
            figures.received, figures.sent
        ),
        both,
    );
    let figure = format!(
        "loss {:.1} %, jitter {:.1} ms, MOS {}",
        figures.loss_percent,
        figures.jitter_ms,
        figures
            .mos
            .map_or("unknown".into(), |mos| format!("{mos:.2}"))
    );
    checks.add("from the phone", figure, true);
}

/// Whether a call ended as somebody wished: either side hung up, or the limit of `--max-call` was reached.
fn is_clean(end: &CallEnd) -> bool {
    end.is_clean() || matches!(end.reason, Some(EndReason::MaxDuration))
}

async fn record(setup: &Setup, bridge: &mut Bridge, call: CallId, rate: Rate) -> Result<(), Stop> {
    bridge
        .tape_call(setup, call, Tapped::Received, rate, "session-heard.wav")
        .await?;
    bridge
        .tape_call(setup, call, Tapped::Sent, rate, "callee-heard.wav")
        .await?;
    Ok(())
}

/// The rate at which a codec samples.
fn rate_of(codec: Option<&str>) -> Rate {
    let registry = media_mix::Registry::default();
    let known = registry
        .descriptions()
        .find(|known| codec.is_some_and(|codec| codec.eq_ignore_ascii_case(known.name)));
    known.map_or(Rate::Khz48, |known| known.rate)
}

/// What the session says.
struct Said {
    voices: Vec<(String, Voice)>,
    /// In words.
    words: String,
    /// A file that is to be played, and where to.
    file: Option<(WavReader<BufReader<File>>, PcmWriter)>,
}

/// Two talkers, or a file in their place.
fn said(file: Option<&Path>) -> Result<Said, String> {
    let Some(path) = file else {
        let voice = |hz| {
            (
                format!("talker {hz} Hz"),
                Voice::tone(tones(Rate::Khz48, &[hz])),
            )
        };
        return Ok(Said {
            voices: TONES.map(voice).into(),
            words: "two talkers, 440 Hz and 660 Hz".into(),
            file: None,
        });
    };
    let cannot = |error: &dyn std::fmt::Display| format!("cannot play {}: {error}", path.display());
    let file = File::open(path).map_err(|error| cannot(&error))?;
    let reader = WavReader::new(BufReader::new(file)).map_err(|error| cannot(&error))?;
    let (writer, voice) = Voice::feed(reader.spec().rate);
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let words = format!("plays {name}");
    Ok(Said {
        voices: vec![(name, voice)],
        words,
        file: Some((reader, writer)),
    })
}

/// Hands a file to the session as fast as it is heard; silence follows its end.
async fn play(mut file: WavReader<BufReader<File>>, mut writer: PcmWriter) {
    loop {
        let mut samples = vec![0; writer.room()];
        // A file that breaks off is played up to there.
        let read = file.read_mono(&mut samples).unwrap_or(0);
        if read == 0 && !samples.is_empty() {
            return;
        }
        writer.write(&samples[..read]);
        sleep(REFILL).await;
    }
}

/// Our address on the way to the host of `uri`.
async fn local_address(uri: &Uri) -> Result<IpAddr, String> {
    let host = uri
        .host_str()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let port = uri.port().unwrap_or(5060);
    spawn_blocking(move || {
        let mut found = (host.as_str(), port)
            .to_socket_addrs()
            .map_err(|error| format!("cannot find an address of {host}: {error}"))?;
        let remote = found
            .next()
            .ok_or_else(|| format!("cannot find an address of {host}"))?;
        towards(remote).map_err(|error| format!("cannot reach {host}: {error}"))
    })
    .await
    .map_err(|error| error.to_string())?
}

/// Connecting a datagram socket sends nothing; it asks the system for a route.
#[allow(clippy::disallowed_methods)]
fn towards(remote: SocketAddr) -> std::io::Result<IpAddr> {
    let any: SocketAddr = if remote.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0; 16], 0).into()
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}
