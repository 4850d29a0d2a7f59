"use strict";
// What the gateway says once a second, as text: nothing from the network becomes markup.
const key = decodeURIComponent(location.hash.slice(1));
const byId = (id) => document.getElementById(id);
let paused = false;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function fill(parent, children) {
  parent.replaceChildren(...children);
}

// Narrow screens show a row as a card: each cell then bears its column's name, and roles keep what the table says to
// readers of screens, which a table that is laid out otherwise loses.
function row(cells, names = []) {
  const made = element("tr");
  made.setAttribute("role", "row");
  cells.forEach((given, at) => {
    const cell = given instanceof Node ? given : element("td", given);
    cell.setAttribute("role", "cell");
    if (names[at]) cell.dataset.name = names[at];
    made.append(cell);
  });
  return made;
}

const columns = (id) => [...byId(id).closest("table").querySelectorAll("th")].map((th) => th.textContent);

const seconds = (s) => (s == null ? "–" : `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`);
const fixed = (x, digits, unit = "") => (x == null ? "–" : x.toFixed(digits) + unit);
const level = (dbov) => (dbov == null || dbov < -90 ? "silent" : `${dbov.toFixed(0)} dBov`);
// What is not known yet is neither good nor bad.
const judged = (text, value, bad) => element("td", text, value == null ? "" : bad(value) ? "bad" : "good");

// A line of the last two minutes, with the same in words for those who do not see it.
function line(history) {
  const values = history.map((sample) => sample.mos).filter((mos) => mos != null);
  if (values.length === 0) return element("td", "–");
  const cell = element("td");
  const low = Math.min(...values), high = Math.max(...values);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("width", "120");
  svg.setAttribute("height", "24");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `MOS between ${low.toFixed(2)} and ${high.toFixed(2)}`);
  const height = (mos) => (23 - ((mos - 1) * 22) / 3.5).toFixed(1);
  const points = values.map((mos, at) => `${((at * 118) / Math.max(values.length - 1, 1) + 1).toFixed(1)},${height(mos)}`);
  if (points.length === 1) points.push(`119,${height(values[0])}`);
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  drawn.setAttribute("points", points.join(" "));
  svg.append(drawn);
  cell.append(svg);
  return cell;
}

function callRow(call) {
  const { dial } = call;
  const state = call.ending ? "ending" : dial.status;
  return row([
    dial.to, call.held ? `${state}, held ${call.held}` : state, seconds(call.seconds), call.codec || "–", call.keys || "–",
    judged(fixed(call.loss == null ? null : call.loss * 100, 1, " %"), call.loss, (loss) => loss > 0.01),
    judged(fixed(call.jitter, 1, " ms"), call.jitter, (jitter) => jitter > 30),
    judged(fixed(call.mos, 2), call.mos, (mos) => mos < 3.6),
    line(call.history), call.received == null ? "–" : `${level(call.received)}, ${level(call.sent)}`,
  ], columns("calls"));
}

function endRow(end) {
  const answered = end.setupMs != null;
  return row([
    new Date(end.updatedAt).toLocaleTimeString(), end.to, seconds(end.duration),
    end.sip ? `${end.sip.status} ${end.sip.reason}` : "–",
    element("td", end.reason || "", answered ? "wide" : "wide bad"),
  ], columns("ends"));
}

function sessionBox(session) {
  const box = element("div", undefined, "session");
  box.append(element("code", session.id));
  const list = element("ul");
  for (const one of session.people) {
    const parts = [one.kind, one.name, one.data, one.muted ? "muted" : "", one.published ? level(one.level) : ""];
    list.append(element("li", parts.filter(Boolean).join(" · ")));
  }
  box.append(list);
  return box;
}

function figure(name, value, bad) {
  const box = element("div");
  box.append(element("dt", name), element("dd", value, bad ? "bad" : ""));
  return box;
}

function none(text, columns) {
  const cell = element("td", text);
  cell.colSpan = columns;
  return row([cell]);
}

function show(state) {
  const up = state.calls.filter((call) => call.dial.status === "answered").length;
  const late = state.ticks.run ? (100 * state.ticks.late) / state.ticks.run : 0;
  fill(byId("figures"), [
    figure("Open sessions", String(state.sessions.length)),
    figure("Calls", String(state.calls.length)),
    figure("Answered", String(up)),
    figure("Late ticks", `${late.toFixed(2)} %`, late > 1),
    figure("Latest tick ever, late by", `${state.ticks.worstMs.toFixed(1)} ms`, state.ticks.worstMs > 20),
    figure("Refused, uninvited", String(state.sip.refused)),
    figure("Callbacks waiting", String(state.callbacks.waiting), state.callbacks.waiting > 50),
  ]);
  fill(byId("calls"), state.calls.length ? state.calls.map(callRow) : [none("No calls.", 10)]);
  fill(byId("sessions"), state.sessions.length ? state.sessions.map(sessionBox) : [element("p", "Nobody is in a session.")]);
  fill(byId("ends"), state.ends.length ? state.ends.map(endRow) : [none("No call has ended.", 5)]);
  say(state.draining ? "Stopping: no new calls" : `Running, SIP at ${state.address}`);
}

// Readers of screens hear this when it changes, not once a second.
function say(text) {
  if (byId("state").textContent !== text) byId("state").textContent = text;
}

async function update() {
  if (!paused) {
    try {
      const answer = await fetch("/operator/state", { headers: { "X-Operator-Key": key } });
      const body = await answer.json();
      if (answer.ok) show(body); else say(body.message);
    } catch {
      say("The gateway does not answer");
    }
  }
  setTimeout(update, 1000);
}

byId("pause").addEventListener("click", (event) => {
  paused = !paused;
  event.target.setAttribute("aria-pressed", String(paused));
});
update();
