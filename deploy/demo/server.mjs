// A small MCP server on stdio (newline-delimited JSON-RPC): the tools add and echo, no authorization whatever.
import { createInterface } from "node:readline";

const tools = [
  {
    name: "add",
    description: "Adds two numbers",
    inputSchema: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } }, required: ["a", "b"] },
  },
  {
    name: "echo",
    description: "Says what it is told",
    inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
  },
];

const failure = (code, message) => Object.assign(new Error(message), { code });

const run = {
  add({ a, b }) {
    if (typeof a !== "number" || typeof b !== "number") throw failure(-32602, "a and b must be numbers");
    return String(a + b);
  },
  echo({ text }) {
    if (typeof text !== "string") throw failure(-32602, "text must be a string");
    return text;
  },
};

const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion: protocolVersion ?? "2025-06-18",
    capabilities: { tools: {} },
    serverInfo: { name: "demo", version: "1.0.0" },
  }),
  ping: () => ({}),
  "tools/list": () => ({ tools }),
  "tools/call": ({ name, arguments: args }) => {
    if (!Object.hasOwn(run, name)) throw failure(-32602, `no tool ${JSON.stringify(name)}`);
    return { content: [{ type: "text", text: run[name](args ?? {}) }] };
  },
};

const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");

createInterface({ input: process.stdin }).on("line", (line) => {
  let message;
  try {
    message = JSON.parse(line);
  } catch {
    return send({ id: null, error: { code: -32700, message: "not JSON" } });
  }
  const { id, method, params } = message ?? {};
  if (id === undefined || method === undefined) return; // a notification, or an answer to nobody
  try {
    if (!Object.hasOwn(methods, method)) throw failure(-32601, `no method ${JSON.stringify(method)}`);
    send({ id, result: methods[method](params ?? {}) });
  } catch (err) {
    send({ id, error: { code: err.code ?? -32603, message: err.message } });
  }
});
