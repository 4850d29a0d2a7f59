//! The REST interface: one table of routes, and what each does.

use std::sync::Arc;
use std::time::Duration;

use ::http::{Method, StatusCode};
use examples::opentok::{
    ArchiveOrder, CallbackOrder, DialOrder, MuteOrder, SessionOrder, SignalOrder, keys,
};
use serde::Serialize;
use serde_json::json;
use signaling::http::{ApiError, Reply, Request, Route, RouteError, Router, RouterConfig, reply};
use signaling::metrics;
use signaling::session::Action;

use crate::access::Access;
use crate::desk::DeskHandle;
use crate::dials::{DialView, Stage};
use crate::download;
use crate::operator;

/// The longest that a dial waits for a phone.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What the handlers share.
pub(crate) struct Api {
    pub(crate) desk: DeskHandle,
    pub(crate) access: Access,
    pub(crate) operator: token::ApiKeyHash,
}

type Shared = Arc<Api>;
type Answer = Result<Reply, ApiError>;

/// Who may use a route.
#[derive(Clone, Copy)]
pub(crate) enum For {
    Everybody,
    Project,
    /// The project, and those in the session whose role allows this.
    Role(Action),
}

fn json_of(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value);
    let text = text.map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    Ok(reply::json(status, text))
}

fn ok(value: &impl Serialize) -> Answer {
    json_of(StatusCode::OK, value)
}

/// Adds what the handler shares, and the check of who asks.
pub(crate) fn with<F, W>(
    api: &Shared,
    whom: For,
    handler: F,
) -> impl Fn(Request) -> std::pin::Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync + 'static
where
    F: Fn(Shared, Request) -> W + Send + Sync + 'static,
    W: Future<Output = Answer> + Send + 'static,
{
    let api = api.clone();
    move |request| {
        let admitted = match whom {
            For::Everybody => Ok(()),
            For::Project => api.access.project(&request).map(drop),
            For::Role(action) => api.access.moderator(&request, action),
        };
        match admitted {
            Ok(()) => Box::pin(handler(api.clone(), request)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

/// The interface.
///
/// # Errors
/// Never with the table below.
pub(crate) fn router(api: Api) -> Result<Router, RouteError> {
    let api = Arc::new(api);
    let mut config = RouterConfig::new(
        "Patchcord: a gateway for the OpenTok dial API",
        env!("CARGO_PKG_VERSION"),
    );
    "X-OPENTOK-AUTH".clone_into(&mut config.credentials);
    let mut routes = table(&api);
    // The description describes itself as well.
    let described = |text: String| {
        Route::get("/openapi.json", "This description", move |_| {
            let text = text.clone();
            async move { Ok(reply::json(StatusCode::OK, text)) }
        })
        .answers(StatusCode::OK, "OpenAPI 3.1")
    };
    routes.push(described(String::new()));
    let text = Router::new(config.clone(), routes.clone())?.openapi();
    routes.pop();
    routes.push(described(text));
    Router::new(config, routes)
}

/// Every route.
fn table(api: &Shared) -> Vec<Route> {
    const JSON: &str = "application/json";
    let project = "/v2/project/{key}";
    let session = "/v2/project/{key}/session/{session}";
    let route = |method: Method, path: String, summary: &str| Row {
        api,
        method,
        path,
        summary: summary.to_owned(),
        whom: For::Project,
    };
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let no_content = StatusCode::NO_CONTENT;
    let mut routes = vec![
        route(post.clone(), "/session/create".into(), "Makes a session")
            .to(create_session)
            .takes("application/x-www-form-urlencoded", "p2p.preference=disabled&archiveMode=manual")
            .answers(StatusCode::OK, "An array of one object with session_id")
            .answers(StatusCode::BAD_REQUEST, "A field has a value that it cannot have"),
        route(post.clone(), format!("{project}/dial"), "Dials a phone into a session")
            .to(dial)
            .takes(JSON, r#"{"sessionId": "1_…", "token": "…", "sip": {"uri": "sip:user@host;transport=tcp", "from": "15550100@example.com", "headers": {"X-Room": "42"}, "auth": {"username": "u", "password": "p"}, "secure": false}}"#)
            .query("wait", "created (default), early or answered: how far the call must be before the answer comes, 60 s at most")
            .answers(StatusCode::OK, "The dial: id, connectionId, streamId, status")
            .answers(StatusCode::BAD_REQUEST, "The body, the session id, the URI, the caller or a header cannot be used")
            .answers(StatusCode::FORBIDDEN, "the connect token does not allow it")
            .answers(StatusCode::NOT_FOUND, "There is no such session")
            .answers(StatusCode::CONFLICT, "The session is not routed, or full")
            .answers(StatusCode::BAD_GATEWAY, "The phone was waited for and the call failed; the message says why"),
        route(get.clone(), format!("{project}/dial"), "Lists the dials that are remembered, newest first")
            .to(dials)
            .answers(StatusCode::OK, "count and items"),
        route(get.clone(), format!("{project}/dial/{{dial}}"), "Shows how far a dial is, and how it ended")
            .to(show_dial)
            .answers(StatusCode::OK, "The dial: status created, ringing, early, answered or ended; sip and reason")
            .answers(StatusCode::NOT_FOUND, "There is no such dial"),
    ];
    for (path, whom) in [
        ("", "every phone of a session"),
        ("/connection/{connection}", "one phone"),
    ] {
        routes.push(
            route(
                post.clone(),
                format!("{session}{path}/play-dtmf"),
                &format!("Presses keys on {whom}"),
            )
            .to(play_dtmf)
            .takes(JSON, r##"{"digits": "12p#"}"##)
            .answers(StatusCode::OK, "They are being pressed")
            .answers(StatusCode::BAD_REQUEST, "A character is no key")
            .answers(
                StatusCode::NOT_FOUND,
                "There is no such session, connection or phone",
            )
            .answers(
                StatusCode::CONFLICT,
                "The phone has not answered, or takes no keys",
            ),
        );
        let whom = if path.is_empty() { "everybody" } else { "one" };
        routes.push(
            route(
                post.clone(),
                format!("{session}{path}/signal"),
                &format!("Says something to {whom} in a session"),
            )
            .to(signal)
            .takes(JSON, r#"{"type": "chat", "data": "hello"}"#)
            .answers(no_content, "Said")
            .answers(StatusCode::BAD_REQUEST, "It is no JSON, or too long")
            .answers(
                StatusCode::NOT_FOUND,
                "There is no such session or connection",
            ),
        );
    }
    routes.extend([
        route(
            delete.clone(),
            format!("{session}/connection/{{connection}}"),
            "Sends somebody away; a phone is hung up. A moderator's connect token opens it as well",
        )
        .or_who_may(Action::ForceDisconnect)
        .to(disconnect)
        .answers(no_content, "Gone")
        .answers(StatusCode::BAD_REQUEST, "The session id is none")
        .answers(
            StatusCode::NOT_FOUND,
            "There is no such session or connection",
        ),
        route(
            get.clone(),
            format!("{session}/stream"),
            "Lists the voices of a session",
        )
        .to(streams)
        .answers(StatusCode::OK, "count and items")
        .answers(StatusCode::BAD_REQUEST, "The session id is none")
        .answers(StatusCode::NOT_FOUND, "There is no such session"),
        route(
            get.clone(),
            format!("{session}/stream/{{stream}}"),
            "Shows one voice",
        )
        .to(one_stream)
        .answers(StatusCode::OK, "id, videoType, name, layoutClassList")
        .answers(StatusCode::BAD_REQUEST, "The session id is none")
        .answers(StatusCode::NOT_FOUND, "There is no such session or stream"),
        route(
            post.clone(),
            format!("{session}/stream/{{stream}}/mute"),
            "Mutes one voice. A moderator's connect token opens it as well",
        )
        .or_who_may(Action::ForceMute)
        .to(mute_stream)
        .answers(StatusCode::OK, "Muted")
        .answers(StatusCode::BAD_REQUEST, "The session id is none")
        .answers(StatusCode::NOT_FOUND, "There is no such session or stream"),
        route(
            post.clone(),
            format!("{session}/mute"),
            "Mutes a session but for some, newcomers included; or lifts every mute. A moderator's connect token opens it \
             as well",
        )
        .or_who_may(Action::ForceMute)
        .to(mute_all)
        .takes(JSON, r#"{"active": true, "excludedStreams": []}"#)
        .answers(StatusCode::OK, "Done")
        .answers(StatusCode::BAD_REQUEST, "It is no JSON")
        .answers(StatusCode::NOT_FOUND, "There is no such session or stream"),
        route(
            post.clone(),
            format!("{project}/callback"),
            "Asks to be told of an event",
        )
        .to(subscribe)
        .takes(
            JSON,
            r#"{"group": "call", "event": "status", "url": "http://127.0.0.1:8080/told"}"#,
        )
        .answers(StatusCode::OK, "id, group, event, url, createdAt")
        .answers(
            StatusCode::BAD_REQUEST,
            "There is no such event, or the URL is none",
        )
        .answers(StatusCode::CONFLICT, "There are too many"),
        route(
            get.clone(),
            format!("{project}/callback"),
            "Lists the callbacks",
        )
        .to(subscriptions)
        .answers(StatusCode::OK, "An array"),
        route(
            delete.clone(),
            format!("{project}/callback/{{callback}}"),
            "Takes a callback back",
        )
        .to(unsubscribe)
        .answers(no_content, "Gone")
        .answers(StatusCode::NOT_FOUND, "There is no such callback"),
        route(
            post.clone(),
            format!("{project}/archive"),
            "Records the mix of a session as a WAV file",
        )
        .to(start_archive)
        .takes(JSON, r#"{"sessionId": "1_…", "name": "standup"}"#)
        .answers(StatusCode::OK, "The archive, started")
        .answers(StatusCode::BAD_REQUEST, "It asks for what is not recorded")
        .answers(
            StatusCode::NOT_FOUND,
            "There is no such session, or nobody in it",
        )
        .answers(StatusCode::CONFLICT, "The session is recorded already")
        .answers(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The file cannot be written",
        ),
        route(
            post,
            format!("{project}/archive/{{archive}}/stop"),
            "Ends a recording",
        )
        .to(stop_archive)
        .answers(StatusCode::OK, "The archive, stopped")
        .answers(StatusCode::NOT_FOUND, "There is no such archive")
        .answers(StatusCode::CONFLICT, "It is over already"),
        route(
            get.clone(),
            format!("{project}/archive"),
            "Lists the archives, newest first",
        )
        .to(archives)
        .answers(StatusCode::OK, "count and items"),
        route(
            get,
            format!("{project}/archive/{{archive}}"),
            "Shows an archive",
        )
        .to(one_archive)
        .answers(StatusCode::OK, "The archive")
        .answers(StatusCode::NOT_FOUND, "There is no such archive"),
        download::route(api),
    ]);
    routes.extend(operator::routes(api));
    routes.push(
        Route::get(
            "/metrics",
            "Figures for Prometheus",
            with(api, For::Everybody, figures),
        )
        .answers(StatusCode::OK, "Text")
        .answers(StatusCode::SERVICE_UNAVAILABLE, "Too many requests wait"),
    );
    routes.push(
        Route::get(
            "/health",
            "Whether calls are taken",
            with(api, For::Everybody, health),
        )
        .answers(StatusCode::OK, "They are")
        .answers(
            StatusCode::SERVICE_UNAVAILABLE,
            "The gateway is about to stop, or overloaded",
        ),
    );
    routes
}

/// A row before it has a handler; those of a project all ask who it is.
struct Row<'a> {
    api: &'a Shared,
    method: Method,
    path: String,
    summary: String,
    whom: For,
}

impl Row<'_> {
    /// Lets those in the session ask as well whose role allows this.
    fn or_who_may(mut self, action: Action) -> Self {
        self.whom = For::Role(action);
        self
    }

    fn to<F, W>(self, handler: F) -> Route
    where
        F: Fn(Shared, Request) -> W + Send + Sync + 'static,
        W: Future<Output = Answer> + Send + 'static,
    {
        Route::new(
            self.method,
            self.path,
            self.summary,
            with(self.api, self.whom, handler),
        )
        .secured()
        .answers(
            StatusCode::FORBIDDEN,
            "X-OPENTOK-AUTH, or Authorization with a Bearer token, is missing, wrong or expired",
        )
        .answers(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many requests wait, or the gateway is about to stop: see Retry-After",
        )
    }
}

async fn create_session(api: Shared, request: Request) -> Answer {
    let order = SessionOrder::parse(request.body()).map_err(ApiError::bad_request)?;
    let project = api.access.project(&request)?.to_owned();
    let of = project.clone();
    let (ms, name) = api
        .desk
        .with(move |desk| Ok((crate::desk::unix_ms(), desk.create_session(&order, &of)?)))
        .await?;
    ok(&json!([{
        "session_id": name, "project_id": project, "partner_id": project, "create_dt": ms,
        "media_server_url": "",
    }]))
}

async fn dial(api: Shared, request: Request) -> Answer {
    let order = DialOrder::parse(request.body()).map_err(ApiError::bad_request)?;
    let wanted = match request.query("wait").as_deref() {
        None | Some("created") => Stage::Created,
        Some("early") => Stage::Ringing,
        Some("answered") => Stage::Answered,
        Some(other) => {
            let why = format!("wait cannot be {other:?}: use created, early or answered");
            return Err(ApiError::bad_request(why));
        }
    };
    // A session that is not there is told before a token that cannot be right then.
    let name = order.session_id.clone();
    api.desk
        .with(move |desk| desk.room(&name).map(drop))
        .await?;
    let data = api.access.may_dial(&order.token, &order.session_id)?;
    let mut dial = api.desk.with(move |desk| desk.dial(order, data)).await?;
    // The sender goes with the last who remembers the dial, long after this.
    let reached =
        tokio::time::timeout(LONGEST_WAIT, dial.wait_for(|dial| dial.status >= wanted)).await;
    drop(reached);
    let view: DialView = dial.borrow().clone();
    let failed = view.status == Stage::Ended && view.setup_ms.is_none() && wanted > Stage::Created;
    if failed {
        let why = view.reason.unwrap_or_default();
        return Err(ApiError::new(StatusCode::BAD_GATEWAY, why));
    }
    ok(&view)
}

async fn dials(api: Shared, _: Request) -> Answer {
    let mut items = api
        .desk
        .with(|desk| {
            let all = desk.dials.by_id.values();
            Ok(all
                .map(|dial| dial.view.borrow().clone())
                .collect::<Vec<_>>())
        })
        .await?;
    items.sort_by_key(|dial| std::cmp::Reverse(dial.created_at));
    ok(&json!({"count": items.len(), "items": items}))
}

async fn show_dial(api: Shared, request: Request) -> Answer {
    let id = request.param("dial").to_owned();
    ok(&api.desk.with(move |desk| desk.dial_view(&id)).await?)
}

async fn play_dtmf(api: Shared, request: Request) -> Answer {
    let digits = keys(request.body()).map_err(ApiError::bad_request)?;
    let (room, connection) = place(&request);
    api.desk
        .with(move |desk| match connection {
            Some(connection) => desk.press_on(&room, &connection, &digits),
            None => desk.press_on_all(&room, &digits),
        })
        .await?;
    ok(&json!({}))
}

async fn signal(api: Shared, request: Request) -> Answer {
    let order = SignalOrder::parse(request.body()).map_err(ApiError::bad_request)?;
    let (room, connection) = place(&request);
    api.desk
        .with(move |desk| desk.signal(&room, connection.as_deref(), &order))
        .await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

async fn disconnect(api: Shared, request: Request) -> Answer {
    let (room, connection) = place(&request);
    let connection = connection.unwrap_or_default();
    api.desk
        .with(move |desk| desk.disconnect(&room, &connection))
        .await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

async fn streams(api: Shared, request: Request) -> Answer {
    let (room, _) = place(&request);
    let items = api.desk.with(move |desk| desk.streams(&room)).await?;
    ok(&json!({"count": items.len(), "items": items}))
}

async fn one_stream(api: Shared, request: Request) -> Answer {
    let ((room, _), stream) = (place(&request), request.param("stream").to_owned());
    let view = api
        .desk
        .with(move |desk| desk.one_stream(&room, &stream))
        .await?;
    let text = serde_json::to_vec(&view).unwrap_or_default();
    // The Node SDK parses this one answer a second time when it is called application/json; the Python SDK does not
    // look at what it is called.
    Ok(reply::content(
        StatusCode::OK,
        "application/vnd.patchcord.stream+json",
        text,
    ))
}

async fn mute_stream(api: Shared, request: Request) -> Answer {
    let ((room, _), stream) = (place(&request), request.param("stream").to_owned());
    let view =
        json!({"id": request.param("key"), "sessionId": room, "streamId": stream, "muted": true});
    api.desk
        .with(move |desk| desk.mute_stream(&room, &stream))
        .await?;
    ok(&view)
}

async fn mute_all(api: Shared, request: Request) -> Answer {
    let order = MuteOrder::parse(request.body()).map_err(ApiError::bad_request)?;
    let (room, _) = place(&request);
    let view = json!({"id": request.param("key"), "sessionId": room, "muted": order.active});
    api.desk
        .with(move |desk| desk.mute_all(&room, &order))
        .await?;
    ok(&view)
}

async fn subscribe(api: Shared, request: Request) -> Answer {
    let order = CallbackOrder::parse(request.body()).map_err(ApiError::bad_request)?;
    ok(&api.desk.with(move |desk| desk.subscribe(order)).await?)
}

async fn subscriptions(api: Shared, _: Request) -> Answer {
    let all = api.desk.with(|desk| {
        Ok(desk
            .subscriptions
            .iter()
            .map(|one| one.view())
            .collect::<Vec<_>>())
    });
    ok(&all.await?)
}

async fn unsubscribe(api: Shared, request: Request) -> Answer {
    let id = request.param("callback").to_owned();
    api.desk.with(move |desk| desk.unsubscribe(&id)).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

async fn start_archive(api: Shared, request: Request) -> Answer {
    let order = ArchiveOrder::parse(request.body()).map_err(ApiError::bad_request)?;
    ok(&api
        .desk
        .with(move |desk| desk.start_archive(&order.session_id, order.name))
        .await?)
}

async fn stop_archive(api: Shared, request: Request) -> Answer {
    let id = request.param("archive").to_owned();
    ok(&api.desk.with(move |desk| desk.stop_archive(&id)).await?)
}

async fn archives(api: Shared, _: Request) -> Answer {
    let items = api.desk.with(|desk| Ok(desk.archives())).await?;
    ok(&json!({"count": items.len(), "items": items}))
}

async fn one_archive(api: Shared, request: Request) -> Answer {
    let id = request.param("archive").to_owned();
    ok(&api.desk.with(move |desk| desk.archive(&id)).await?)
}

async fn figures(api: Shared, _: Request) -> Answer {
    let figures = api.desk.with(|desk| Ok(desk.gateway.figures())).await?;
    Ok(reply::content(
        StatusCode::OK,
        metrics::CONTENT_TYPE,
        metrics::prometheus(&figures),
    ))
}

async fn health(api: Shared, _: Request) -> Answer {
    api.desk.with(|desk| desk.accept_new()).await?;
    ok(&json!({"status": "ok"}))
}

/// The session and the connection that a path names.
fn place(request: &Request) -> (String, Option<String>) {
    let connection = request.param("connection");
    let connection = (!connection.is_empty()).then(|| connection.to_owned());
    (request.param("session").to_owned(), connection)
}
