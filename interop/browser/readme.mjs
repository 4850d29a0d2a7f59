// node readme.mjs '{"accept": "https://…", "phone": "http://…", "server": "wss://…", "users": ["alice", "bob"], "password": "…"}'
//
// What the README tells a person to do in a browser: accepts the certificate, opens the phone in a tab for each user,
// registers, calls the second from the first, and listens at both ends. Exits 1 at the first that does not go so.
import { LOOPBACK, launch, pause } from "./chromium.mjs";

const { accept, phone, server, users, password } = JSON.parse(process.argv[2]);
const browser = await launch([LOOPBACK, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]);

async function until(what, look) {
  for (let tries = 0; tries < 60; tries++) {
    if (await look()) return console.log(`holds: ${what}`);
    await pause(200);
  }
  throw new Error(`not so: ${what}`);
}

// The loudest that comes out of a tab's loudspeaker in a second, in dB of full scale.
const loudness = (tab) => tab.evaluate(async () => {
  const context = new AudioContext();
  const ear = new AnalyserNode(context);
  const stream = document.getElementById("sound").srcObject;
  if (!stream) return -200;
  context.createMediaStreamSource(stream).connect(ear);
  const samples = new Float32Array(ear.fftSize);
  let peak = 1e-9;
  for (let i = 0; i < 50; i++) {
    await new Promise((over) => setTimeout(over, 20));
    ear.getFloatTimeDomainData(samples);
    peak = Math.max(peak, ...samples.map(Math.abs));
  }
  await context.close();
  return 20 * Math.log10(peak);
});

let failed = 0;
try {
  const profile = await browser.newContext();
  const first = await profile.newPage();
  const warns = () => first.goto(accept).then(() => false, (error) => /CERT/.test(error.message));
  if (!await warns()) throw new Error("no warning of the certificate");
  await until("the certificate is accepted", async () => {
    // What a person does by "Advanced" and "Proceed".
    await first.keyboard.type("thisisunsafe", { delay: 20 });
    await pause(500);
    return !await warns();
  });
  await until("the door says what it is", async () => (await first.locator("body").textContent()).includes("SIP over WebSocket"));

  const tabs = [];
  for (const user of users) {
    const tab = tabs.length ? await profile.newPage() : first;
    await tab.goto(phone);
    await tab.getByLabel("Server").fill(server);
    await tab.getByLabel("User").fill(user);
    await tab.getByLabel("Password").fill(password);
    await tab.getByRole("button", { name: "Register" }).click();
    await until(`${user} is registered`, async () => (await tab.locator("output").textContent()) === `registered as ${user}`);
    tabs.push(tab);
  }
  const [alice, bob] = tabs;
  await alice.getByLabel("Whom").fill(users[1]);
  await alice.getByRole("button", { name: "Call" }).click();
  await bob.getByRole("button", { name: "Answer" }).click();
  for (const [i, tab] of tabs.entries()) {
    await until(`${users[i]} talks`, async () => (await tab.locator("output").textContent()) === `talking to ${users[1 - i]}`);
    // The microphone of a browser without one beeps once a second.
    await until(`${users[i]} hears`, async () => (await loudness(tab)) > -40);
  }
  await bob.getByRole("button", { name: "Hang up" }).click();
  await until("both have hung up", async () => (await alice.locator("output").textContent()).startsWith("over"));
} catch (error) {
  failed = 1;
  console.error(`fails: ${error.message}`);
} finally {
  await browser.close();
}
process.exit(failed);
