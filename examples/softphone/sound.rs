//! What a call says, and what is kept of what it hears.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use media_mix::wav::WavWriter;
use media_mix::{Clip, Rate};
use signaling::engine::{PcmReader, PcmWriter, Voice};

/// The rate at which sound is heard here: what G.722 and more have.
const RATE: Rate = Rate::Khz16;

/// A clip holds at most ten minutes at 48 kHz.
const MOST_SAMPLES: usize = 10 * 60 * 48_000;

/// What every call says and where it is kept.
pub(crate) struct Sounds {
    play: Option<Clip>,
    music: Option<Clip>,
    echo: bool,
    record: Option<PathBuf>,
}

/// The sound of one call.
pub(crate) struct Sound {
    ear: Option<PcmReader>,
    mouth: Option<PcmWriter>,
    file: Option<(WavWriter<BufWriter<File>>, PathBuf)>,
    /// Samples of the recording that may not be in the file yet.
    unflushed: usize,
    samples: Vec<i16>,
    record: Option<PathBuf>,
}

impl Sounds {
    /// Reads the clips, and sees whether the recording can be written.
    ///
    /// # Errors
    /// A line that names the file and says why not.
    pub(crate) fn new(
        play: Option<&Path>,
        music: Option<&Path>,
        echo: bool,
        record: Option<&Path>,
    ) -> Result<Self, String> {
        let clip = |path: &Path| {
            let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Clip::from_wav(file, MOST_SAMPLES)
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        if let Some(path) = record {
            File::options()
                .append(true)
                .create(true)
                .open(path)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(Self {
            play: play.map(clip).transpose()?,
            music: music.map(clip).transpose()?,
            echo,
            record: record.map(Path::to_owned),
        })
    }

    /// What somebody hears whom we hold; silence if nothing was said about it.
    pub(crate) fn on_hold(&self) -> Voice {
        let music = self.music.clone();
        music.map_or_else(Voice::silent, |clip| Voice::clip(clip, true))
    }

    /// The voice of one more call, and what is done with its sound.
    pub(crate) fn open(&self, number: u32) -> (Voice, Sound) {
        let (mut mouth, voice) = (None, Voice::silent());
        let voice = match &self.play {
            Some(clip) => Voice::clip(clip.clone(), true),
            None if self.echo => {
                let (writer, feed) = Voice::feed(RATE);
                mouth = Some(writer);
                feed
            }
            None => voice,
        };
        let record = self.record.as_ref().map(|path| match number {
            1 => path.clone(),
            // call.wav, call-2.wav, ...
            _ => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                path.with_file_name(format!("{stem}-{number}.wav"))
            }
        });
        let sound = Sound {
            ear: None,
            mouth,
            file: None,
            unflushed: 0,
            samples: Vec::new(),
            record,
        };
        (voice, sound)
    }
}

impl Sound {
    /// The rate at which it wants to hear, if it wants to.
    pub(crate) fn wants(&self) -> Option<Rate> {
        (self.ear.is_none() && (self.mouth.is_some() || self.record.is_some())).then_some(RATE)
    }

    /// Hears from now on.
    ///
    /// # Errors
    /// A line that names the file that cannot be written.
    pub(crate) fn hear(&mut self, ear: PcmReader) -> Result<(), String> {
        self.ear = Some(ear);
        let Some(path) = self.record.clone() else {
            return Ok(());
        };
        let wrong =
            |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
        let file = File::create(&path).map_err(|error| wrong(&error))?;
        let file = WavWriter::new(BufWriter::new(file), RATE, 1).map_err(|error| wrong(&error))?;
        self.file = Some((file, path));
        Ok(())
    }

    /// Passes on what was heard; once every tick or so.
    pub(crate) fn pump(&mut self) {
        let Some(ear) = &mut self.ear else { return };
        self.samples.clear();
        ear.drain_into(&mut self.samples);
        if let Some(mouth) = &mut self.mouth {
            mouth.write(&self.samples);
        }
        let Some((file, _)) = &mut self.file else {
            return;
        };
        let mut kept = file.write(&self.samples);
        self.unflushed += self.samples.len();
        if self.unflushed >= RATE.hz() as usize {
            // What was heard until a second ago is kept whatever becomes of the program.
            self.unflushed = 0;
            kept = kept.and_then(|()| file.flush());
        }
        if kept.is_err() {
            // The disk is full: the call goes on without.
            self.file = None;
        }
    }

    /// Closes the recording, and names it.
    pub(crate) fn finish(mut self) -> Option<PathBuf> {
        self.pump();
        let (file, path) = self.file?;
        file.finish().ok().map(|_| path)
    }
}
