// The vendor's Node SDK, told nothing but the gateway's address: the whole list of what phones need.
"use strict";
const assert = require("node:assert/strict");
const http = require("node:http");
const OpenTok = require("opentok");

const [key, secret, url, uri, mode] = process.argv.slice(2);
const ot = new OpenTok(key, secret, url);
const call = (f, ...args) => new Promise((done, fail) =>
  f.call(ot, ...args, (error, value) => (error ? fail(error) : done(value))));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
// What a project may ask that the SDK has no function for.
const ask = async (path) => (await fetch(url + path, { headers: { "X-OPENTOK-AUTH": ot.generateJwt() } })).json();

async function main() {
  const told = [];
  const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => (told.push(JSON.parse(body)), response.end()));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const here = `http://127.0.0.1:${server.address().port}/told`;
  const callback = await call(ot.registerCallback, { group: "connection", event: "created", url: here });
  await call(ot.registerCallback, { group: "connection", event: "destroyed", url: here });
  await call(ot.registerCallback, { group: "call", event: "status", url: here });
  assert.ok((await call(ot.listCallbacks)).some((one) => one.id === callback.id));

  const relayed = await call(ot.createSession, {});
  await assert.rejects(call(ot.dial, relayed.sessionId, relayed.generateToken(), uri), /not routed/);
  const session = await call(ot.createSession, { mediaMode: "routed" });
  const { sessionId } = session;
  const subscriber = session.generateToken({ role: "subscriber" });
  await assert.rejects(call(ot.dial, sessionId, subscriber, uri), /Invalid API key or secret/);
  const token = session.generateToken({ role: "moderator", data: "sip=true" });
  await assert.rejects(call(ot.dial, sessionId, token, uri, { headers: { Room: "1" } }), /X-/);
  const dialled = await call(ot.dial, sessionId, token, uri, {
    from: "15550100@example.com", headers: { "X-Room": "42" }, secure: mode !== "plain",
  });
  for (const name of ["id", "connectionId", "streamId"]) assert.match(dialled[name], /^[0-9a-f-]{36}$/);

  let streams = [];
  for (let turn = 0; turn < 100 && streams.length < 2; turn += 1) {
    await pause(100);
    streams = await call(ot.listStreams, sessionId);
  }
  assert.ok(streams.some((stream) => stream.id === dialled.streamId));
  assert.equal((await call(ot.getStream, sessionId, dialled.streamId)).id, dialled.streamId);
  await pause(1500);
  await call(ot.playDTMF, sessionId, dialled.connectionId, "12p#");
  await pause(1700);
  await call(ot.playDTMF, sessionId, null, "9");
  await call(ot.signal, sessionId, null, { type: "chat", data: "hello" });
  await call(ot.signal, sessionId, dialled.connectionId, { type: "chat", data: "hello" });
  await call(ot.forceMuteStream, sessionId, dialled.streamId);
  await call(ot.forceMuteAll, sessionId, { active: true, excludedStreams: [dialled.streamId] });
  await call(ot.disableForceMute, sessionId);
  const archive = await call(ot.startArchive, sessionId, { name: "sdk", hasVideo: false });
  assert.equal(archive.status, "started");
  await pause(1500);
  assert.equal((await call(ot.stopArchive, archive.id)).status, "stopped");
  const written = async () => (await call(ot.getArchive, archive.id)).status === "available";
  for (let turn = 0; turn < 50 && !(await written()); turn += 1) await pause(100);
  assert.ok(await written());
  const dial = await ask(`/v2/project/${key}/dial/${dialled.id}`);
  assert.equal(dial.status, "answered");
  await call(ot.forceDisconnect, sessionId, dialled.connectionId);
  await assert.rejects(call(ot.forceDisconnect, sessionId, dialled.connectionId), /not found/);
  await call(ot.unregisterCallback, callback.id);

  const over = () => told.some((one) => one.event === "callStatus" && one.call.status === "ended");
  for (let turn = 0; turn < 100 && !over(); turn += 1) await pause(50);
  assert.ok(over(), JSON.stringify(told));
  const of = (event) => told.filter((one) => one.event === event && one.connection.id === dialled.connectionId);
  assert.equal(of("connectionCreated").length, 1);
  assert.equal(of("connectionCreated")[0].connection.data, "sip=true");
  assert.equal(of("connectionDestroyed")[0].reason, "forceDisconnected");

  const stranger = new OpenTok(key, "another secret, which is not the project's own", url);
  await assert.rejects(new Promise((done, fail) =>
    stranger.listStreams(sessionId, (error, value) => (error ? fail(error) : done(value)))));
  console.log("passed");
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
