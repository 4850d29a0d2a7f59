//! The router through its public face: what it matches, what it refuses, and that its description is its table.
#![cfg(feature = "http")]
#![allow(missing_docs, clippy::unwrap_used)]

use bytes::Bytes;
use http::{Method, Request as HttpRequest, StatusCode};
use http_body_util::{Full, StreamBody};
use serde_json::Value;
use signaling::http::{ApiError, Reply, Request, Route, RouteError, Router, RouterConfig, reply};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;

async fn echo(request: Request) -> Result<Reply, ApiError> {
    let said = format!(
        "{} {}/{} {:?} {}",
        request.method(),
        request.param("room"),
        request.param("who"),
        request.query("wait"),
        request.body().len(),
    );
    Ok(reply::text(StatusCode::OK, said))
}

async fn gone(_: Request) -> Result<Reply, ApiError> {
    Err(ApiError::not_found("gone"))
}

fn router() -> Router {
    let mut config = RouterConfig::new("Test", "1.2");
    config.max_body = 10;
    config.credentials = "X-Key".to_owned();
    let routes = vec![
        Route::get("/rooms", "Lists", echo).answers(StatusCode::OK, "All"),
        Route::post("/rooms", "Opens", echo)
            .takes("application/json", r#"{"name": "a"}"#)
            .answers(StatusCode::OK, "Opened")
            .answers(StatusCode::BAD_REQUEST, "No name")
            .answers(StatusCode::BAD_REQUEST, "no JSON"),
        Route::get("/rooms/{room}/people/{who}", "Shows", echo)
            .query("wait", "How long")
            .answers(StatusCode::OK, "One"),
        Route::delete("/rooms/{room}/people/{who}", "Kicks", gone)
            .secured()
            .answers(StatusCode::NOT_FOUND, "Gone"),
        Route::get("/files/{*path}", "Reads", echo).answers(StatusCode::OK, "A file"),
    ];
    Router::new(config, routes).unwrap()
}

/// Asks as a server would: through the service.
async fn ask(method: Method, target: &str, body: impl Into<Bytes>) -> Reply {
    let request = HttpRequest::builder().method(method).uri(target);
    let request = request.body(Full::new(body.into())).unwrap();
    let Ok(reply) = router().call(request).await;
    reply
}

fn said(reply: &Reply) -> &str {
    std::str::from_utf8(reply.body().as_bytes()).unwrap()
}

#[track_caller]
fn failed(reply: &Reply, status: u16, part: &str) {
    assert_eq!(reply.status(), status, "{reply:?}");
    assert_eq!(reply.headers()["content-type"], "application/json");
    let body: Value = serde_json::from_slice(reply.body().as_bytes()).unwrap();
    assert_eq!(body["code"], status);
    assert!(body["message"].as_str().unwrap().contains(part), "{body}");
}

#[tokio::test]
async fn a_path_and_a_method_find_their_row() {
    let reply = ask(Method::GET, "/rooms/a%2Fb/people/%C3%A9?x=1&wait=a+b", "").await;
    assert_eq!(said(&reply), "GET a/b/é Some(\"a b\") 0");
    assert_eq!(
        said(&ask(Method::POST, "/rooms", "12345").await),
        "POST / None 5"
    );
    let reply = ask(Method::DELETE, "/rooms/a/people/b", "").await;
    failed(&reply, 404, "gone");
    let reply = ask(Method::HEAD, "/rooms", "").await;
    assert_eq!(
        (said(&reply), &reply.headers()["content-length"]),
        ("", &"13".parse().unwrap())
    );
}

#[tokio::test]
async fn what_no_handler_should_see() {
    failed(&ask(Method::GET, "/nothing", "").await, 404, "/nothing");
    failed(&ask(Method::GET, "/rooms/", "").await, 404, "/rooms/");
    let reply = ask(Method::PATCH, "/rooms", "").await;
    failed(&reply, 405, "PATCH");
    assert_eq!(reply.headers()["allow"], "GET, POST");
    failed(
        &ask(Method::GET, "/rooms/%ff/people/x", "").await,
        400,
        "UTF-8",
    );
    failed(
        &ask(Method::POST, "/rooms", "12345678901").await,
        413,
        "10 bytes",
    );
    assert_eq!(
        ask(Method::POST, "/rooms", "1234567890").await.status(),
        200
    );
}

/// A body that never says how long it will be, and never ends.
struct Endless(usize);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0 += 1;
        assert!(self.0 < 10, "it is read on and on");
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(
            b"xxxx",
        )))))
    }
}

#[tokio::test]
async fn a_body_without_end_is_not_read_to_the_end() {
    let request = HttpRequest::post("/rooms").body(Endless(0)).unwrap();
    failed(&router().answer(request).await, 413, "10 bytes");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_fault() {
    struct Broken;
    impl http_body::Body for Broken {
        type Data = Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
            Poll::Ready(Some(Err(std::io::Error::other("cable cut"))))
        }
    }
    let request = HttpRequest::post("/rooms").body(Broken).unwrap();
    failed(&router().answer(request).await, 400, "cable cut");
}

/// The description is made from the table: each row is in it, nothing else is, and each leads to a handler.
#[tokio::test]
async fn the_description_is_the_table() {
    let router = router();
    let described: Value = serde_json::from_str(&router.openapi()).unwrap();
    assert_eq!(described["info"]["version"], "1.2");
    let mut rows = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            rows += 1;
            let route = router.routes().iter().find(|route| {
                route.path().replace("{*", "{") == *path
                    && route.method().as_str().eq_ignore_ascii_case(method)
            });
            let route = route.unwrap_or_else(|| panic!("{method} {path} is not in the table"));
            assert_eq!(operation["summary"], route.summary());
            let named = path.matches('{').count();
            let parameters = operation["parameters"].as_array().unwrap();
            let in_path = parameters.iter().filter(|p| p["in"] == "path").count();
            assert_eq!(in_path, named, "{path}");
            for answer in route.statuses() {
                let response = &operation["responses"][answer.status.as_str()];
                let meaning = response["description"].as_str().unwrap();
                assert!(meaning.contains(&answer.meaning), "{response}");
            }
            let target = path.replace(['{', '}'], "");
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
            let status = ask(method.clone(), &target, "")
                .await
                .status()
                .as_str()
                .to_owned();
            assert!(
                operation["responses"].get(&status).is_some(),
                "{method} {path} answers {status}"
            );
        }
    }
    assert_eq!(rows, router.routes().len());
    let post = &described["paths"]["/rooms"]["post"];
    assert_eq!(
        post["requestBody"]["content"]["application/json"]["example"]["name"],
        "a"
    );
    assert_eq!(post["responses"]["400"]["description"], "No name; no JSON");
    let kick = &described["paths"]["/rooms/{room}/people/{who}"]["delete"];
    assert_eq!(kick["security"][0]["credentials"], serde_json::json!([]));
    assert_eq!(
        described["components"]["securitySchemes"]["credentials"]["name"],
        "X-Key"
    );
}

#[test]
fn tables_that_make_no_router() {
    let of = |rows: Vec<Route>| Router::new(RouterConfig::new("Test", "1"), rows).map(drop);
    let twice = vec![Route::get("/a", "", echo), Route::get("/a", "", gone)];
    assert!(matches!(of(twice), Err(RouteError::Twice { .. })));
    let conflict = vec![Route::get("/{a}", "", echo), Route::post("/{b}", "", gone)];
    assert!(matches!(of(conflict), Err(RouteError::Path { .. })));
    let malformed = vec![Route::get("/{a", "", echo)];
    assert!(matches!(of(malformed), Err(RouteError::Path { .. })));
}

#[test]
fn it_can_cross_threads() {
    fn send<T: Send + Sync + Clone + 'static>(_: T) {}
    send(router());
    fn future<T: Send>(_: &T) {}
    let streamed = StreamBody::new(futures_util::stream::empty::<
        Result<http_body::Frame<Bytes>, Infallible>,
    >());
    let router = router();
    future(&router.answer(HttpRequest::new(streamed)));
}
