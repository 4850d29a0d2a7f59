//! From a request to its row of the table, as a service.

use super::openapi;
use super::reply::{ApiError, Body, Reply};
use super::request::{Params, Request, decode};
use super::route::Route;
use ::http::header::{ALLOW, CONTENT_LENGTH};
use ::http::{HeaderValue, Method, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What a router is told once. Build it with [`RouterConfig::new`] and change what differs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouterConfig {
    /// What the description calls the interface.
    pub title: String,
    /// The interface's version, as the description says it.
    pub version: String,
    /// The longest body in bytes; default 64 KiB, several times what a request of this kind weighs. A longer one gets
    /// 413, unread.
    pub max_body: usize,
    /// The header in which [`Route::secured`] routes expect who asks; default `Authorization`.
    pub credentials: String,
}

impl RouterConfig {
    /// The defaults.
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            version: version.into(),
            max_body: 64 * 1024,
            credentials: "Authorization".to_owned(),
        }
    }
}

/// Why a table makes no router.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// A path's template cannot be read, or matches what another one does.
    #[error("the path {path:?} cannot be matched: {why}")]
    Path {
        /// The template.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two rows are the same.
    #[error("{method} {path} stands in the table twice")]
    Twice {
        /// The method of both.
        method: Method,
        /// The path of both.
        path: String,
    },
}

/// Answers HTTP requests by a table of [`Route`]s. Cheap to clone. See the [module](super).
#[derive(Clone)]
pub struct Router(Arc<Inner>);

struct Inner {
    config: RouterConfig,
    routes: Vec<Route>,
    /// From a path to the rows that have it.
    paths: matchit::Router<Vec<usize>>,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0.routes).finish()
    }
}

impl Router {
    /// A router over a table.
    ///
    /// # Errors
    /// When a path's template is malformed, in conflict with another's, or there twice with one method.
    pub fn new(config: RouterConfig, routes: Vec<Route>) -> Result<Self, RouteError> {
        let mut rows: Vec<(&str, Vec<usize>)> = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            match rows.iter_mut().find(|(path, _)| *path == route.path) {
                Some((path, same)) => {
                    if same.iter().any(|&row| routes[row].method == route.method) {
                        return Err(RouteError::Twice {
                            method: route.method.clone(),
                            path: (*path).to_owned(),
                        });
                    }
                    same.push(index);
                }
                None => rows.push((&route.path, vec![index])),
            }
        }
        let mut paths = matchit::Router::new();
        for (path, rows) in rows {
            paths.insert(path, rows).map_err(|error| RouteError::Path {
                path: path.to_owned(),
                why: error.to_string(),
            })?;
        }
        Ok(Self(Arc::new(Inner {
            config,
            routes,
            paths,
        })))
    }

    /// The table.
    pub fn routes(&self) -> &[Route] {
        &self.0.routes
    }

    /// The description of the table, OpenAPI 3.1 as JSON.
    pub fn openapi(&self) -> String {
        openapi::describe(&self.0.config, &self.0.routes)
    }

    /// The answer to a request, errors included.
    pub async fn answer<B>(&self, request: ::http::Request<B>) -> Reply
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let is_head = request.method() == Method::HEAD;
        let mut reply = match self.try_answer(request).await {
            Ok(reply) => reply,
            Err(error) => error.into_reply(),
        };
        if is_head {
            let length = reply.body().as_bytes().len();
            reply
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
            *reply.body_mut() = Body::empty();
        }
        reply
    }

    async fn try_answer<B>(&self, request: ::http::Request<B>) -> Result<Reply, ApiError>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let (route, params) = self.find(&parts.method, parts.uri.path())?;
        let body = self.read(body).await?;
        let work = (route.handler)(Request {
            parts,
            params,
            body,
        });
        work.await
    }

    /// The row for a path and a method, and the path's named parts.
    fn find(&self, method: &Method, path: &str) -> Result<(&Route, Params), ApiError> {
        let found = self.0.paths.at(path);
        let found =
            found.map_err(|_| ApiError::not_found(format!("there is nothing at {path}")))?;
        let rows = || found.value.iter().map(|&row| &self.0.routes[row]);
        let exact = rows().find(|route| route.method == *method);
        let head = || rows().find(|route| *method == Method::HEAD && route.method == Method::GET);
        let Some(route) = exact.or_else(head) else {
            let allowed: Vec<_> = rows().map(|route| route.method.as_str()).collect();
            let allowed = allowed.join(", ");
            let error = ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("{method} is not answered here, but {allowed}"),
            );
            return Err(match HeaderValue::from_str(&allowed) {
                Ok(allowed) => error.header(ALLOW, allowed),
                Err(_) => error,
            });
        };
        let mut params = Params::new();
        for (name, value) in found.params.iter() {
            params.push((name.to_owned(), decode(value)?));
        }
        Ok((route, params))
    }

    async fn read<B>(&self, body: B) -> Result<Bytes, ApiError>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let most = self.0.config.max_body;
        let too_long = || {
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a body of {most} bytes at most is read"),
            )
        };
        // Said beforehand, it need not be read at all.
        if body.size_hint().lower() > most as u64 {
            return Err(too_long());
        }
        match Box::pin(Limited::new(body, most).collect()).await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_long()),
            Err(error) => Err(ApiError::bad_request(format!(
                "the body broke off: {error}"
            ))),
        }
    }
}

impl<B> tower_service::Service<::http::Request<B>> for Router
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ::http::Request<B>) -> Self::Future {
        let router = self.clone();
        Box::pin(async move { Ok(router.answer(request).await) })
    }
}
