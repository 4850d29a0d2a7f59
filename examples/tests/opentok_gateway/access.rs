//! Who may ask for what: applications of the Vonage form, and those who are in a session.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use token::{
    Algorithm, KeyPair, OpenTokConnect, Role, StaticSecret, VonageClaims, VonageConnect, mint,
};

use crate::gate::{Gate, Got, KEY, Told, secret};
use crate::phone::Phone;

const APPLICATION: &str = "78d335fa-323d-0114-9c3d-d6f0d48968cf";
const QUARTER: Duration = Duration::from_secs(900);

fn keys(name: &str) -> String {
    format!("{}/../token/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn bearer(gate: &Gate, token: &str, method: &str, path: &str, body: Value) -> Got {
    let authorization = format!("Bearer {token}");
    let headers = [("Authorization", authorization.as_str())];
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    gate.raw(method, path, &headers, body.as_bytes())
}

/// The whole way of an SDK of the Vonage form: RS256, the application's id in place of the API key.
#[test]
fn an_application_of_the_vonage_form() {
    let public = keys("rsa.pub.pem");
    let gate = Gate::start(&["--application", APPLICATION, "--application-key", &public]);
    let pem = std::fs::read_to_string(keys("rsa.pem")).unwrap();
    let key = KeyPair::from_pem(Algorithm::Rs256, &pem).unwrap();
    let now = SystemTime::now();
    let of =
        |id: &str, since: SystemTime| mint(&VonageClaims::new(id, since, QUARTER), &key).unwrap();
    let server = of(APPLICATION, now);
    let made = bearer(&gate, &server, "POST", "/session/create", Value::Null).ok();
    assert_eq!(made[0]["project_id"], APPLICATION);
    let session = made[0]["session_id"].as_str().unwrap().to_owned();
    let join = |role: Role| {
        let claims = VonageClaims::new(APPLICATION, now, QUARTER);
        mint(
            &claims.with_connect(VonageConnect::new(&session, role)),
            &key,
        )
        .unwrap()
    };

    // What signs with the public key's text as if it were a secret, as forgers do, opens nothing.
    let text = std::fs::read(&public).unwrap();
    let confused = StaticSecret::new(Algorithm::Hs256, &text).unwrap();
    let confused = mint(&VonageClaims::new(APPLICATION, now, QUARTER), &confused).unwrap();
    let dials = format!("/v2/project/{APPLICATION}/dial");
    for (token, part) in [
        (of("another", now), "another application"),
        (of(APPLICATION, now - 2 * QUARTER), "expired"),
        (confused, "Authorization"),
        (join(Role::Moderator), "to join a session"),
        ("garbage".to_owned(), "malformed"),
    ] {
        bearer(&gate, &token, "GET", &dials, Value::Null).failed(403, part);
    }
    let elsewhere = format!("/v2/project/{KEY}/dial");
    bearer(&gate, &server, "GET", &elsewhere, Value::Null).failed(403, "this project");

    let dial = |token: String, query: &str| {
        let body = json!({"sessionId": session, "token": token, "sip": {"uri": gate.phone}});
        bearer(&gate, &server, "POST", &format!("{dials}{query}"), body)
    };
    dial(join(Role::Subscriber), "").failed(403, "a subscriber may not dial");
    dial(server.clone(), "").failed(403, "connect token");
    let told = Told::of(&gate, &[("call", "status")]);
    let got = dial(join(Role::Publisher), "?wait=answered");
    let connection = got.text_of("connectionId");
    assert_eq!(got.ok()["projectId"], APPLICATION);
    let path = format!("/v2/project/{APPLICATION}/session/{session}/connection/{connection}");
    assert_eq!(
        bearer(&gate, &server, "DELETE", &path, Value::Null).status,
        204
    );
    let over = told.until_ended().pop().unwrap();
    assert_eq!(over["projectId"], APPLICATION);
    gate.nothing_left();
}

/// Moderators kick and mute with the token by which they are in the session; nobody else does, and nothing else.
#[test]
fn a_moderator_kicks_with_its_own_token() {
    let gate = Gate::start(&[]);
    let phone = Phone::start(None);
    let told = Told::of(&gate, &[("connection", "destroyed"), ("call", "status")]);
    let (session, other) = (gate.session(""), gate.session(""));
    let got = gate.dial_with(&session, "?wait=answered", json!({"uri": phone.uri()}));
    let (connection, stream) = (got.text_of("connectionId"), got.text_of("streamId"));
    let at = format!("/v2/project/{KEY}/session/{session}");
    let kick = format!("{at}/connection/{connection}");
    let mute = format!("{at}/stream/{stream}/mute");
    let ask = |token: &str, method: &str, path: &str| {
        gate.raw(method, path, &[("X-OPENTOK-AUTH", token)], b"")
    };
    let mut old = OpenTokConnect::new(KEY, &session, SystemTime::now() - 8 * QUARTER, QUARTER);
    old.role = Role::Moderator;
    for (token, part) in [
        (
            gate.token(&session, Role::Subscriber),
            "a subscriber may not",
        ),
        (gate.token(&session, Role::Publisher), "a publisher may not"),
        (gate.token(&other, Role::Moderator), "another session"),
        (mint(&old, &secret()).unwrap(), "X-OPENTOK-AUTH"),
    ] {
        ask(&token, "DELETE", &kick).failed(403, part);
        ask(&token, "POST", &mute).failed(403, part);
    }
    let moderator = gate.token(&session, Role::Moderator);
    // What is the server's alone stays so.
    ask(&moderator, "GET", &format!("{at}/stream")).failed(403, "another kind");
    let elsewhere = kick.replace(&format!("/{KEY}/"), "/101/");
    ask(&moderator, "DELETE", &elsewhere).failed(403, "this project");
    assert_eq!(ask(&moderator, "POST", &mute).status, 200);
    assert_eq!(ask(&moderator, "DELETE", &kick).status, 204);
    ask(&moderator, "DELETE", &kick).failed(404, "");
    assert!(phone.expect("ended").contains("hung up by the peer"), "BYE");
    let all = told.until_ended();
    let gone = all.iter().find(|one| one["event"] == "connectionDestroyed");
    let gone = gone.expect("told of it");
    assert_eq!(gone["reason"], "forceDisconnected");
    assert_eq!(gone["connection"]["id"], connection.as_str());
    gate.nothing_left();
}
