// mcp-remote, for the matrix of clients: as a desktop application starts it, as an MCP server of its own on stdin and stdout.
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { logIn, start, Stores } from "../child.mjs";
import { leave, serve, textOf } from "../commands.mjs";

const proxy = fileURLToPath(new URL("node_modules/mcp-remote/dist/proxy.js", import.meta.url));
const port = process.env.CALLBACK_PORT; // for the redirect URI http://localhost:PORT/oauth/callback; without it, one by the URL

// Proxy is a running mcp-remote.
class Proxy {
  #child;
  #asked = new Map(); // questions without an answer, by their id
  #id = 0;
  #over; // why it cannot be asked any more

  constructor(url, folder, client) {
    const args = [proxy, url, ...(port ? [port] : []), ...(client ? ["--static-oauth-client-info", JSON.stringify(client)] : [])];
    let to; // the authorization URL
    let fatal = "mcp-remote ended";
    this.#child = start(process.execPath, args, { MCP_REMOTE_CONFIG_DIR: folder }, (line) => {
      if (/^https?:/.test(line)) to = line;
      // Not before it opens the browser: until then it would miss the answer that is an error.
      if (line.includes("Browser opened") || line.includes("Could not open a browser")) {
        logIn(to, this.#child).catch((err) => this.#fail(err)); // it would wait on
      }
      fatal = /Fatal error: (.*)/.exec(line)?.[1] ?? fatal;
    });
    this.#child.ended.then(
      () => this.#fail((this.#over = new Error(fatal))),
      (err) => this.#fail((this.#over = err)),
    );
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#hear(JSON.parse(line)));
  }

  ask(method, params) {
    if (this.#over) throw this.#over;
    const id = ++this.#id;
    this.tell({ id, method, params });
    return new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
  }

  tell(message) {
    this.#child.stdin.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
  }

  // end takes its stdin away, which ends it, though not while it waits for a login.
  async end() {
    this.#child.stdin.end();
    await leave(() => this.#child.ended);
    this.#child.kill("SIGKILL");
  }

  #hear({ id, method, result, error }) {
    if (method) {
      const answer = method === "ping" ? { result: {} } : { error: { code: -32601, message: "Method not found" } };
      if (id !== undefined) this.tell({ id, ...answer });
      return;
    }
    const question = this.#asked.get(id);
    this.#asked.delete(id);
    if (error) question?.reject(new Error(`${error.code}: ${error.message}`));
    else question?.resolve(result);
  }

  #fail(err) {
    for (const { reject } of this.#asked.values()) reject(err);
    this.#asked.clear();
  }
}

const stores = new Stores("mcp-remote");
let remote;

async function close() {
  const left = remote;
  remote = undefined;
  await left?.end();
  return {};
}

const connected = () => {
  if (!remote) throw new Error("not connected");
  return remote;
};

await serve({
  async connect({ url, store, client }, signal) {
    await close();
    const opened = (remote = new Proxy(url, stores.folder(url, store), client));
    signal.addEventListener("abort", close);
    try {
      const { protocolVersion: version } = await opened.ask("initialize", {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "e2e-mcp-remote", version: "1.0.0" },
      });
      opened.tell({ method: "notifications/initialized" });
      return { version };
    } catch (err) {
      if (opened === remote) await close();
      throw err;
    }
  },
  list: async () => ({ tools: (await connected().ask("tools/list", {})).tools.map((tool) => tool.name) }),
  call: async ({ tool, arguments: args }) => ({ text: textOf(await connected().ask("tools/call", { name: tool, arguments: args })) }),
  close,
});
