// Programs that are clients by themselves, as children of ours: without a browser of their own, and none outlives us.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { browse, Unsupported } from "./commands.mjs";

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => process.exit(1));

// start starts a program of Node with its standard streams piped, and has hear told of each line on its stderr. It sees nothing of
// a desktop, and what opens its browser runs BROWSER, which does nothing: the user's browser is elsewhere (logIn).
export function start(node, args, environment, hear) {
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(node, args, { env: { PATH, HOME, ...(TMPDIR && { TMPDIR }), BROWSER: "true", ...environment } });
  running.add(child);
  child.ended = once(child, "close").finally(() => running.delete(child));
  child.ended.catch(() => {}); // it could not be started: whoever waits for it is told
  child.stdin.on("error", () => {}); // it ended: the same
  createInterface({ input: child.stderr }).on("line", (line) => {
    console.error(line);
    hear(line);
  });
  return child;
}

// logIn is the user, who goes to an authorization URL and is sent back to the child, which may not listen yet.
export async function logIn(url, child) {
  const back = await browse(url);
  for (;;) {
    try {
      const response = await fetch(back);
      console.error(`the callback answers ${response.status}`);
      return;
    } catch (err) {
      if (err.cause?.code !== "ECONNREFUSED" || !running.has(child)) throw err;
    }
    await delay(20);
  }
}

// Stores are folders for what a program keeps by URL: one for all URLs, and one for each store that has a name of its own.
export class Stores {
  #name;
  #folders = new Map();
  #urls = new Map();

  constructor(name) {
    this.#name = name;
  }

  folder(url, store = url) {
    const owner = /^https?:/.test(store) ? store : (this.#urls.get(store) ?? url);
    if (owner !== url) throw new Unsupported("it keeps credentials by URL");
    this.#urls.set(store, url);
    const key = store === url ? undefined : store;
    if (!this.#folders.has(key)) this.#folders.set(key, mkdtempSync(join(homedir(), `${this.#name}-`)));
    return this.#folders.get(key);
  }
}
