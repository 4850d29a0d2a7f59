// A page and its one bundled script on 127.0.0.1.
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

// `script` is a file beside this one, which `html` names /script.js; port 0 takes any. Gives the address and close().
export async function serve(script, html, port = 0) {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL(script, import.meta.url))],
    bundle: true, write: false, format: "iife", define: { global: "window" }, logLevel: "error",
  });
  const server = createServer((request, response) => {
    const wanted = request.url === "/script.js";
    response.setHeader("content-type", wanted ? "text/javascript" : "text/html; charset=utf-8");
    response.end(wanted ? bundle.outputFiles[0].contents : html);
  });
  await new Promise((listening, failed) => {
    server.once("error", failed);
    server.listen(port, "127.0.0.1", listening);
  });
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}
