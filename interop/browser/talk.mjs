// node talk.mjs '{"ws": "ws://…", "target": "sip:…", "hz": 1020, "wanted": [440, 660]}'
//
// A page of headless Chromium calls with JsSIP over ICE and DTLS-SRTP, says a tone, finds others, presses keys, holds and resumes,
// and hangs up. Prints a line of JSON for each step; exits 1 at the first that fails.
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const { ws, target, hz, wanted } = JSON.parse(process.argv[2]);
const bundle = await build({
  entryPoints: [fileURLToPath(new URL("talk.js", import.meta.url))],
  bundle: true, write: false, format: "iife", define: { global: "window" }, logLevel: "error",
});
const server = createServer((request, response) => {
  const script = request.url === "/talk.js";
  response.setHeader("content-type", script ? "text/javascript" : "text/html");
  response.end(script ? bundle.outputFiles[0].contents : "<!doctype html><script src=/talk.js></script>");
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/lib/chromium/chromium",
  args: [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-component-update",
    "--disable-background-networking", "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection", // Else a machine without a network has no candidates.
  ],
});
const say = (step, more) => console.log(JSON.stringify({ step, ...more }));
const pause = (ms) => new Promise((over) => setTimeout(over, ms));

let failed = 0;
try {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => console.error(error.message));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.evaluate(async (options) => { window.call = await window.talk(options); }, {
    ws, target, hz, uri: "sip:browser@browser.invalid",
  });
  const act = (what, ...rest) => page.evaluate(([what, rest]) => window.call[what](...rest), [what, rest]);
  const hears = async (step) => {
    let levels;
    for (let tries = 0; tries < 20; tries++) {
      await pause(400);
      levels = await act("hear", [...wanted, hz, 2500]);
      if (wanted.every((hz) => levels[hz] > levels[2500] + 30 && levels[hz] > -60)) return say(step, { levels });
    }
    throw new Error(`${step}: ${JSON.stringify(levels)}`);
  };
  say("up");
  await hears("hears");
  await act("press", "12", "RFC2833");
  await pause(1000);
  await act("press", "3", "INFO");
  await pause(500);
  // Before the hold: the page counts anew after it.
  say("stats", await act("stats"));
  await act("hold");
  say("held");
  await pause(1200);
  await act("unhold");
  await hears("hears again");
  await act("hangUp");
  say("over");
} catch (error) {
  failed = 1;
  console.error(`fails: ${error.message}`);
} finally {
  await browser.close();
  server.close();
}
process.exit(failed);
