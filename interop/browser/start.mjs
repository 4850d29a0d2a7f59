// npm start [-- PORT]: serves a phone's page until Ctrl-C, on port 8080 of 127.0.0.1 unless told another.
import { readFileSync } from "node:fs";
import { serve } from "./serve.mjs";

const html = readFileSync(new URL("phone.html", import.meta.url));
const { address } = await serve("phone.js", html, Number(process.argv[2] ?? 8080));
console.log(`a phone: ${address}`);
