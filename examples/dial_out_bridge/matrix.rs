//! Every codec with every key exchange over every transport and with every SRTP suite, many calls at once, one table.

use std::sync::Arc;
use std::time::Duration;

use examples::args::{Codec, Keys, Transport};
use examples::checks::{Checks, Table, verdict};
use examples::screen::Screen;
use rtp_core::srtp::Suite;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::demo::{self, Report};
use crate::files::Folders;
use crate::hearing::Heard;
use crate::setup::Setup;
use examples::interrupt::Interrupt;
use examples::verdict::{Outcome, Stop};

/// Calls at a time: what two cores mix, encode and listen to without falling behind.
const AT_ONCE: usize = 16;

/// Runs the demo for every combination that the arguments leave.
///
/// # Errors
/// When no call at all can be made, or somebody interrupts them.
pub(crate) async fn run(
    cli: &crate::args::Cli,
    setup: &Setup,
    screen: &Arc<Screen>,
    interrupt: &Interrupt,
) -> Result<Outcome, Stop> {
    // The folder above those of the calls; with nothing in it, it goes again.
    let _folders = Folders::create(&setup.places)?;
    let setups = combinations(cli, setup);
    let names: Vec<_> = setups.iter().map(|(name, _)| name.clone()).collect();
    screen.say(format_args!(
        "  {} calls, {} at once: each the whole demo",
        setups.len(),
        setups.len().min(AT_ONCE)
    ));
    let mut calls = JoinSet::new();
    let mut waiting = setups.into_iter().enumerate();
    let mut begin = |calls: &mut JoinSet<_>| {
        if let Some((index, (_, setup))) = waiting.next() {
            let (screen, interrupt) = (screen.clone(), interrupt.clone());
            calls
                .spawn(async move { (index, demo::run(&setup, &screen, false, &interrupt).await) });
        }
    };
    for _ in 0..AT_ONCE {
        begin(&mut calls);
    }
    let mut results: Vec<Option<Result<Report, Stop>>> = names.iter().map(|_| None).collect();
    let mut ticks = interval(Duration::from_millis(200));
    let started = tokio::time::Instant::now();
    loop {
        tokio::select! {
            done = calls.join_next() => match done {
                Some(Ok((index, result))) => {
                    results[index] = Some(result);
                    begin(&mut calls);
                }
                // A call that panicked keeps its row without a result.
                Some(Err(_)) => begin(&mut calls),
                None => break,
            },
            _ = ticks.tick() => {
                let done = results.iter().flatten().count();
                screen.live(format_args!("  {done} of {} done  {:>5.1} s", names.len(), started.elapsed().as_secs_f64()));
            }
        }
    }
    screen.end_live();
    judge(names, results)
}

/// Each combination with its name; what the arguments choose is the only choice.
fn combinations(cli: &crate::args::Cli, setup: &Setup) -> Vec<(String, Setup)> {
    let codecs = if setup.codecs.is_empty() {
        Codec::ALL.to_vec()
    } else {
        setup.codecs.clone()
    };
    let ways = setup.keys.map_or_else(
        || {
            let dtls = Some(Keys::Dtls);
            vec![
                (None, false),
                (Some(Keys::Sdes), false),
                (dtls, false),
                (dtls, true),
            ]
        },
        |keys| vec![(Some(keys), setup.ice)],
    );
    let transports = cli.call.transport.map_or_else(
        || vec![Transport::Udp, Transport::Tcp],
        |chosen| vec![chosen],
    );
    let mut setups = Vec::new();
    let mut add = |codec: Codec, (keys, ice), suite: Option<Suite>, transport| {
        let key_name = suite.map_or(key_name(keys), Suite::name);
        let way = if ice { "-ice" } else { "" };
        let name = format!("{}-{key_name}{way}-{transport}", codec.name()).to_lowercase();
        let places = setup.places.below(&name);
        let changed = Setup {
            codecs: vec![codec],
            keys,
            ice,
            suite,
            transport,
            places,
            ..setup.clone()
        };
        setups.push((name, changed));
    };
    for &codec in &codecs {
        for &way in &ways {
            for &transport in &transports {
                add(codec, way, None, transport);
            }
        }
    }
    // Above, each codec met the suite that every phone has, which is the first; the others over one transport each.
    if let Some(&sdes) = ways.iter().find(|(keys, _)| *keys == Some(Keys::Sdes)) {
        for (turn, &suite) in Suite::ALL.iter().enumerate().skip(1) {
            for (codec, transport) in codecs.iter().zip(transports.iter().cycle().skip(turn)) {
                add(*codec, sdes, Some(suite), *transport);
            }
        }
    }
    setups
}

fn key_name(keys: Option<Keys>) -> &'static str {
    match keys {
        None => "clear",
        Some(Keys::Sdes) => "SDES",
        Some(Keys::Dtls) => "DTLS",
        Some(Keys::Allow) => "any",
    }
}

/// One table of all calls, and all their checks.
fn judge(names: Vec<String>, results: Vec<Option<Result<Report, Stop>>>) -> Result<Outcome, Stop> {
    let (mut checks, mut files) = (Checks::new(), Vec::new());
    let mut table = Table::new(&[
        "",
        "call",
        "setup",
        "phone hears",
        "talker hears",
        "other",
        "keys",
        "holds",
        "loss",
        "jitter",
        "MOS",
        "checks",
    ]);
    let (mut refused, mut interrupted) = (Vec::new(), false);
    for (name, result) in names.iter().zip(results) {
        match result {
            Some(Ok(report)) => {
                table.row(row(name, &report));
                for check in report.checks.iter() {
                    checks.add(
                        format!("{name}: {}", check.what.trim()),
                        &check.figure,
                        check.pass,
                    );
                }
                files.extend(report.files);
            }
            Some(Err(Stop::Interrupted(written))) => {
                interrupted = true;
                files.extend(written);
            }
            Some(Err(Stop::Refused(line))) => refused.push((name, line)),
            None => refused.push((name, "the call's task failed".into())),
        }
    }
    if interrupted {
        return Err(Stop::Interrupted(files));
    }
    if refused.len() == names.len() {
        return Err(Stop::Refused(
            refused
                .into_iter()
                .next()
                .map_or_else(String::new, |(_, line)| line),
        ));
    }
    for (name, line) in refused {
        table.row(vec![verdict(false).into(), name.clone(), line.clone()]);
        checks.add(format!("{name}: call"), line, false);
    }
    Ok(Outcome {
        checks,
        files,
        table: Some(table),
    })
}

fn row(name: &str, report: &Report) -> Vec<String> {
    let tones = |heard: &Option<Heard>| match heard {
        Some(heard) => heard
            .tones
            .iter()
            .map(|(hz, level)| format!("{hz} {level:.1}"))
            .collect::<Vec<_>>()
            .join("  "),
        None => "nothing".into(),
    };
    let other = [&report.phone, &report.talker]
        .into_iter()
        .flatten()
        .map(|heard| heard.other.db);
    let other = other.fold(f64::NEG_INFINITY, f64::max);
    let held = |prefix: &str| {
        let of: Vec<_> = report
            .checks
            .iter()
            .filter(|check| check.what.trim_start().starts_with(prefix))
            .collect();
        format!(
            "{}/{}",
            of.iter().filter(|check| check.pass).count(),
            of.len()
        )
    };
    let (all, failed) = (report.checks.iter().len(), report.checks.failed());
    let figure = |text: fn(&crate::figures::Figures) -> String| {
        report.figures.as_ref().map_or("?".into(), text)
    };
    vec![
        verdict(report.checks.pass()).into(),
        name.into(),
        format!("{:.2} s", report.setup.as_secs_f64()),
        tones(&report.phone),
        tones(&report.talker),
        format!("{other:.0} dB"),
        held("keys"),
        held("hold"),
        figure(|figures| format!("{:.1} %", figures.loss_percent)),
        figure(|figures| format!("{:.1} ms", figures.jitter_ms)),
        figure(|figures| figures.mos.map_or("?".into(), |mos| format!("{mos:.2}"))),
        format!("{}/{all}", all - failed),
    ]
}
