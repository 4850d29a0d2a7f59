// A phone in a page, on JsSIP: one account, one call at a time.
import * as JsSIP from "jssip";

const at = (id) => document.getElementById(id);
const say = (text) => { at("state").textContent = text; };
const shows = (...ids) => ["answer", "hold", "end"].forEach((id) => { at(id).hidden = !ids.includes(id); });
const how = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } };

let ua, call;

at("account").addEventListener("submit", (event) => {
  event.preventDefault();
  ua?.stop();
  const server = at("server").value.trim();
  const user = at("user").value.trim();
  try {
    ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(server)],
      uri: `sip:${user}@${new URL(server).host}`,
      password: at("password").value,
    });
  } catch (error) {
    return say(error.message);
  }
  say("connecting");
  ua.on("disconnected", () => say(`no connection to ${server}; has its certificate been accepted?`));
  ua.on("registered", () => { if (!call) say(`registered as ${user}`); });
  ua.on("registrationFailed", ({ cause }) => say(`not registered: ${cause}`));
  ua.on("newRTCSession", ({ originator, session }) => {
    if (call) return session.terminate({ status_code: 486 });
    take(session, originator === "remote");
  });
  ua.start();
});

function take(session, rings) {
  call = session;
  const whom = session.remote_identity.uri.user;
  say(rings ? `${whom} calls` : `calling ${whom}`);
  shows(...(rings ? ["answer", "end"] : ["end"]));
  const hears = (connection) => connection.addEventListener("track", ({ track }) => {
    at("sound").srcObject = new MediaStream([track]);
  });
  if (session.connection) hears(session.connection);
  else session.on("peerconnection", ({ peerconnection }) => hears(peerconnection));
  session.on("confirmed", () => {
    say(`talking to ${whom}`);
    shows("hold", "end");
    at("keys").disabled = false;
  });
  const over = ({ cause }) => {
    call = undefined;
    say(`over: ${cause}`);
    shows();
    at("hold").textContent = "Hold";
    at("keys").value = "";
    at("keys").disabled = true;
  };
  session.on("failed", over);
  session.on("ended", over);
}

at("dial").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!ua?.isRegistered()) return say("register first");
  if (!call) ua.call(at("whom").value.trim(), how);
});
at("answer").addEventListener("click", () => call.answer(how));
at("end").addEventListener("click", () => call.terminate());
at("hold").addEventListener("click", () => {
  const held = call.isOnHold().local;
  if (held ? call.unhold() : call.hold()) at("hold").textContent = held ? "Hold" : "Resume";
});
at("keys").addEventListener("input", ({ data }) => {
  if (/^[0-9A-D*#]$/i.test(data ?? "")) call.sendDTMF(data, { transportType: "RFC2833" });
});
