//! A gateway on a task of its own: jobs go in, and each event is dealt with as it comes.

use std::time::Duration;

use signaling::net::{Event, Gateway};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What is to be done with the gateway, between two of its events.
type Job = Box<dyn FnOnce(&mut Gateway) + Send>;

/// How long a gateway may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(3);

/// A gateway that runs until it is closed.
pub(crate) struct Desk {
    /// `None` closes it.
    jobs: mpsc::UnboundedSender<Option<Job>>,
    task: JoinHandle<()>,
}

impl Desk {
    /// Drives `gateway`; `deal` is told everything that happens, and may answer it.
    pub(crate) fn start(
        mut gateway: Gateway,
        mut deal: impl FnMut(&mut Gateway, Event) + Send + 'static,
    ) -> Self {
        let (jobs, mut queue) = mpsc::unbounded_channel::<Option<Job>>();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    job = queue.recv() => match job {
                        Some(Some(job)) => job(&mut gateway),
                        Some(None) | None => break,
                    },
                    event = gateway.next_event() => deal(&mut gateway, event),
                }
            }
            gateway.shut_down(FAREWELL).await;
        });
        Self { jobs, task }
    }

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
        let gone = "the gateway is closed";
        self.jobs.send(Some(job)).map_err(|_| gone)?;
        answer.await.map_err(|_| gone.to_owned())
    }

    /// Ends what goes on (CANCEL or BYE), and closes the gateway.
    pub(crate) async fn close(self) {
        // Fails when it is closed already.
        let _ = self.jobs.send(None);
        // What does not close in time is dropped with its sockets.
        let _ = timeout(2 * FAREWELL, self.task).await;
    }
}
