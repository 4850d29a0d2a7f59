//! A phone of the demo: a second user agent that calls in and says a tone.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use examples::chance::chance;
use media_mix::{Rate, Tone};
use signaling::call::CallEnd;
use signaling::engine::{PcmReader, Voice};
use signaling::net::{Event, Gateway, GatewayConfig};
use signaling::session::{Join, SessionOptions};
use signaling::{CallId, DialRequest};
use sip_core::auth::Account;
use sip_core::header::NameAddr;
use token::Role;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::desk::Desk;
use crate::ears::VOICE_DBOV;

/// How long the room, on the same machine, may take to answer.
const PROMPT: Duration = Duration::from_secs(5);

/// How a call is made.
pub(crate) struct Attempt<'a> {
    pub(crate) name: &'a str,
    pub(crate) room: &'a str,
    pub(crate) at: SocketAddr,
    pub(crate) account: (&'a str, &'a str),
    pub(crate) codec: &'a str,
    /// What it says, in Hz.
    pub(crate) says: usize,
}

/// A phone whose call was answered.
pub(crate) struct Caller {
    desk: Desk,
    call: CallId,
    state: watch::Receiver<State>,
    /// What its handset hears, at 48 kHz.
    pub(crate) ear: Option<PcmReader>,
}

/// What became of a call.
pub(crate) enum Answer {
    /// It is up.
    In(Box<Caller>),
    /// It was refused, with this status and these words.
    Refused(u16, String),
}

#[derive(Debug, Clone, Default)]
struct State {
    answered: bool,
    ended: Option<CallEnd>,
}

/// Calls.
///
/// # Errors
/// A line that says why nothing came of it.
pub(crate) async fn call(attempt: &Attempt<'_>) -> Result<Answer, String> {
    let mut config = GatewayConfig::new(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0), chance());
    config.registry.prefer(&[attempt.codec]);
    let mut gateway = Gateway::bind(config)
        .await
        .map_err(|error| error.to_string())?;
    let (call, ear) = dial(&mut gateway, attempt).map_err(|error| error.to_string())?;
    let (tell, state) = watch::channel(State::default());
    let desk = Desk::start(gateway, move |_, event| match event {
        Event::Answered { .. } => tell.send_modify(|state| state.answered = true),
        Event::Ended { end, .. } => tell.send_modify(|state| state.ended = Some(end)),
        _ => {}
    });
    let mut caller = Caller {
        desk,
        call,
        state,
        ear: Some(ear),
    };
    let settled = caller
        .state
        .wait_for(|state| state.answered || state.ended.is_some());
    let Ok(Ok(state)) = timeout(PROMPT, settled)
        .await
        .map(|seen| seen.map(|seen| seen.clone()))
    else {
        return Err("the room did not answer".into());
    };
    match state.ended {
        None => Ok(Answer::In(Box::new(caller))),
        Some(end) => {
            caller.desk.close().await;
            let status = end.cause.status.map_or(0, |status| status.code());
            Ok(Answer::Refused(
                status,
                end.cause.phrase.clone().unwrap_or_else(|| end.to_string()),
            ))
        }
    }
}

fn dial(
    gateway: &mut Gateway,
    attempt: &Attempt<'_>,
) -> Result<(CallId, PcmReader), Box<dyn std::error::Error>> {
    let Attempt {
        name,
        room,
        at,
        account: (user, password),
        says,
        ..
    } = *attempt;
    let desk = gateway.open_session("desk", SessionOptions::default())?;
    let voice = Voice::tone(Tone::new(Rate::Khz48, says as f64, VOICE_DBOV));
    let handset = gateway.join(desk, Join::new(Role::Publisher).name("handset"), voice)?;
    let ear = gateway.listen(desk, handset, Rate::Khz48)?;
    let from = NameAddr::new(&format!("sip:{name}@{}", gateway.sip_addr()).parse()?);
    let mut request = DialRequest::new(format!("sip:{room}@{at}").parse()?, from)
        .account(Account::with_password(user, password));
    request.codecs = Some(vec![attempt.codec.to_owned()]);
    Ok((gateway.dial(desk, &request)?, ear))
}

impl Caller {
    /// The codec, and the share of the room's packets that it lost.
    ///
    /// # Errors
    /// When the phone is off.
    pub(crate) async fn figures(&self) -> Result<Option<(String, f64)>, String> {
        let call = self.call;
        let look = move |gateway: &mut Gateway| gateway.call(call);
        let info = self.desk.with(look).await?;
        Ok(info.map(|info| (info.codec.clone(), info.loss())))
    }

    /// Hangs up, waits for the answer, and switches off; says whether the call ended well.
    pub(crate) async fn hang_up(mut self) -> bool {
        let call = self.call;
        let _ = self.desk.with(move |gateway| gateway.hang_up(call)).await;
        let over = self.state.wait_for(|state| state.ended.is_some());
        let clean = matches!(timeout(PROMPT, over).await, Ok(Ok(state)) if state.ended.as_ref().is_some_and(CallEnd::is_clean));
        self.desk.close().await;
        clean
    }
}
