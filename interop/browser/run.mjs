// node run.mjs '{"ws": "ws://…", "wss": "wss://…", "host": "127.0.0.1:…", "realm": "…", "ha1": {"alice": "…", "bob": "…"}}'
//
// Two pages of headless Chromium with JsSIP and SIP.js register with a password or an HA1, refresh, call each other both
// ways over ICE and DTLS-SRTP, hear each other's tone, press keys, hold, resume, hang up and unregister; then each is told of
// a wrong password. Prints what holds; exits 1 at the first that does not.
import { LOOPBACK, open, user } from "./chromium.mjs";

const job = JSON.parse(process.argv[2]);
const HZ = { alice: 440, bob: 660, carol: 880 };
const browser = await open("page.js", [
  LOOPBACK,
  "--ignore-certificate-errors", // The certificate of wss is one that the switchboard made itself.
]);

async function join(lib, transport, name, secret) {
  const options = { ws: job[transport], uri: `sip:${name}@${job.host}`, user: name, realm: job.realm, hz: HZ[name], ...secret };
  const one = await user(browser, lib, options);
  await one.act("connect");
  return { ...one, hz: HZ[name], title: `${lib} ${transport} ${secret.ha1 ? "HA1" : "password"}` };
}

function holds(what) {
  console.log(`holds: ${what}`);
}

// What a page counts of its call: everything comes, and nobody can listen.
async function counts(one) {
  const stats = await one.act("stats", 50);
  if (stats.lost !== 0 || !(stats.received > 50) || stats.dtls !== "connected" || stats.codec !== "audio/opus") {
    throw new Error(`${one.title}: ${JSON.stringify(stats)}`);
  }
  return `${stats.received} packets, ${stats.lost} lost`;
}

async function talk(from, to, callee) {
  const answered = to.act("answered");
  const called = await from.act("call", `sip:${callee}@${job.host}`);
  const caller = await answered;
  const both = [from, to];
  const talking = () => Promise.all([from.hears([to.hz]), to.hears([from.hz])]);
  await talking();
  await from.act("press", "12", "INFO");
  const counted = await Promise.all(both.map(counts));
  await from.act("hold");
  await Promise.all([from.hears([], [to.hz]), to.hears([], [from.hz])]);
  await from.act("unhold");
  await talking();
  const keys = await to.act("keys");
  if (keys !== "12") throw new Error(`${to.title} was pressed ${keys}`);
  const over = to.act("over");
  await from.act("hangUp");
  await over;
  holds(`${from.title} calls ${to.title}: ${caller} to ${called}; ${counted.join("; ")}`);
}

let failed = 0;
try {
  const pairs = [["jssip", "ws", {}, "sipjs", "wss", { ha1: job.ha1.bob }], ["jssip", "wss", { ha1: job.ha1.alice }, "sipjs", "ws", {}]];
  for (const [libA, wayA, secretA, libB, wayB, secretB] of pairs) {
    const alice = await join(libA, wayA, "alice", { password: "secret-alice", ...secretA });
    const bob = await join(libB, wayB, "bob", { password: "secret-bob", ...secretB });
    for (const one of [alice, bob]) {
      await one.act("register");
      await one.act("refresh");
      holds(`${one.title} registers and refreshes`);
    }
    await talk(alice, bob, "bob");
    await talk(bob, alice, "alice");
    for (const one of [alice, bob]) await one.act("unregister");
    holds(`${alice.title} and ${bob.title} unregister`);
  }
  for (const [lib, way] of [["jssip", "ws"], ["sipjs", "wss"]]) {
    const wrong = await join(lib, way, "carol", { password: "wrong" });
    const told = await wrong.act("register").then(() => "nothing", (error) => error.message);
    if (!/401|Authentication/.test(told)) throw new Error(`${lib} with a wrong password is told ${told}`);
    holds(`${lib} is told of a wrong password: ${told.split("\n")[0]}`);
  }
} catch (error) {
  failed = 1;
  console.error(`fails: ${error.message}`);
} finally {
  await browser.close();
}
process.exit(failed);
