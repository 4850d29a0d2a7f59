//! Hooks that wait: bounded, in order for each address, delivered as the application awaits.

use super::client::{Hook, HookAnswer, HookClient, HookError};
use super::url::HookUrl;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Why a hook was not taken; it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueFull {
    /// As many hooks wait as may.
    #[error("{0} hooks wait already")]
    Total(usize),
    /// As many wait for this one address as may.
    #[error("{0} hooks wait for this address already")]
    Url(usize),
    /// Nobody delivers any more.
    #[error("the worker is gone")]
    Closed,
}

/// What became of a queued hook.
#[derive(Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// Where it was to go.
    pub url: HookUrl,
    /// The answer, or why there is none.
    pub result: Result<HookAnswer, HookError>,
}

/// Takes hooks and never waits. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HookQueue {
    jobs: mpsc::UnboundedSender<Job>,
    places: Arc<Places>,
}

/// Delivers what is queued: one address in order, several addresses at once.
pub struct HookWorker {
    client: HookClient,
    jobs: mpsc::UnboundedReceiver<Job>,
    closed: bool,
    waiting: HashMap<HookUrl, VecDeque<Job>>,
    /// Addresses with hooks that wait and none under way, in the order in which they came to be so.
    ready: VecDeque<HookUrl>,
    under_way: JoinSet<Delivery>,
}

/// A hook and its place in the bounds, which it gives back when it is dropped.
struct Job {
    hook: Hook,
    place: Place,
}

/// A queue and its worker.
pub fn queue(client: HookClient) -> (HookQueue, HookWorker) {
    let (tell, jobs) = mpsc::unbounded_channel();
    let places = Arc::new(Places {
        most: client.config().queue,
        most_per_url: client.config().queue_per_url,
        taken: Mutex::default(),
    });
    let worker = HookWorker {
        client,
        jobs,
        closed: false,
        waiting: HashMap::new(),
        ready: VecDeque::new(),
        under_way: JoinSet::new(),
    };
    (HookQueue { jobs: tell, places }, worker)
}

impl HookQueue {
    /// Puts a hook behind those for the same address.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn push(&self, hook: Hook) -> Result<(), QueueFull> {
        let place = Places::take(&self.places, &hook.url)?;
        let job = Job { hook, place };
        self.jobs.send(job).map_err(|_| QueueFull::Closed)
    }

    /// How many hooks wait or are under way.
    pub fn len(&self) -> usize {
        self.places.lock().total
    }

    /// Whether all are delivered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl HookWorker {
    /// Delivers until the next hook is done, and says what became of it; `None` when every [`HookQueue`] is dropped and
    /// nothing waits. Needs a runtime of tokio with time and I/O.
    ///
    /// Cancel safe: deliveries go on in the background, and are told by the next call. Dropping the worker ends them.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            self.start();
            if self.closed && self.under_way.is_empty() {
                return None;
            }
            tokio::select! {
                job = self.jobs.recv(), if !self.closed => match job {
                    Some(job) => self.wait_in_line(job),
                    None => self.closed = true,
                },
                Some(done) = self.under_way.join_next() => {
                    // A delivery neither panics nor is aborted while the worker lives.
                    let Ok(delivery) = done else { continue };
                    match self.waiting.get(&delivery.url).is_some_and(VecDeque::is_empty) {
                        true => drop(self.waiting.remove(&delivery.url)),
                        false => self.ready.push_back(delivery.url.clone()),
                    }
                    return Some(delivery);
                }
            }
        }
    }

    fn wait_in_line(&mut self, job: Job) {
        let url = job.hook.url.clone();
        match self.waiting.get_mut(&url) {
            Some(line) => line.push_back(job),
            None => {
                self.waiting.insert(url.clone(), VecDeque::from([job]));
                self.ready.push_back(url);
            }
        }
    }

    /// Begins as many deliveries as may be under way.
    fn start(&mut self) {
        while self.under_way.len() < self.client.config().concurrent.max(1)
            && let Some(url) = self.ready.pop_front()
        {
            let Some(job) = self.waiting.get_mut(&url).and_then(VecDeque::pop_front) else {
                continue;
            };
            let client = self.client.clone();
            let Job { hook, place } = job;
            self.under_way.spawn(async move {
                let result = client.call(&hook).await;
                drop(place);
                Delivery { url, result }
            });
        }
    }
}

impl fmt::Debug for HookWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookWorker")
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}

/// The bounds of a queue and what is taken of them.
#[derive(Debug)]
struct Places {
    most: usize,
    most_per_url: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_url: HashMap<HookUrl, usize>,
}

struct Place {
    places: Arc<Places>,
    url: HookUrl,
}

impl Places {
    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(places: &Arc<Self>, url: &HookUrl) -> Result<Place, QueueFull> {
        let mut taken = places.lock();
        if taken.total >= places.most {
            return Err(QueueFull::Total(places.most));
        }
        let of_url = taken.by_url.get(url).copied().unwrap_or_default();
        if of_url >= places.most_per_url {
            return Err(QueueFull::Url(places.most_per_url));
        }
        taken.total += 1;
        taken.by_url.insert(url.clone(), of_url + 1);
        Ok(Place {
            places: places.clone(),
            url: url.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.total -= 1;
        if let Some(of_url) = taken.by_url.get_mut(&self.url) {
            *of_url -= 1;
            if *of_url == 0 {
                taken.by_url.remove(&self.url);
            }
        }
    }
}
