//! Recordings as files over HTTP, piece by piece: six hours of sound do not fit into an answer that is made first.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use ::http::{HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use signaling::http::{ApiError, Reply, Request, Route, reply};
use tokio::sync::mpsc;

use crate::api::{Api, For, with};

/// What is read and sent at once, bytes.
const PIECE: usize = 64 * 1024;

/// Pieces that wait for a slow client.
const AHEAD: usize = 4;

/// A file that the server sends in place of an answer's body; handlers put it beside the answer.
#[derive(Debug, Clone)]
struct SendFile(PathBuf);

/// The route of an archive's file.
pub(crate) fn route(api: &Arc<Api>) -> Route {
    Route::get(
        "/v2/project/{key}/archive/{archive}/file",
        "Sends an archive's WAV file",
        with(api, For::Project, file),
    )
    .secured()
    .answers(StatusCode::OK, "The file, as audio/wav")
    .answers(
        StatusCode::FORBIDDEN,
        "The token is missing, wrong or expired",
    )
    .answers(StatusCode::NOT_FOUND, "There is no such archive")
    .answers(StatusCode::CONFLICT, "It is not finished, or failed")
    .answers(StatusCode::SERVICE_UNAVAILABLE, "Too many requests wait")
}

async fn file(api: Arc<Api>, request: Request) -> Result<Reply, ApiError> {
    let id = request.param("archive").to_owned();
    let path = api.desk.with(move |desk| desk.archive_file(&id)).await?;
    let mut reply = reply::empty(StatusCode::OK);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    reply.extensions_mut().insert(SendFile(path));
    Ok(reply)
}

/// An answer as it goes out.
pub(crate) async fn outgoing(method: &Method, mut reply: Reply) -> Response<Outgoing> {
    let Some(SendFile(path)) = reply.extensions_mut().remove() else {
        return reply.map(Outgoing::Whole);
    };
    let opened = tokio::task::spawn_blocking(move || -> io::Result<(File, u64)> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    });
    let Ok(Ok((file, length))) = opened.await else {
        let error = ApiError::new(StatusCode::NOT_FOUND, "the file is gone");
        return error.into_reply().map(Outgoing::Whole);
    };
    let (parts, _) = reply.into_parts();
    let mut reply = Response::from_parts(parts, Outgoing::Whole(Default::default()));
    reply
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(length));
    if *method != Method::HEAD {
        let (tell, pieces) = mpsc::channel(AHEAD);
        // Ends with the file, or with the client: nobody takes the pieces then.
        tokio::task::spawn_blocking(move || read(file, length, &tell));
        *reply.body_mut() = Outgoing::File {
            left: length,
            pieces,
        };
    }
    reply
}

/// Reads what the file held when it was opened.
fn read(file: File, length: u64, tell: &mpsc::Sender<io::Result<Bytes>>) {
    let mut file = file.take(length);
    loop {
        let mut piece = vec![0; PIECE];
        let read = match file.read(&mut piece) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) => {
                let _ = tell.blocking_send(Err(error));
                return;
            }
        };
        piece.truncate(read);
        if tell.blocking_send(Ok(piece.into())).is_err() {
            return;
        }
    }
}

/// A body that is there, or a file's.
pub(crate) enum Outgoing {
    Whole(reply::Body),
    File {
        /// Bytes that have not been handed on.
        left: u64,
        pieces: mpsc::Receiver<io::Result<Bytes>>,
    },
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Self::File { left, pieces } => pieces.poll_recv(context).map(|piece| {
                let piece = piece?;
                if let Ok(piece) = &piece {
                    *left = left.saturating_sub(piece.len() as u64);
                }
                Some(piece.map(Frame::data))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::File { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::File { left, .. } => SizeHint::with_exact(*left),
        }
    }
}
