// The command line of the MCP Inspector, for the matrix of clients. It is started anew for each command, connects, does one thing
// and ends; what it knows of authorization servers it keeps in files, by URL.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { logIn, start, Stores } from "../child.mjs";
import { serve, textOf } from "../commands.mjs";

const inspector = fileURLToPath(new URL("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", import.meta.url));
const node = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/bin/node`); // newer than that of the machine
const port = process.env.CALLBACK_PORT;

// run is one run of the Inspector, and returns what it prints.
async function run({ url, home, client }, signal, method, ...options) {
  const args = [inspector, "--cli", "--server-url", url, "--transport", "http", "--method", method, "--format", "json", ...options];
  if (port) args.push("--callback-url", `http://127.0.0.1:${port}/oauth/callback`);
  if (client) args.push("--client-id", client.client_id);
  if (client?.client_secret) args.push("--client-secret", client.client_secret);
  let printed = "";
  let problem;
  // MCP_AUTO_OPEN_ENABLED: somebody is there to log in, though there is no terminal.
  const environment = { HOME: home, MCP_INSPECTOR_SECRET_STORE: "file", MCP_AUTO_OPEN_ENABLED: "true" };
  const child = start(node, args, environment, (line) => {
    const at = /Please navigate to: (\S+)/.exec(line)?.[1];
    if (at) {
      logIn(at, child).catch((err) => {
        problem = err;
        child.kill(); // it would wait on
      });
    }
    if (line.startsWith('{"error":')) {
      const { code, status, message, cause } = JSON.parse(line).error;
      problem ??= new Error([code, status, message, cause].filter(Boolean).join(": "));
    }
  });
  child.stdin.end("y\n"); // to the question whether it shall ask for a further scope
  signal.addEventListener("abort", () => child.kill("SIGKILL"));
  child.stdout.setEncoding("utf8").on("data", (text) => (printed += text));
  const [code] = await child.ended;
  if (problem) throw problem;
  if (!printed) throw new Error(`it ended with ${code}`);
  return JSON.parse(printed).result;
}

const stores = new Stores("inspector");
let connection;

const connected = () => {
  if (!connection) throw new Error("not connected");
  return connection;
};

await serve({
  async connect({ url, store, client }, signal) {
    connection = undefined;
    const next = { url, client, home: stores.folder(url, store) };
    const { protocolVersion: version = "" } = await run(next, signal, "initialize");
    connection = next;
    return { version };
  },
  async list(_, signal) {
    const { tools } = await run(connected(), signal, "tools/list");
    return { tools: tools.map((tool) => tool.name) };
  },
  async call({ tool, arguments: args = {} }, signal) {
    return { text: textOf(await run(connected(), signal, "tools/call", "--tool-name", tool, "--tool-args-json", JSON.stringify(args))) };
  },
  async close() {
    connection = undefined; // no session outlives a run
    return {};
  },
});
