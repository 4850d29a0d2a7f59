//! One row of the table: how it is asked for, how it answers, and who answers.

use super::reply::{ApiError, Reply};
use super::request::Request;
use ::http::{Method, StatusCode};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What a handler works on.
pub(super) type Work = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send>>;

/// A handler.
pub(super) type Handler = Arc<dyn Fn(Request) -> Work + Send + Sync>;

/// A status that a route answers with, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// When it comes, and with what.
    pub meaning: String,
}

/// A parameter of the query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub meaning: String,
}

/// One row of a [`Router`](super::Router)'s table.
#[derive(Clone)]
pub struct Route {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) summary: String,
    pub(super) takes: Option<(String, String)>,
    pub(super) query: Vec<Field>,
    pub(super) secured: bool,
    pub(super) answers: Vec<Answer>,
    pub(super) handler: Handler,
}

impl Route {
    /// Answers `method` at a path by `handler`. A part `{name}` of the path matches one segment, a last part `{*name}`
    /// all that follow.
    pub fn new<H, F>(
        method: Method,
        path: impl Into<String>,
        summary: impl Into<String>,
        handler: H,
    ) -> Self
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, ApiError>> + Send + 'static,
    {
        Self {
            method,
            path: path.into(),
            summary: summary.into(),
            takes: None,
            query: Vec::new(),
            secured: false,
            answers: Vec::new(),
            handler: Arc::new(move |request| Box::pin(handler(request))),
        }
    }

    /// Answers GET, and HEAD with the same head and no body.
    pub fn get<H, F>(path: impl Into<String>, summary: impl Into<String>, handler: H) -> Self
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, ApiError>> + Send + 'static,
    {
        Self::new(Method::GET, path, summary, handler)
    }

    /// Answers POST.
    pub fn post<H, F>(path: impl Into<String>, summary: impl Into<String>, handler: H) -> Self
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, ApiError>> + Send + 'static,
    {
        Self::new(Method::POST, path, summary, handler)
    }

    /// Answers DELETE.
    pub fn delete<H, F>(path: impl Into<String>, summary: impl Into<String>, handler: H) -> Self
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, ApiError>> + Send + 'static,
    {
        Self::new(Method::DELETE, path, summary, handler)
    }

    /// Describes the body that it takes: its type of content, and an example of one.
    pub fn takes(mut self, content_type: impl Into<String>, example: impl Into<String>) -> Self {
        self.takes = Some((content_type.into(), example.into()));
        self
    }

    /// Describes a parameter of the query.
    pub fn query(mut self, name: impl Into<String>, meaning: impl Into<String>) -> Self {
        self.query.push(Field {
            name: name.into(),
            meaning: meaning.into(),
        });
        self
    }

    /// Says that only those may ask who prove who they are, in the header that
    /// [`RouterConfig::credentials`](super::RouterConfig::credentials) names. The handler checks it.
    pub fn secured(mut self) -> Self {
        self.secured = true;
        self
    }

    /// Describes a status that it answers with.
    pub fn answers(mut self, status: StatusCode, meaning: impl Into<String>) -> Self {
        self.answers.push(Answer {
            status,
            meaning: meaning.into(),
        });
        self
    }

    /// The method that it answers.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The template of its path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it is for.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The statuses that it answers with.
    pub fn statuses(&self) -> &[Answer] {
        &self.answers
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
