//! HTTP both ways: a [`Router`] made from one table of routes, and [`hooks`], which tells others what happened
//! (feature `http`).
//!
//! The router is a `tower_service::Service` over `http` types and knows no server: hyper drives it as it is, and a web
//! framework nests it wherever it likes. What a route is called, what it takes and how it answers stands in one table,
//! from which both the matching and the OpenAPI description are made.
//!
//! ```
//! use bytes::Bytes;
//! use signaling::http::{ApiError, Request, Route, Router, RouterConfig, reply};
//! use ::http::StatusCode;
//!
//! async fn greet(request: Request) -> Result<signaling::http::Reply, ApiError> {
//!     match request.param("name") {
//!         "nobody" => Err(ApiError::new(StatusCode::NOT_FOUND, "nobody is not here")),
//!         name => Ok(reply::text(StatusCode::OK, format!("hello, {name}"))),
//!     }
//! }
//!
//! let routes = vec![
//!     Route::get("/people/{name}", "Greets somebody", greet)
//!         .answers(StatusCode::OK, "A greeting")
//!         .answers(StatusCode::NOT_FOUND, "Nobody of that name"),
//! ];
//! let router = Router::new(RouterConfig::new("Greeter", "1.0"), routes)?;
//! assert!(router.openapi().contains("Greets somebody"));
//! # Ok::<(), signaling::http::RouteError>(())
//! ```
//!
//! # What it leaves out
//!
//! Listening, TLS, time limits and who may ask: those are the server's and the handlers'. The router bounds what a
//! request may weigh and answers what no handler should see: an unknown path, another method, a body that is too long.

pub mod hooks;
mod openapi;
pub mod reply;
mod request;
mod route;
mod router;

pub use reply::{ApiError, Body, Reply};
pub use request::Request;
pub use route::{Answer, Field, Route};
pub use router::{RouteError, Router, RouterConfig};
