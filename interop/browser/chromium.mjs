// Headless Chromium with pages that hold nothing but one bundled script.
import { chromium } from "playwright-core";
import { serve } from "./serve.mjs";

export const pause = (ms) => new Promise((over) => setTimeout(over, ms));

// Without it 127.0.0.1 is no candidate, and a machine without a network has none.
export const LOOPBACK = "--allow-loopback-in-peer-connection";

// `flags` come on top of those that every run needs.
export const launch = (flags) => chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/lib/chromium/chromium",
  args: [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-component-update",
    "--disable-background-networking", "--autoplay-policy=no-user-gesture-required", ...flags,
  ],
});

// `script` is a file beside this one.
export async function open(script, flags = []) {
  const server = await serve(script, "<!doctype html><script src=/script.js></script>");
  const browser = await launch(flags);
  return {
    // A page with cookies, storage and permissions of its own. `name` stands before what goes wrong in it.
    async page(name) {
      const page = await (await browser.newContext()).newPage();
      page.on("pageerror", (error) => console.error(`${name}: ${error.message}`));
      await page.goto(server.address);
      return page;
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}

// A user of page.js on `lib`, in a page of its own: act(what, …) calls its functions.
export async function user(browser, lib, options) {
  const page = await browser.page(options.user ?? lib);
  await page.evaluate(async ([lib, options]) => { window.me = await window.sip[lib](options); }, [lib, options]);
  const act = (what, ...rest) => page.evaluate(([what, rest]) => window.me[what](...rest), [what, rest]);
  // Waits until all of the `wanted` tones stand out in what the page hears, and none of the `others`.
  const hears = async (wanted, others = []) => {
    let levels;
    for (let tries = 0; tries < 40; tries++) {
      await pause(200);
      levels = await act("hear", [...wanted, ...others, 2500]);
      const loud = (hz) => levels[hz] > levels[2500] + 30 && levels[hz] > -60;
      if (wanted.every(loud) && !others.some(loud)) return levels;
    }
    throw new Error(`${options.user ?? lib} wants ${wanted} Hz and hears ${JSON.stringify(levels)}`);
  };
  return { act, hears };
}
