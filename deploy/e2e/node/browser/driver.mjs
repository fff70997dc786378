// A page with the application in it, on an origin of its own, in a real Chromium. It takes commands, one JSON object per line on
// stdin, and answers each with one on stdout.
//
//   node driver.mjs CHROMIUM PORT v1|v2|v2-auto
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import puppeteer from "puppeteer-core";

const within = 20_000; // ms, for a command

const [executablePath, port, sdk] = process.argv.slice(2);
if (!sdk) throw new Error("usage: driver.mjs CHROMIUM PORT v1|v2|v2-auto");

const bundle = await build({
  entryPoints: [fileURLToPath(new URL(`page-${sdk.slice(0, 2)}.mjs`, import.meta.url))],
  define: { AUTO: String(sdk.endsWith("-auto")) },
  bundle: true,
  platform: "browser",
  format: "esm",
  write: false,
  logLevel: "warning",
});
const script = bundle.outputFiles[0].text;

// Every path but the script is the page: / and the callback.
const server = createServer(({ url }, response) => {
  const [type, body] = url === "/page.js" ? ["text/javascript", script] : ["text/html", '<!doctype html><title>e2e</title><script type="module" src="/page.js"></script>'];
  response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-store" }).end(body);
});
await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));

const browser = await puppeteer.launch({
  executablePath,
  pipe: true, // it ends with this program, however that ends
  args: [
    ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1", // nothing of its own leaves the machine
  ],
});
const [page] = await browser.pages();
page.on("console", (message) => console.error(message.text())); // where Chromium says why it kept an answer from the page
page.on("pageerror", (err) => console.error(err));
await page.goto(`http://127.0.0.1:${port}/`);

let id = 0;
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    await page.evaluate((command) => window.begin(command), { ...JSON.parse(line), id: ++id });
    const found = await page.waitForFunction((id) => window.answer?.id === id && window.answer, { timeout: within }, id);
    answer = await found.jsonValue();
  } catch (err) {
    answer = { ok: false, error: err.name === "TimeoutError" ? "timed out: no answer of the page" : String(err).slice(0, 300) };
  }
  console.log(JSON.stringify(answer));
}
await browser.close();
server.close();
server.closeAllConnections();
