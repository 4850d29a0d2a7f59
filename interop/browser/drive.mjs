// node drive.mjs [FLAG…] (of Chromium): reads orders, a line of JSON each, and answers each with a line when it is done:
//   {"id": 1, "page": "alice", "user": ["jssip", {…}]}     a page of its own with this user of page.js, connected
//   {"id": 2, "page": "alice", "act": ["call", "sip:…"]}   one of its functions
//   {"id": 3, "page": "alice", "hears": [[440], [660]]}    waits until it hears all of the first and none of the second
//   -> {"id": 2, "gave": …} or {"id": 2, "error": "…"}
// Ends with its input.
import { createInterface } from "node:readline";
import { open, user } from "./chromium.mjs";

const browser = await open("page.js", ["--ignore-certificate-errors", ...process.argv.slice(2)]);
const users = new Map();

async function obey({ page, user: made, act, hears }) {
  if (made) {
    const [lib, options] = made;
    const one = await user(browser, lib, options);
    users.set(page, one);
    return one.act("connect");
  }
  const one = users.get(page);
  return act ? one.act(...act) : one.hears(...hears);
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  const say = (answer) => console.log(JSON.stringify({ id: order.id, ...answer }));
  obey(order).then((gave) => say({ gave: gave ?? null }), (error) => say({ error: error.message }));
}
await browser.close();
process.exit(0);
