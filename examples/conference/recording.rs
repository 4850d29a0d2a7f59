//! What is heard in the room, in a WAV file that can be played whenever the program ends.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use media_mix::{Rate, Recorder};
use signaling::engine::PcmReader;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// The longest recording: a day.
const MOST_SECONDS: u64 = 24 * 3600;

/// A recording that goes on until it is stopped.
pub(crate) struct Recording {
    path: PathBuf,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<u64, String>>,
}

/// What was recorded.
pub(crate) struct Recorded {
    pub(crate) path: PathBuf,
    pub(crate) seconds: f64,
}

/// Opens a file, so that a place that cannot be written is known before anyone comes.
///
/// # Errors
/// A line that names it and says why.
pub(crate) fn create(path: &Path) -> Result<Recorder<BufWriter<File>>, String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    let file = File::create(path).map_err(|error| failed(&error))?;
    Recorder::new(BufWriter::new(file), Rate::Khz48, 1, MOST_SECONDS)
        .map_err(|error| failed(&error))
}

impl Recording {
    /// Writes what `reader` gives into `file` at `path`.
    pub(crate) fn start(
        mut reader: PcmReader,
        mut file: Recorder<BufWriter<File>>,
        path: &Path,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let name = path.to_owned();
        let task = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(20));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut pcm = Vec::new();
            loop {
                ticks.tick().await;
                let last = *stopped.borrow();
                pcm.clear();
                reader.drain_into(&mut pcm);
                let failed = |error| format!("cannot write {}: {error}", name.display());
                // A full file stays as it is.
                let _ = file.record(&pcm).map_err(failed)?;
                if last {
                    let frames = file.frames();
                    file.finish().map_err(failed)?;
                    return Ok(frames);
                }
            }
        });
        Self {
            path: path.to_owned(),
            stop,
            task,
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// A line that names it and says why it is not whole.
    pub(crate) async fn stop(self) -> Result<Recorded, String> {
        let _ = self.stop.send(true);
        let frames = self.task.await.map_err(|error| error.to_string())??;
        Ok(Recorded {
            path: self.path,
            seconds: frames as f64 / f64::from(Rate::Khz48.hz()),
        })
    }
}
