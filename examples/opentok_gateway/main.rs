//! A gateway that the server SDKs of the OpenTok family drive unchanged, pointed at it by their base URL: sessions,
//! phones dialled into them, keys, mutes, signals, callbacks and recordings, and a page for the operator.
//!
//! `cargo run --release --example opentok_gateway --features http` needs nothing else; `--help` lists the rest.
#![allow(clippy::disallowed_methods)] // An application owns its clocks, sockets and threads.

mod access;
mod api;
mod archive;
mod args;
mod builtin;
mod desk;
mod dials;
mod download;
mod moderate;
mod operator;
mod people;
mod rooms;
mod rules;
mod secure;
mod serve;
mod tell;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use examples::chance::{chance, random};
use signaling::Ice;
use signaling::http::hooks::{HookClient, HookConfig, queue as hook_queue};
use signaling::net::{Gateway, GatewayConfig};
use sip_core::header::NameAddr;
use token::ApiKey;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::access::{Access, Application};
use crate::api::{Api, router};
use crate::args::Cli;
use crate::desk::Desk;
use crate::rules::Rules;

/// How long callbacks may take after the last call.
const LAST_CALLBACKS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err((text, false)) => {
            say(&text);
            return ExitCode::SUCCESS;
        }
        Err((why, true)) => return fail(&why, 2),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let ran = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.to_string()),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why, 2),
    }
}

fn fail(why: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "opentok_gateway: {why}");
    ExitCode::from(code)
}

/// One line, whether or not anybody reads it.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

async fn run(cli: Cli) -> Result<(), String> {
    let (api_key, secret) = match (cli.api_key.clone(), cli.api_secret.clone()) {
        (Some(key), Some(secret)) => (key, secret),
        _ => made_up_project(),
    };
    let generated = cli.api_key.is_none();
    let operator = ApiKey::generate(&mut *chance().boxed());
    let application = application(&cli)?;
    let access = Access::new(&api_key, &secret, application)
        .map_err(|error| format!("--api-secret: {error}"))?;
    let identity = secure::identity(&cli)?;
    let (mut gateway, mut rules) = gateway(&cli, &api_key).await?;
    let sip = gateway.sip_addr();
    let sips = secure::sip_over_tls(&cli, &mut gateway, &identity).await?;
    let (hooks, mut deliveries) = hook_queue(HookClient::new(hook_config(&cli)?));
    let telling = tokio::spawn(async move {
        while let Some(delivery) = deliveries.next().await {
            if let Err(why) = delivery.result {
                say(&format!("callback to {}: {why}", delivery.url));
            }
        }
    });

    let (handle, jobs) = desk::queue();
    let api = Api {
        desk: handle.clone(),
        access,
        operator: operator.hash().clone(),
    };
    let router = router(api).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(cli.http).await;
    let listener = listener.map_err(|error| format!("cannot listen at {}: {error}", cli.http))?;
    let http = listener.local_addr().map_err(|error| error.to_string())?;
    let over_tls = cli.tls || cli.tls_cert.is_some();
    let tls = identity
        .filter(|_| over_tls)
        .map(|identity| TlsAcceptor::from(identity.server));
    let scheme = if over_tls { "https" } else { "http" };
    let url = format!("{scheme}://{http}");
    rules.base = cli.public_url.clone().unwrap_or_else(|| url.clone());
    let stop = stop_signal();
    let desk = Desk::new(gateway, rules, hooks, handle);
    let desk = tokio::spawn(desk.run(jobs, stop));
    let serving = tokio::spawn(serve::serve(listener, tls, router));

    say(&format!(
        "REST      {url}   (what it can do: {url}/openapi.json)"
    ));
    say(&format!("SIP       {sip} (UDP and TCP)"));
    if let Some(sips) = sips {
        say(&format!("SIP, TLS  {sips}"));
    }
    say(&format!("operator  {url}/operator#{}", operator.expose()));
    if generated {
        say(&format!("api key   {api_key}\napi secret {secret}"));
    }
    if cli.phone {
        let phone = phone().await?;
        say(&format!(
            "phone     sip:phone@{phone}   (sip:busy@ and sip:nobody@ as well)"
        ));
        if generated {
            try_this(&url, &api_key, &secret, phone);
        }
    }
    desk.await.map_err(|error| error.to_string())?;
    serving.abort();
    // The desk held the queue: the worker ends when everything is told.
    let _ = tokio::time::timeout(LAST_CALLBACKS, telling).await;
    Ok(())
}

/// A key and a secret of the form that the SDKs expect.
fn made_up_project() -> (String, String) {
    let [a, b, c, d] = random::<4>();
    let key = 10_000_000 + u32::from_be_bytes([a, b, c, d]) % 90_000_000;
    let secret: String = random::<20>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    (key.to_string(), secret)
}

/// The same project for SDKs of the Vonage form.
fn application(cli: &Cli) -> Result<Option<Application>, String> {
    let (Some(id), Some(file)) = (&cli.application, &cli.application_key) else {
        return Ok(None);
    };
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let pem = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let application = Application::new(id, &pem).map_err(|error| wrong(&error))?;
    Ok(Some(application))
}

async fn gateway(cli: &Cli, api_key: &str) -> Result<(Gateway, Rules), String> {
    let mut config = GatewayConfig::new(cli.sip, chance());
    config.advertise = cli.advertise;
    config.media_threads = cli.media_threads.into();
    if let Some(ports) = &cli.rtp_ports {
        config.rtp_ports = ports.clone();
    }
    config.servers = cli.servers.find(cli.sip.ip()).await?;
    let gateway = Gateway::bind(config)
        .await
        .map_err(|error| error.to_string())?;
    // Some networks show a caller without digits as +00000000; this says so openly.
    let host = SocketAddr::new(
        cli.advertise.unwrap_or(cli.sip.ip()),
        gateway.sip_addr().port(),
    );
    let from = match &cli.from {
        Some(from) => from.clone(),
        None => {
            let uri = format!("sip:+00000000@{host}").parse();
            NameAddr::new(&uri.map_err(|error| format!("{error}"))?)
        }
    };
    let rules = Rules {
        api_key: api_key.to_owned(),
        application: cli.application.clone(),
        base: String::new(),
        secure: cli.secure,
        ice: match (cli.ice, cli.servers.relay_only) {
            (false, _) => Ice::Off,
            (true, false) => Ice::Allow,
            // A phone without ICE would learn our address.
            (true, true) => Ice::Require,
        },
        from,
        codecs: cli
            .codec
            .iter()
            .map(|codec| codec.name().to_owned())
            .collect(),
        early_media: cli.early_media,
        ring: cli.ring,
        max_call: cli.max_call,
        idle: cli.idle,
        talker: cli.talker,
        record: cli.record.clone(),
        drain: cli.drain,
    };
    Ok((gateway, rules))
}

fn hook_config(cli: &Cli) -> Result<HookConfig, String> {
    let mut config = HookConfig::new(chance());
    config.secret = cli
        .callback_secret
        .as_ref()
        .map(|secret| secret.clone().into_bytes());
    Ok(config)
}

/// Starts the built-in phone, which says what happens to it.
async fn phone() -> Result<SocketAddr, String> {
    let (says, mut said) = mpsc::unbounded_channel::<String>();
    let phone = builtin::Phone::start(says).await?;
    let address = phone.address();
    tokio::spawn(phone.run());
    tokio::spawn(async move {
        while let Some(line) = said.recv().await {
            say(&line);
        }
    });
    Ok(address)
}

/// True once somebody asks the program to stop: SIGTERM or Ctrl-C. A second Ctrl-C does not wait for calls.
fn stop_signal() -> watch::Receiver<bool> {
    let (tell, asked) = watch::channel(false);
    tokio::spawn(async move {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let Ok(mut terminate) = signal(SignalKind::terminate()) else {
                return std::future::pending().await;
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        let _ = tell.send(true);
        say("stopping: no new calls; those that go on may end by themselves");
        let _ = tokio::signal::ctrl_c().await;
        std::process::exit(examples::interrupt::EXIT.into());
    });
    asked
}

/// What to copy.
fn try_this(url: &str, key: &str, secret: &str, phone: SocketAddr) {
    say(&format!(
        "
try it:
  curl {url}/health
  npm install opentok && node -e '
    const ot = new (require(\"opentok\"))(\"{key}\", \"{secret}\", \"{url}\");
    ot.createSession({{ mediaMode: \"routed\" }}, (_, session) =>
      ot.dial(session.sessionId, session.generateToken(), \"sip:phone@{phone}\", console.log));'
"
    ));
}
