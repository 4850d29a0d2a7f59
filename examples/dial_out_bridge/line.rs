//! A gateway on a task of its own: commands go in, what happened to its one call comes out.

use std::ops::Deref;
use std::time::Duration;

use signaling::CallId;
use signaling::call::{CallEnd, Side};
use signaling::net::{CallInfo, CapturedPacket, Event, Gateway};
use sip_core::{Message, StatusCode};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What is to be done with the gateway, between two of its events.
type Job = Box<dyn FnOnce(&mut Gateway) + Send>;

/// Who is shown each packet.
pub(crate) type Watcher = Box<dyn FnMut(&CapturedPacket) + Send>;

/// How long a gateway may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(3);

/// A gateway that runs until it is closed.
pub(crate) struct Line {
    handle: Handle,
    task: JoinHandle<()>,
}

/// Reaches a gateway from any task.
#[derive(Clone)]
pub(crate) struct Handle {
    /// `None` closes it.
    jobs: mpsc::UnboundedSender<Option<Job>>,
    log: watch::Receiver<Log>,
}

/// What has happened to the call so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// The call that came in, and its INVITE.
    pub(crate) incoming: Option<(CallId, Message)>,
    /// Whether the phone rings.
    pub(crate) ringing: bool,
    /// The time from the INVITE to the answer.
    pub(crate) answered: Option<Duration>,
    /// Keys that were reported, one character a report.
    pub(crate) keys: String,
    /// Times that we held the call and resumed it.
    pub(crate) held: u32,
    pub(crate) resumed: u32,
    /// A change that the other side refused.
    pub(crate) refused: Option<String>,
    /// Why the media engine could not do what the call needs.
    pub(crate) media_failed: Option<String>,
    /// How it ended, and its last figures.
    pub(crate) ended: Option<CallEnd>,
    pub(crate) last: Option<Box<CallInfo>>,
}

impl Line {
    /// Drives `gateway`; `watcher` sees every packet that it captures.
    pub(crate) fn start(gateway: Gateway, watcher: Option<Watcher>) -> Self {
        let (jobs, queue) = mpsc::unbounded_channel();
        let (tell, log) = watch::channel(Log::default());
        let task = tokio::spawn(drive(gateway, queue, tell, watcher));
        Self {
            handle: Handle { jobs, log },
            task,
        }
    }

    /// A way to reach it from another task.
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Ends what goes on (CANCEL or BYE), and closes the gateway.
    pub(crate) async fn close(self) {
        // Fails when it is closed already.
        let _ = self.handle.jobs.send(None);
        // What does not close in time is dropped with its sockets.
        let _ = timeout(2 * FAREWELL, self.task).await;
    }
}

impl Deref for Line {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Handle {
    /// Does something with the gateway.
    ///
    /// # Errors
    /// When the gateway is closed.
    pub(crate) async fn with<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Gateway) -> R + Send + 'static,
    ) -> Result<R, String> {
        let (tell, answer) = oneshot::channel();
        let job: Job = Box::new(move |gateway| {
            // Nobody may wait for the answer any more.
            let _ = tell.send(job(gateway));
        });
        self.jobs.send(Some(job)).map_err(|_| GONE)?;
        answer.await.map_err(|_| GONE.to_owned())
    }

    /// What has happened so far.
    pub(crate) fn log(&self) -> Log {
        self.log.borrow().clone()
    }

    /// Waits until `seen` holds, for `patience` at most; gives what has happened by then, and whether it holds.
    pub(crate) async fn until(
        &self,
        patience: Duration,
        mut seen: impl FnMut(&Log) -> bool,
    ) -> (Log, bool) {
        let mut log = self.log.clone();
        let held = matches!(
            timeout(patience, log.wait_for(|log| seen(log))).await,
            Ok(Ok(_))
        );
        (self.log(), held)
    }
}

/// How many keys are remembered.
const MOST_KEYS: usize = 64;

const GONE: &str = "the gateway is closed";

async fn drive(
    mut gateway: Gateway,
    mut jobs: mpsc::UnboundedReceiver<Option<Job>>,
    log: watch::Sender<Log>,
    mut watcher: Option<Watcher>,
) {
    loop {
        tokio::select! {
            job = jobs.recv() => match job {
                Some(Some(job)) => job(&mut gateway),
                Some(None) | None => break,
            },
            event = gateway.next_event() => match event {
                Event::Captured(packet) => {
                    if let Some(watcher) = &mut watcher {
                        watcher(&packet);
                    }
                }
                event => {
                    log.send_modify(|log| log.add(event));
                }
            },
        }
    }
    gateway.shut_down(FAREWELL).await;
}

impl Log {
    fn add(&mut self, event: Event) {
        match event {
            Event::Incoming { call, request, .. } => self.incoming = Some((call, request)),
            Event::Progress { status, .. } => self.ringing |= status == StatusCode::RINGING,
            Event::Answered { setup, .. } => self.answered = Some(setup),
            // Who presses keys all day is not remembered all day.
            Event::Key { digit, .. } if self.keys.len() < MOST_KEYS => self.keys.push(digit),
            Event::Held { by: Side::Us, .. } => self.held += 1,
            Event::Resumed { by: Side::Us, .. } => self.resumed += 1,
            Event::ChangeRefused { status, reason, .. } => {
                self.refused = Some(format!("{status} {reason}"))
            }
            Event::MediaFailed { error, .. } => self.media_failed = Some(error.to_string()),
            Event::Ended { end, info, .. } => {
                self.last = Some(info);
                self.ended = Some(end);
            }
            _ => {}
        }
    }
}
