// In the page: one SIP user on JsSIP or on SIP.js, behind the same few functions, each of which gives a promise.
// register() and refresh() resolve when a 200 came and reject with what the library tells; call(uri) and answered() resolve when the
// call is up on that side, after 200 and ACK; over() when it has ended.
import * as JsSIP from "jssip";
import { Inviter, Registerer, SessionState, UserAgent } from "sip.js";

const media = { audio: true, video: false };

function soon(what, begin) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no ${what}`)), 15000);
    begin(
      (value) => { clearTimeout(late); resolve(value); },
      (why) => { clearTimeout(late); reject(new Error(String(why))); },
    );
  });
}

function jssip({ ws, uri, user, password, ha1, realm }) {
  const ua = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(ws)],
    uri,
    authorization_user: user,
    register: false,
    ...(ha1 ? { ha1, realm } : { password }),
  });
  const registrator = () => ua.registrator();
  const told = (event, failed, act) => soon(event, (ok, no) => {
    ua.once(event, () => ok());
    if (failed) ua.once(failed, (e) => no(`${e.response?.status_code ?? ""} ${e.cause}`));
    act();
  });
  let session;
  const up = (s) => {
    session = s;
    return soon("call", (ok, no) => {
      s.on("confirmed", () => ok(s.remote_identity.uri.toString()));
      s.on("failed", (e) => no(e.cause));
    });
  };
  const arrived = soon.bind(null, "incoming call");
  let next;
  ua.on("newRTCSession", ({ originator, session: s }) => {
    if (originator !== "remote") return;
    const done = up(s);
    s.answer({ mediaConstraints: media });
    next?.(done);
  });
  return {
    connect: () => told("connected", null, () => ua.start()),
    register: () => told("registered", "registrationFailed", () => registrator().register()),
    // JsSIP tells nothing of a refresh that went well: its request is out until the answer.
    refresh: () => soon("refresh", (ok, no) => {
      ua.once("registrationFailed", (e) => no(e.cause));
      registrator().register();
      const look = setInterval(() => {
        if (!registrator()._registering) { clearInterval(look); ok(); }
      }, 20);
    }),
    unregister: () => told("unregistered", null, () => registrator().unregister()),
    call: (to) => up(ua.call(to, { mediaConstraints: media })),
    answered: () => arrived((ok) => { next = ok; }),
    hangUp: () => soon("end", (ok) => { session.on("ended", () => ok()); session.terminate(); }),
    over: () => soon("end", (ok) => (session.isEnded() ? ok() : session.on("ended", () => ok()))),
  };
}

function sipjs({ ws, uri, user, password, ha1 }) {
  let session, next;
  const up = (s) => {
    session = s;
    return soon("call", (ok, no) => s.stateChange.addListener((state) => {
      if (state === SessionState.Established) ok(s.remoteIdentity.uri.toString());
      if (state === SessionState.Terminated) no("terminated");
    }));
  };
  const options = { sessionDescriptionHandlerOptions: { constraints: media } };
  const ua = new UserAgent({
    uri: UserAgent.makeURI(uri),
    transportOptions: { server: ws },
    authorizationUsername: user,
    ...(ha1 ? { authorizationHa1: ha1 } : { authorizationPassword: password }),
    sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: 300 },
    logLevel: "error",
    delegate: {
      onInvite: (invitation) => {
        const done = up(invitation);
        invitation.accept(options);
        next?.(done);
      },
    },
  });
  let registerer;
  const told = (what, act) => soon(what, (ok, no) => {
    const requestDelegate = {
      onAccept: () => ok(),
      onReject: ({ message }) => no(`${message.statusCode} ${message.reasonPhrase}`),
    };
    act({ requestDelegate }).catch(no);
  });
  return {
    connect: () => ua.start().then(() => { registerer = new Registerer(ua); }),
    register: () => told("registration", (o) => registerer.register(o)),
    refresh: () => told("refresh", (o) => registerer.register(o)),
    unregister: () => told("unregistration", (o) => registerer.unregister(o)),
    call: (to) => {
      const inviter = new Inviter(ua, UserAgent.makeURI(to), options);
      const done = up(inviter);
      inviter.invite();
      return done;
    },
    answered: () => soon("incoming call", (ok) => { next = ok; }),
    hangUp: () => session.bye(),
    over: () => soon("end", (ok) => {
      if (session.state === SessionState.Terminated) ok();
      session.stateChange.addListener((state) => state === SessionState.Terminated && ok());
    }),
  };
}

window.sip = { jssip, sipjs };
