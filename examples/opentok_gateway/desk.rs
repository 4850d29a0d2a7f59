//! The desk: one task that owns the gateway, the sessions and everything known of them.
//!
//! Nobody else touches the gateway. A request comes as a job over a bounded queue and is done between two events; when
//! the queue is full, the answer is 503 at once rather than a longer wait.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use signaling::Random;
use signaling::http::ApiError;
use signaling::http::hooks::HookQueue;
use signaling::net::{Event, Gateway, SessionId};
use signaling::session::ParticipantId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, interval, sleep_until};

use crate::archive::Archive;
use crate::dials::Dials;
use crate::people::Person;
use crate::rooms::Room;
use crate::rules::Rules;
use crate::tell::Subscription;

/// What a request wants done.
type Job = Box<dyn FnOnce(&mut Desk) + Send>;

/// What comes of it.
pub(crate) type Done<R> = Result<R, ApiError>;

/// Requests that wait.
const QUEUE: usize = 256;

/// How often figures are kept for the operator.
const SAMPLE: Duration = Duration::from_secs(2);

/// How long the phones may take to answer the last BYE.
const FAREWELL: Duration = Duration::from_secs(4);

/// Everything that the gateway knows.
pub(crate) struct Desk {
    pub(crate) gateway: Gateway,
    pub(crate) rules: Rules,
    pub(crate) random: Random,
    pub(crate) rooms: HashMap<String, Room>,
    /// The rooms that somebody is in.
    pub(crate) open: HashMap<SessionId, String>,
    pub(crate) people: BTreeMap<(SessionId, ParticipantId), Person>,
    pub(crate) dials: Dials,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) hooks: HookQueue,
    pub(crate) archives: BTreeMap<String, Archive>,
    /// Those that may be forgotten, oldest first.
    pub(crate) old_archives: VecDeque<String>,
    /// Threads that write recordings.
    pub(crate) writers: Vec<std::thread::JoinHandle<()>>,
    pub(crate) desk: DeskHandle,
    pub(crate) started_ms: u64,
    pub(crate) draining: bool,
}

/// Reaches the desk from any task.
#[derive(Clone)]
pub(crate) struct DeskHandle(mpsc::Sender<Job>);

/// The desk's end of the queue.
pub(crate) struct Jobs(mpsc::Receiver<Job>);

/// A queue to a desk.
pub(crate) fn queue() -> (DeskHandle, Jobs) {
    let (tell, jobs) = mpsc::channel(QUEUE);
    (DeskHandle(tell), Jobs(jobs))
}

impl DeskHandle {
    /// Has something done.
    ///
    /// # Errors
    /// What the job says, or 503 when the queue is full or the desk closed.
    pub(crate) async fn with<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Desk) -> Done<R> + Send + 'static,
    ) -> Done<R> {
        let (tell, answer) = oneshot::channel();
        let job: Job = Box::new(move |desk| {
            // Who asked may have hung up.
            let _ = tell.send(job(desk));
        });
        self.0
            .try_send(job)
            .map_err(|_| ApiError::unavailable("too many requests wait; try again", 1))?;
        let answer = answer.await;
        answer.map_err(|_| ApiError::unavailable("the gateway is closed", 30))?
    }

    /// Tells the desk something from a thread of its own, when there is room.
    pub(crate) fn tell(&self, job: impl FnOnce(&mut Desk) + Send + 'static) {
        let _ = self.0.blocking_send(Box::new(job));
    }
}

/// Unix time in ms.
pub(crate) fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

impl Desk {
    pub(crate) fn new(gateway: Gateway, rules: Rules, hooks: HookQueue, desk: DeskHandle) -> Self {
        Self {
            gateway,
            rules,
            random: examples::chance::chance(),
            rooms: HashMap::new(),
            open: HashMap::new(),
            people: BTreeMap::new(),
            dials: Dials::default(),
            subscriptions: Vec::new(),
            hooks,
            archives: BTreeMap::new(),
            old_archives: VecDeque::new(),
            writers: Vec::new(),
            desk,
            started_ms: unix_ms(),
            draining: false,
        }
    }

    /// Serves until `stop` says so and the last call is over, or the time for that.
    pub(crate) async fn run(mut self, mut jobs: Jobs, mut stop: watch::Receiver<bool>) {
        let mut samples = interval(SAMPLE);
        // When calls are hung up, and when nobody waits for their ends any more.
        let mut deadline: Option<Instant> = None;
        let mut hung_up = false;
        loop {
            if self.draining && self.gateway.calls().next().is_none() {
                break;
            }
            let at = deadline.unwrap_or_else(Instant::now);
            tokio::select! {
                event = self.gateway.next_event() => self.handle(event),
                Some(job) = jobs.0.recv() => job(&mut self),
                _ = samples.tick() => self.sample(),
                _ = stop.wait_for(|stop| *stop), if !self.draining => {
                    self.draining = true;
                    deadline = Some(Instant::now() + self.rules.drain);
                }
                () = sleep_until(at), if deadline.is_some() => {
                    if hung_up {
                        break;
                    }
                    hung_up = true;
                    deadline = Some(Instant::now() + FAREWELL);
                    for call in self.gateway.calls().collect::<Vec<_>>() {
                        let _ = self.gateway.hang_up(call);
                    }
                }
            }
        }
        // Ends that are known and not told yet.
        while let Ok(event) =
            tokio::time::timeout(Duration::from_millis(50), self.gateway.next_event()).await
        {
            self.handle(event);
        }
        for room in self.open.values().cloned().collect::<Vec<_>>() {
            self.close_room(&room);
        }
        self.gateway.shut_down(FAREWELL).await;
        // Each ends with the sound that it writes; nobody takes what it has to tell.
        drop(jobs);
        let writers = std::mem::take(&mut self.writers);
        drop(self);
        let finished = tokio::task::spawn_blocking(move || {
            for writer in writers {
                let _ = writer.join();
            }
        });
        let _ = tokio::time::timeout(FAREWELL, finished).await;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Session { session, event } => self.session_changed(session, event),
            Event::Progress {
                call,
                status,
                reason,
            } => self.progressed(call, status, &reason),
            Event::Answered { call, setup } => self.answered(call, setup),
            Event::Key { call, digit, .. } => self.key_pressed(call, digit),
            Event::Ended { call, end, info } => self.ended(call, &end, &info),
            // Nothing comes in: the endpoint refuses it. Holds of phones need nothing from us.
            _ => {}
        }
    }

    /// Refuses what would begin something while we stop.
    pub(crate) fn accept_new(&self) -> Done<()> {
        if self.draining {
            let seconds = u32::try_from(self.rules.drain.as_secs()).unwrap_or(u32::MAX);
            return Err(ApiError::unavailable(
                "the gateway is about to stop",
                seconds.max(1),
            ));
        }
        Ok(())
    }
}
