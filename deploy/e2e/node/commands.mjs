// The line protocol of the programs that the matrix of clients runs: one JSON object per line on stdin is a command, one on
// stdout is its outcome. A command is the method of that name of an application; {"do":"connect"} makes one connection to one
// URL, "list" and "call" use it, "close" ends it.
import { createInterface } from "node:readline";

const within = 20_000; // ms, for a command: a hang is an outcome
const patience = 2_000; // ms, for leaving

// serve carries commands out until stdin ends. A method gets the command, and a signal that says when it is given up.
export async function serve(application) {
  console.log = console.error; // of libraries: stdout is for outcomes
  for await (const line of createInterface({ input: process.stdin })) {
    let outcome;
    try {
      const { do: name, ...command } = JSON.parse(line);
      if (command.client && !command.client.client_secret) delete command.client.client_secret; // a public client
      if (!["connect", "list", "call", "close"].includes(name)) throw new Unsupported(`there is no command ${name}`);
      outcome = { ok: true, ...(await bounded(within, name, (signal) => application[name](command, signal))) };
    } catch (err) {
      console.error(err);
      outcome = { ok: false, ...(err instanceof Unsupported && { unsupported: true }), error: told(err) };
    }
    process.stdout.write(JSON.stringify(outcome) + "\n");
  }
  await leave(() => application.close({}));
  process.exit(0);
}

// Unsupported is an error for what a client cannot be asked to do.
export class Unsupported extends Error {}

// leave ends something without waiting for long, nor for success.
export const leave = (work) => bounded(patience, "leaving", work).catch((err) => console.error(err));

async function bounded(limit, name, work) {
  const controller = new AbortController();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      controller.abort();
      reject(new Error(`timed out: ${name} took more than ${limit / 1000} s`));
    }, limit);
  });
  try {
    return await Promise.race([work(controller.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

// textOf is the first text of a tool's result.
export function textOf({ content, isError }) {
  const text = content?.[0]?.text ?? "";
  if (isError) throw new Error(text);
  return text;
}

// told is an error in one line of at most 300 bytes, without anything that could be a token, a code or a secret.
function told(err) {
  const name = err instanceof Error && ![Error, Unsupported].includes(err.constructor) ? err.constructor.name : "";
  const status = [err?.status, err?.code].find((code) => code >= 400 && code < 600); // which some messages lack
  const text = [name, status, err?.message ?? String(err), err?.cause?.code ?? err?.cause?.message].filter(Boolean).join(": ");
  const line = text
    .replace(/\s+/g, " ")
    .replace(/[\w-]{8,}(\.[\w-]{8,}){2}/g, "…")
    .replace(/\b(code|state|code_challenge|client_secret|\w*token)(["']?[=:]\s*["']?)[\w.~+/-]{16,}/g, "$1$2…");
  return Buffer.from(line).subarray(0, 300).toString().replace(/\uFFFD$/, "");
}

// browse has the user's browser go to an authorization URL, and returns the URL that it is sent to in the end, which nobody has
// followed.
export async function browse(url) {
  const response = await fetch(`${process.env.BROWSER}?visit=${encodeURIComponent(url)}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`the login failed: ${text}`);
  return text;
}
