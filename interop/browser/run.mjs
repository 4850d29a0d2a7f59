// node run.mjs '{"ws": "ws://…", "wss": "wss://…", "host": "127.0.0.1:…", "realm": "…", "ha1": {"alice": "…", "bob": "…"}}'
//
// Two pages of headless Chromium with JsSIP and SIP.js register with a password or an HA1, refresh, call each other both
// ways, hang up and unregister; then each is told of a wrong password. Prints what holds; exits 1 at the first that does not.
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const job = JSON.parse(process.argv[2]);
const bundle = await build({
  entryPoints: [fileURLToPath(new URL("page.js", import.meta.url))],
  bundle: true, write: false, format: "iife", define: { global: "window" }, logLevel: "error",
});
const server = createServer((request, response) => {
  const script = request.url === "/page.js";
  response.setHeader("content-type", script ? "text/javascript" : "text/html");
  response.end(script ? bundle.outputFiles[0].contents : "<!doctype html><script src=/page.js></script>");
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/lib/chromium/chromium",
  args: [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-component-update", "--disable-background-networking",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--ignore-certificate-errors", // The certificate of wss is one that the switchboard made itself.
  ],
});

async function user(lib, transport, name, secret) {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => console.error(`${name}: ${error.message}`));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const options = { ws: job[transport], uri: `sip:${name}@${job.host}`, user: name, realm: job.realm, ...secret };
  await page.evaluate(([lib, options]) => { window.me = window.sip[lib](options); }, [lib, options]);
  const act = (what, ...rest) => page.evaluate(([what, rest]) => window.me[what](...rest), [what, rest]);
  await act("connect");
  return { act, title: `${lib} ${transport} ${secret.ha1 ? "HA1" : "password"}` };
}

function holds(what) {
  console.log(`holds: ${what}`);
}

async function talk(from, to, callee) {
  const answered = to.act("answered");
  const called = await from.act("call", `sip:${callee}@${job.host}`);
  const caller = await answered;
  const over = to.act("over");
  await from.act("hangUp");
  await over;
  holds(`${from.title} calls ${to.title}: ${caller} to ${called}`);
}

let failed = 0;
try {
  const pairs = [["jssip", "ws", {}, "sipjs", "wss", { ha1: job.ha1.bob }], ["jssip", "wss", { ha1: job.ha1.alice }, "sipjs", "ws", {}]];
  for (const [libA, wayA, secretA, libB, wayB, secretB] of pairs) {
    const alice = await user(libA, wayA, "alice", { password: "secret-alice", ...secretA });
    const bob = await user(libB, wayB, "bob", { password: "secret-bob", ...secretB });
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
    const wrong = await user(lib, way, "carol", { password: "wrong" });
    const told = await wrong.act("register").then(() => "nothing", (error) => error.message);
    if (!/401|Authentication/.test(told)) throw new Error(`${lib} with a wrong password is told ${told}`);
    holds(`${lib} is told of a wrong password: ${told.split("\n")[0]}`);
  }
} catch (error) {
  failed = 1;
  console.error(`fails: ${error.message}`);
} finally {
  await browser.close();
  server.close();
}
process.exit(failed);
