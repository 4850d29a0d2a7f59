// node talk.mjs '{"lib": "jssip", "ws": "ws://…", "target": "sip:…", "hz": 1020, "wanted": [440, 660]}'
//
// A page of headless Chromium calls with JsSIP or SIP.js over ICE and DTLS-SRTP, says a tone, finds others, presses keys, holds and resumes,
// and hangs up. Prints a line of JSON for each step; exits 1 at the first that fails.
import { LOOPBACK, open, pause, user } from "./chromium.mjs";

const { lib, ws, target, hz, wanted } = JSON.parse(process.argv[2]);
const browser = await open("page.js", [LOOPBACK]);
const say = (step, more) => console.log(JSON.stringify({ step, ...more }));

let failed = 0;
try {
  const { act, hears } = await user(browser, lib, { ws, uri: "sip:browser@browser.invalid", hz });
  await act("connect");
  await act("call", target);
  say("up");
  say("hears", { levels: await hears(wanted) });
  await act("press", "12", "RTP");
  await pause(1000);
  await act("press", "3", "INFO");
  await pause(500);
  // Before the hold: the page counts anew after it.
  say("stats", await act("stats", 50));
  await act("hold");
  say("held");
  await pause(1200);
  await act("unhold");
  say("hears again", { levels: await hears(wanted) });
  await act("hangUp");
  say("over");
} catch (error) {
  failed = 1;
  console.error(`fails: ${error.message}`);
} finally {
  await browser.close();
}
process.exit(failed);
