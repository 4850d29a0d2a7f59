//! What a call leaves behind: two sounds and a capture, there as a whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use media_mix::Rate;
use media_mix::wav::WavWriter;
use signaling::capture::{Captured, Pcapng};

/// Where the files go.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The folder of the sounds.
    pub(crate) sounds: PathBuf,
    /// The capture.
    pub(crate) capture: PathBuf,
}

impl Places {
    /// As the arguments say; `--record` and `--pcap` only name other places.
    pub(crate) fn new(out: &Path, record: Option<&Path>, pcap: Option<&Path>) -> Self {
        Self {
            sounds: record.unwrap_or(out).to_owned(),
            capture: pcap.map_or_else(|| out.join("call.pcapng"), Path::to_owned),
        }
    }

    /// The same, in a folder below.
    pub(crate) fn below(&self, name: &str) -> Self {
        let parent = self.capture.parent().unwrap_or(Path::new(""));
        let file = self.capture.file_name().unwrap_or_default();
        Self {
            sounds: self.sounds.join(name),
            capture: parent.join(name).join(file),
        }
    }
}

/// Files that are being written. Dropped before [`Files::finish`], nothing of them stays, folders included.
pub(crate) struct Files {
    staged: Vec<Staged>,
    capture: Capture,
    /// Last, so that they go when what was in them is gone.
    _folders: Folders,
}

/// Folders that were made for a call, outermost first. Those that are empty in the end go again.
#[derive(Default)]
pub(crate) struct Folders(Vec<PathBuf>);

/// A file under a name of its own until it is whole.
struct Staged {
    part: PathBuf,
    whole: PathBuf,
}

/// A capture that any task may write to.
#[derive(Clone)]
pub(crate) struct Capture(Arc<Mutex<Open>>);

struct Open {
    file: Option<Pcapng<BufWriter<File>>>,
    /// The first thing that went wrong; what comes after it is not written.
    error: Option<String>,
}

/// A sound file, 16-bit PCM, mono.
pub(crate) struct Sound {
    file: Option<WavWriter<BufWriter<File>>>,
    path: PathBuf,
    error: Option<String>,
}

impl Files {
    /// Makes the folders and opens the capture, so that a place that cannot be written is known before anyone is called.
    ///
    /// # Errors
    /// A line that names the place and says why.
    pub(crate) fn create(places: &Places) -> Result<Self, String> {
        let folders = Folders::create(places)?;
        let capture = Capture(Arc::new(Mutex::new(Open {
            file: None,
            error: None,
        })));
        let mut files = Self {
            staged: Vec::new(),
            capture,
            _folders: folders,
        };
        // From here on, dropping takes everything away again.
        let file = stage(&places.capture, &mut files.staged)?;
        let file = Pcapng::new(BufWriter::new(file))
            .map_err(|error| cannot_write(&places.capture, error))?;
        files
            .capture
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .file = Some(file);
        Ok(files)
    }

    /// Opens a sound file of `name`.
    ///
    /// # Errors
    /// A line that names the file and says why.
    pub(crate) fn sound(
        &mut self,
        places: &Places,
        name: &str,
        rate: Rate,
    ) -> Result<Sound, String> {
        let path = places.sounds.join(name);
        let file = stage(&path, &mut self.staged)?;
        let file = WavWriter::new(BufWriter::new(file), rate, 1)
            .map_err(|error| cannot_write(&path, error))?;
        Ok(Sound {
            file: Some(file),
            path,
            error: None,
        })
    }

    /// The capture.
    pub(crate) fn capture(&self) -> Capture {
        self.capture.clone()
    }

    /// Closes everything and gives the files their names; returns these.
    ///
    /// # Errors
    /// A line that names the first file that could not be written.
    pub(crate) fn finish(mut self, sounds: Vec<Sound>) -> Result<Vec<PathBuf>, String> {
        sounds.into_iter().try_for_each(Sound::close)?;
        self.capture.close()?;
        let mut names = Vec::new();
        for staged in self.staged.drain(..) {
            fs::rename(&staged.part, &staged.whole)
                .map_err(|error| cannot_write(&staged.whole, error))?;
            names.push(staged.whole);
        }
        names.sort();
        Ok(names)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for staged in &self.staged {
            let _ = fs::remove_file(&staged.part);
        }
    }
}

impl Folders {
    /// Makes the folders of `places`, where they are not there.
    ///
    /// # Errors
    /// A line that names the folder and says why.
    pub(crate) fn create(places: &Places) -> Result<Self, String> {
        let mut made = Self::default();
        let parent = places.capture.parent().unwrap_or(Path::new(""));
        [places.sounds.as_path(), parent]
            .into_iter()
            .try_for_each(|folder| made.add(folder))?;
        Ok(made)
    }

    /// Makes a folder and all above it.
    fn add(&mut self, folder: &Path) -> Result<(), String> {
        let here = Path::new("");
        let missing: Vec<_> = folder
            .ancestors()
            .take_while(|folder| *folder != here && !folder.exists())
            .collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder).map_err(|error| cannot_write(folder, error))?;
            self.0.push(folder.to_owned());
        }
        Ok(())
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // Fails where there is something in it, which is then left alone.
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Capture {
    /// Adds a packet.
    pub(crate) fn write(&self, packet: &Captured<'_>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Open {
            file: Some(file),
            error: error @ None,
        } = &mut *open
            && let Err(reason) = file.write(packet)
        {
            *error = Some(reason.to_string());
        }
    }

    fn close(&self) -> Result<(), String> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = match open.file.take() {
            Some(file) => file.into_inner().map_err(|error| error.to_string()),
            None => return Ok(()),
        };
        closed.and_then(|mut writer| writer.flush().map_err(|error| error.to_string()))?;
        open.error.take().map_or(Ok(()), Err)
    }
}

impl Sound {
    /// Adds samples.
    pub(crate) fn write(&mut self, samples: &[i16]) {
        if let (Some(file), None) = (&mut self.file, &self.error)
            && let Err(error) = file.write(samples)
        {
            self.error = Some(cannot_write(&self.path, error));
        }
    }

    fn close(mut self) -> Result<(), String> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match self.file.take() {
            Some(file) => file
                .finish()
                .map(drop)
                .map_err(|error| cannot_write(&self.path, error)),
            None => Ok(()),
        }
    }
}

/// Opens a file beside the place where it will be.
fn stage(whole: &Path, staged: &mut Vec<Staged>) -> Result<File, String> {
    if whole.is_dir() {
        return Err(format!("cannot write {}: it is a folder", whole.display()));
    }
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    let part = whole.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let file = File::create(&part).map_err(|error| cannot_write(whole, error))?;
    staged.push(Staged {
        part,
        whole: whole.to_owned(),
    });
    Ok(file)
}

fn cannot_write(path: &Path, error: impl std::fmt::Display) -> String {
    format!("cannot write {}: {error}", path.display())
}
