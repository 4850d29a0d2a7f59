//! Recordings of the mix.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::time::Duration;

use media_mix::{Rate, Recorded, Recorder};
use serde_json::{Value, json};
use signaling::engine::{PcmReader, Voice};
use signaling::http::ApiError;
use signaling::net::SessionId;
use signaling::session::{Join, Origin, ParticipantId};
use token::Role;

use crate::desk::{Desk, Done, unix_ms};
use crate::rooms::refused;
use crate::rules::{LONGEST_ARCHIVE_S, MOST_ARCHIVES};

/// A recording.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    id: String,
    room: String,
    name: Option<String>,
    created_ms: u64,
    path: PathBuf,
    /// `started`, `stopped` (being finished), `available`, `failed`.
    status: &'static str,
    reason: Option<String>,
    place: (SessionId, ParticipantId),
    /// Samples at 48 kHz.
    frames: u64,
}

impl Archive {
    fn view(&self, project: &str, base: &str) -> Value {
        let (id, available) = (&self.id, self.status == "available");
        let url = available.then(|| format!("{base}/v2/project/{project}/archive/{id}/file"));
        json!({
            "id": self.id, "sessionId": self.room, "name": self.name, "createdAt": self.created_ms,
            "status": self.status, "reason": self.reason.as_deref().unwrap_or_default(),
            "duration": self.frames / 48_000, "size": 44 + 2 * self.frames,
            "partnerId": project, "hasAudio": true, "hasVideo": false, "outputMode": "composed",
            "streamMode": "auto", "url": url, "file": self.path.display().to_string(),
        })
    }
}

impl Desk {
    /// Begins to record a session.
    pub(crate) fn start_archive(&mut self, room: &str, name: Option<String>) -> Done<Value> {
        self.accept_new()?;
        let session = self.open_session(room)?;
        let going = |one: &Archive| one.room == room && one.status == "started";
        if self.archives.values().any(going) {
            return Err(ApiError::new(
                ::http::StatusCode::CONFLICT,
                "the session is recorded already",
            ));
        }
        let id = self.random.uuid();
        let path = self.rules.record.join(format!("{id}.wav"));
        let recorder = create(&path)
            .map_err(|why| ApiError::new(::http::StatusCode::INTERNAL_SERVER_ERROR, why))?;
        let join = Join::new(Role::Subscriber).origin(Origin::Recorder);
        let ear = self.join(room, session, join, Voice::silent())?;
        let reader = self
            .gateway
            .listen(session, ear, Rate::Khz48)
            .map_err(refused)?;
        let (desk, of) = (self.desk.clone(), id.clone());
        let writer = std::thread::spawn(move || {
            let written = write(reader, recorder);
            desk.tell(move |desk| desk.archive_written(&of, written));
        });
        self.writers.retain(|writer| !writer.is_finished());
        self.writers.push(writer);
        let archive = Archive {
            id: id.clone(),
            room: room.to_owned(),
            name,
            created_ms: unix_ms(),
            path,
            status: "started",
            reason: None,
            place: (session, ear),
            frames: 0,
        };
        self.archives.insert(id.clone(), archive);
        self.old_archives.push_back(id.clone());
        if self.old_archives.len() > MOST_ARCHIVES
            && let Some(oldest) = self.old_archives.pop_front()
        {
            self.archives.remove(&oldest);
        }
        self.tell_archive(&id);
        self.archive(&id)
    }

    /// Ends a recording; its file is whole a moment later.
    pub(crate) fn stop_archive(&mut self, id: &str) -> Done<Value> {
        let archive = self.archives.get_mut(id).ok_or_else(|| unknown(id))?;
        if archive.status != "started" {
            return Err(ApiError::new(
                ::http::StatusCode::CONFLICT,
                format!("the recording is {} already", archive.status),
            ));
        }
        archive.status = "stopped";
        let (session, ear) = archive.place;
        // Its tap ends with it, and the thread that writes with the tap.
        let _ = self.gateway.leave(session, ear);
        self.tell_archive(id);
        self.archive(id)
    }

    pub(crate) fn stop_archives_of(&mut self, room: &str) {
        let going = |one: &&Archive| one.room == room && one.status == "started";
        let going: Vec<_> = self
            .archives
            .values()
            .filter(going)
            .map(|one| one.id.clone())
            .collect();
        for id in going {
            let _ = self.stop_archive(&id);
        }
    }

    fn archive_written(&mut self, id: &str, written: Result<u64, String>) {
        if let Some(archive) = self.archives.get_mut(id) {
            match written {
                Ok(frames) => (archive.status, archive.frames) = ("available", frames),
                Err(why) => (archive.status, archive.reason) = ("failed", Some(why)),
            }
            self.tell_archive(id);
        }
    }

    /// One recording.
    pub(crate) fn archive(&self, id: &str) -> Done<Value> {
        let archive = self.archives.get(id).ok_or_else(|| unknown(id))?;
        Ok(self.view_of(archive))
    }

    /// The file of a recording that is whole.
    pub(crate) fn archive_file(&self, id: &str) -> Done<PathBuf> {
        let archive = self.archives.get(id).ok_or_else(|| unknown(id))?;
        match archive.status {
            "available" => Ok(archive.path.clone()),
            status => Err(ApiError::new(
                ::http::StatusCode::CONFLICT,
                format!("the recording is {status}, not available"),
            )),
        }
    }

    fn view_of(&self, archive: &Archive) -> Value {
        archive.view(self.project_of(&archive.room), &self.rules.base)
    }

    /// Every recording that is remembered, newest first.
    pub(crate) fn archives(&self) -> Vec<Value> {
        let ids = self.old_archives.iter().rev();
        let archives = ids.filter_map(|id| self.archives.get(id));
        archives.map(|one| self.view_of(one)).collect()
    }

    fn tell_archive(&self, id: &str) {
        if let Some(archive) = self.archives.get(id) {
            let body = json!({"archive": self.view_of(archive)});
            self.tell("archive", "status", &archive.room, body);
        }
    }
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no archive {id}"))
}

fn create(path: &std::path::Path) -> Result<Recorder<BufWriter<File>>, String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    let file = File::create(path).map_err(|error| failed(&error))?;
    Recorder::new(BufWriter::new(file), Rate::Khz48, 1, LONGEST_ARCHIVE_S)
        .map_err(|error| failed(&error))
}

/// Writes until the session gives no more; samples written. Files wait for discs: this has a thread of its own.
fn write(mut reader: PcmReader, mut recorder: Recorder<BufWriter<File>>) -> Result<u64, String> {
    let mut pcm = Vec::new();
    loop {
        let ended = reader.is_ended();
        pcm.clear();
        reader.drain_into(&mut pcm);
        match recorder.record(&pcm) {
            Ok(Recorded::Written) if !ended => std::thread::sleep(Duration::from_millis(100)),
            Ok(_) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    let frames = recorder.frames();
    recorder.finish().map_err(|error| error.to_string())?;
    Ok(frames)
}
