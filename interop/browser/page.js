// In the page: one SIP user on JsSIP or on SIP.js, behind the same few functions, each of which gives a promise. It says a tone
// of `hz`, shows its camera with `video`, and hears and sees what comes (hear, stats).
// register() and refresh() resolve when a 200 came and reject with what the library tells; call(uri) and answered() resolve when the
// call is up on that side, after 200 and ACK; over() when it has ended; keys() gives those that came by INFO. With JsSIP,
// call(uri, "VP9") offers that codec alone for pictures, and `via` is a port of 127.0.0.1 through which they go: farSide()
// gives the port to which they are to be passed on.
import * as JsSIP from "jssip";
import { Inviter, Registerer, SessionState, UserAgent, Web } from "sip.js";
import { hidden, only, through } from "./sections.js";
import { sound } from "./sound.js";

const pcConfig = { iceServers: [] };

function soon(what, begin) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no ${what}`)), 15000);
    begin(
      (value) => { clearTimeout(late); resolve(value); },
      (why) => { clearTimeout(late); reject(new Error(String(why))); },
    );
  });
}

// A call that comes may be waited for before or after.
function bell() {
  let rung, waiting;
  return {
    ring(call) {
      if (waiting) waiting(call);
      else rung = call;
      waiting = undefined;
    },
    answered: () => soon("incoming call", (ok) => {
      if (rung) ok(rung);
      else waiting = ok;
      rung = undefined;
    }),
  };
}

async function jssip({ ws, uri, user, password, ha1, realm, hz, video, via }) {
  const ear = await sound(hz, video);
  const { stream, listen, hear } = ear;
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
  let session, keys, farSide;
  const up = (s, codec) => {
    session = s;
    keys = "";
    // What the library sends and is sent may be changed on the way.
    s.on("sdp", (said) => {
      const ours = said.originator === "local";
      if (ours && codec && said.type === "offer") said.sdp = only(said.sdp, codec);
      if (via) said.sdp = ours ? hidden(said.sdp) : through(said.sdp, via, (port) => { farSide = port; });
    });
    s.on("newDTMF", ({ originator, dtmf }) => { if (originator === "remote") keys += dtmf.tone; });
    return soon("call", (ok, no) => {
      s.on("confirmed", () => ok(s.remote_identity.uri.toString()));
      s.on("failed", (e) => no(e.cause));
    });
  };
  const { ring, answered } = bell();
  ua.on("newRTCSession", ({ originator, session: s }) => {
    if (originator !== "remote") return;
    const done = up(s);
    s.on("peerconnection", ({ peerconnection }) => listen(peerconnection));
    s.answer({ mediaStream: stream(), pcConfig });
    ring(done);
  });
  return {
    hear,
    stats: (least, pictures) => ear.stats(least, pictures),
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
    call: (to, codec) => {
      const s = ua.call(to, { mediaStream: stream(), pcConfig });
      listen(s.connection);
      return up(s, codec);
    },
    farSide: () => farSide,
    answered,
    press: (digits, how) => session.sendDTMF(digits, {
      transportType: how === "INFO" ? "INFO" : "RFC2833", duration: 100, interToneGap: 100,
    }),
    keys: () => keys,
    hold: () => soon("hold", (ok) => session.hold({}, ok)),
    unhold: () => soon("resume", (ok) => session.unhold({}, ok)),
    hangUp: () => soon("end", (ok) => { session.on("ended", () => ok()); session.terminate(); }),
    over: () => soon("end", (ok) => (session.isEnded() ? ok() : session.on("ended", () => ok()))),
  };
}

async function sipjs({ ws, uri, user, password, ha1, hz, video }) {
  const ear = await sound(hz, video);
  const { stream, listen, hear } = ear;
  const { ring, answered } = bell();
  let session, keys;
  const up = (s) => {
    session = s;
    keys = "";
    s.delegate = {
      onSessionDescriptionHandler: (handler) => listen(handler.peerConnection),
      onInfo: (info) => {
        keys += /Signal=\s*(\S)/.exec(info.request.body)?.[1] ?? "";
        info.accept();
      },
    };
    return soon("call", (ok, no) => s.stateChange.addListener((state) => {
      if (state === SessionState.Established) ok(s.remoteIdentity.uri.toString());
      if (state === SessionState.Terminated) no("terminated");
    }));
  };
  const ua = new UserAgent({
    uri: UserAgent.makeURI(uri),
    transportOptions: { server: ws },
    authorizationUsername: user,
    ...(ha1 ? { authorizationHa1: ha1 } : { authorizationPassword: password }),
    sessionDescriptionHandlerFactory: Web.defaultSessionDescriptionHandlerFactory(async () => stream()),
    sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: 300, peerConnectionConfiguration: pcConfig },
    logLevel: "error",
    delegate: {
      onInvite: (invitation) => {
        const done = up(invitation);
        invitation.accept();
        ring(done);
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
  // Who holds falls silent as well: with JsSIP of itself, with SIP.js by its SessionManager, or by us.
  const held = (hold) => told(hold ? "hold" : "resume", (o) => {
    for (const { track } of session.sessionDescriptionHandler.peerConnection.getSenders()) track.enabled = !hold;
    return session.invite({ ...o, sessionDescriptionHandlerOptions: { hold } });
  });
  const inform = (key) => told("INFO", (o) => session.info({
    ...o,
    requestOptions: {
      body: { contentDisposition: "render", contentType: "application/dtmf-relay", content: `Signal=${key}\r\nDuration=100\r\n` },
    },
  }));
  return {
    hear,
    stats: (least, pictures) => ear.stats(least, pictures),
    connect: () => ua.start().then(() => { registerer = new Registerer(ua); }),
    register: () => told("registration", (o) => registerer.register(o)),
    refresh: () => told("refresh", (o) => registerer.register(o)),
    unregister: () => told("unregistration", (o) => registerer.unregister(o)),
    call: (to) => {
      const inviter = new Inviter(ua, UserAgent.makeURI(to));
      const done = up(inviter);
      inviter.invite();
      return done;
    },
    answered,
    press: async (digits, how) => {
      if (how !== "INFO") return session.sessionDescriptionHandler.sendDtmf(digits, { duration: 100, interToneGap: 100 });
      for (const key of digits) await inform(key);
    },
    keys: () => keys,
    hold: () => held(true),
    unhold: () => held(false),
    hangUp: async () => { await session.bye(); },
    over: () => soon("end", (ok) => {
      if (session.state === SessionState.Terminated) ok();
      session.stateChange.addListener((state) => state === SessionState.Terminated && ok());
    }),
  };
}

window.sip = { jssip, sipjs };
