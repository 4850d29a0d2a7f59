//! What every fuzz target does with a message that parsed: ask it everything.

use std::hint::black_box;

use sip_core::header::*;
use sip_core::{
    Answer, Capabilities, Message, MessageRef, Method, Role, Scheme, TypedHeader, UriRef, validate,
};

/// Reads every header by its name, and judges the message in every role; [`header`] reads any value
/// as every type.
pub fn message(message: &Message) {
    let view = message.as_ref();
    black_box(view.start_line());
    black_box(message.to_string());
    if let Ok(uri) = message.uri() {
        self::uri(&uri);
    }
    for field in message.headers() {
        black_box((field.to_str(), split_list(field.value()).count()));
    }
    known(&view);
    body(message);
    let strict = Capabilities::default()
        .schemes([Scheme::Sip])
        .methods([Method::Invite])
        .option_tags(["timer"])
        .content_types(["application/sdp"])
        .content_encodings(["gzip"])
        .produces(["application/sdp"])
        .body(100);
    for role in [Role::UserAgent, Role::Proxy, Role::Registrar] {
        let findings = validate(message, &strict.clone().role(role));
        for finding in findings.iter() {
            assert!(finding.at <= message.as_bytes().len() + 4096);
            black_box(finding.to_string());
        }
        black_box(findings.unsupported().count());
        if let Some(Answer::Status(status)) = findings.answer() {
            assert!(message.is_request());
            if let Ok(answer) = message.reply(status).to_tag("tag").build() {
                assert_eq!(answer.status(), Some(status));
                assert!(answer.body().is_empty());
            }
        }
    }
}

fn known(view: &MessageRef<'_>) {
    black_box(view.typed::<Via<'_>>().is_ok());
    black_box(view.typed_all::<Route<'_>>().count());
    black_box(view.typed_all::<Contact<'_>>().count());
    black_box(view.typed_all::<Via<'_>>().count());
    black_box(view.values("Allow").count());
}

fn body(message: &Message) {
    let Some(field) = message.header("Content-Type") else {
        return;
    };
    let mut level: Vec<Part<'_>> = Multipart::new(field.value(), message.body())
        .into_iter()
        .flatten()
        .collect();
    let mut depth = 1;
    while !level.is_empty() {
        assert!(depth <= 4);
        for part in &level {
            black_box((
                part.content_type().is_some(),
                part.header("Content-ID"),
                part.body(),
            ));
        }
        level = level.iter().filter_map(Part::parts).flatten().collect();
        depth += 1;
    }
}

/// Reads the URI's every part.
pub fn uri(uri: &UriRef<'_>) {
    black_box((
        uri.user_decoded(),
        uri.password(),
        uri.host(),
        uri.port(),
        uri.is_loose_router(),
    ));
    for param in uri.params().iter() {
        black_box((param.name(), param.value(), param.decoded()));
    }
    black_box(uri.headers().iter().count());
    assert!(uri.equivalent(uri), "{uri} is not itself");
    let owned = uri.to_uri();
    assert_eq!(owned.to_string(), uri.to_string());
}

/// A value that decodes prints as something that decodes, to the same text again.
fn stable<'a, T, P>(value: &'a [u8], print: P)
where
    T: TypedHeader<'a>,
    P: Fn(&[u8]) -> Option<String>,
{
    if T::decode(value).is_ok() {
        let once = print(value).expect("it has just been decoded");
        let twice = print(once.as_bytes());
        // Bytes that are not UTF-8 are shown as U+FFFD, which a grammar need not allow.
        if value.is_ascii() {
            assert_eq!(twice.as_ref(), Some(&once), "{}", T::NAME);
        }
    }
}

/// Decodes one value as every typed header.
pub fn header(value: &[u8]) {
    macro_rules! all {
        ($($ty:ident),* $(,)?) => {
            $(stable::<$ty, _>(value, |v| $ty::decode(v).ok().map(|h| h.to_string()));)*
        };
    }
    all!(
        Accept,
        AcceptEncoding,
        AcceptLanguage,
        AlertInfo,
        Allow,
        AllowEvents,
        AuthenticationInfo,
        Authorization,
        CSeq,
        CallId,
        CallInfo,
        Contact,
        ContentDisposition,
        ContentEncoding,
        ContentLanguage,
        ContentLength,
        ContentType,
        Date,
        Diversion,
        ErrorInfo,
        Event,
        Expires,
        FlowTimer,
        From,
        HistoryInfo,
        Identity,
        InReplyTo,
        InfoPackage,
        Join,
        MaxForwards,
        MimeVersion,
        MinExpires,
        MinSe,
        Organization,
        PAssertedIdentity,
        PPreferredIdentity,
        Path,
        Priority,
        ProxyAuthenticate,
        ProxyAuthorization,
        ProxyRequire,
        RAck,
        RSeq,
        Reason,
        RecordRoute,
        RecvInfo,
        ReferTo,
        ReferredBy,
        Replaces,
        ReplyTo,
        Require,
        RetryAfter,
        Route,
        SecurityClient,
        SecurityServer,
        SecurityVerify,
        Server,
        ServiceRoute,
        SessionExpires,
        SessionId,
        Subject,
        SubscriptionState,
        Supported,
        TargetDialog,
        Timestamp,
        To,
        Unsupported,
        UserAgent,
        UserToUser,
        Via,
        Warning,
        WwwAuthenticate,
    );
    if let Ok(address) = NameAddrRef::parse(value) {
        black_box((address.display_name(), address.tag(), address.param("lr")));
        if let Ok(uri) = address.uri() {
            self::uri(&uri);
            let owned = address.to_name_addr();
            if let Ok(tagged) = owned.with_tag("t4g") {
                assert_eq!(tagged.tag(), Some("t4g"));
                assert_eq!(tagged.without_tag().tag(), None);
            }
        }
    }
    if let Ok(via) = Via::decode(value) {
        black_box((
            via.host(),
            via.branch(),
            via.received(),
            via.rport(),
            via.ttl(),
            via.is_sip_2(),
        ));
        let source = std::net::SocketAddr::from(([192, 0, 2, 1], 5060));
        let stamped = via.stamped(source);
        let stamped = Via::decode(stamped.as_bytes()).expect("a stamped Via is one");
        if via.rport().is_some() {
            assert_eq!(stamped.rport(), Some(Some(5060)));
            assert_eq!(stamped.received(), Some(source.ip()));
        }
    }
    if let Ok(contact) = Contact::decode(value) {
        black_box((
            contact.expires(),
            contact.q(),
            contact.instance(),
            contact.reg_id(),
        ));
    }
}
