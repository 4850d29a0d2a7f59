//! What is heard in the room, in a file that can be played whenever the program ends: WAV, or Ogg Opus where its name
//! ends in `.opus`, `.ogg` or `.oga`.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use examples::chance::random;
use media_mix::ogg::OggOpusRecorder;
use media_mix::{CodecOptions, Rate, Recorder};
use signaling::engine::PcmReader;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// The longest recording: a day.
const MOST_SECONDS: u64 = 24 * 3600;
/// Bits a second of Opus: a room of voices at their full band.
const BIT_RATE: u32 = 32_000;

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

/// A file that is being written.
pub(crate) enum Tape {
    Wav(Recorder<BufWriter<File>>),
    Opus(Box<OggOpusRecorder<BufWriter<File>>>),
}

impl Tape {
    /// Writes what was heard; a full file stays as it is.
    fn record(&mut self, pcm: &[i16]) -> Result<(), String> {
        match self {
            Tape::Wav(file) => file.record(pcm).map(drop).map_err(|e| e.to_string()),
            Tape::Opus(file) => file.record(pcm).map(drop).map_err(|e| e.to_string()),
        }
    }

    /// Ends the file; returns the samples in it.
    fn finish(self) -> Result<u64, String> {
        match self {
            Tape::Wav(file) => {
                let frames = file.frames();
                file.finish().map_err(|e| e.to_string())?;
                Ok(frames)
            }
            Tape::Opus(file) => {
                let frames = file.frames();
                file.finish().map_err(|e| e.to_string())?;
                Ok(frames)
            }
        }
    }
}

/// Whether the name of a file asks for Ogg Opus.
fn is_opus(path: &Path) -> bool {
    path.extension().is_some_and(|ending| {
        ["opus", "ogg", "oga"]
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    })
}

/// Opens a file, so that a place that cannot be written is known before anyone comes.
///
/// # Errors
/// A line that names it and says why.
pub(crate) fn create(path: &Path) -> Result<Tape, String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    let file = BufWriter::new(File::create(path).map_err(|error| failed(&error))?);
    if is_opus(path) {
        let options = CodecOptions::new().with_bitrate(BIT_RATE);
        let serial = u32::from_ne_bytes(random());
        return OggOpusRecorder::new(file, serial, Rate::Khz48, 1, &options, MOST_SECONDS)
            .map(|file| Tape::Opus(Box::new(file)))
            .map_err(|error| failed(&error));
    }
    Recorder::new(file, Rate::Khz48, 1, MOST_SECONDS)
        .map(Tape::Wav)
        .map_err(|error| failed(&error))
}

impl Recording {
    /// Writes what `reader` gives into `file` at `path`.
    pub(crate) fn start(mut reader: PcmReader, mut file: Tape, path: &Path) -> Self {
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
                let failed = |error: String| format!("cannot write {}: {error}", name.display());
                file.record(&pcm).map_err(failed)?;
                if last {
                    return file.finish().map_err(failed);
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
