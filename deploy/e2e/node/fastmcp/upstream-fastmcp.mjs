// A FastMCP server on 127.0.0.1:PORT, endpoint PATH (/mcp), with sessions: the tools add and echo, no authorization whatever.
//
//   node upstream-fastmcp.mjs PORT [PATH]
import { FastMCP } from "fastmcp";
import { z } from "zod";

const port = Number(process.argv[2]);
const endpoint = process.argv[3] ?? "/mcp";
if (!port) throw new Error("usage: upstream-fastmcp.mjs PORT [PATH]");

const server = new FastMCP({ name: "fastmcp", version: "1.0.0" });

server.addTool({
  name: "add",
  description: "Adds two numbers",
  parameters: z.object({ a: z.number(), b: z.number() }),
  execute: async ({ a, b }) => String(a + b),
});

server.addTool({
  name: "echo",
  description: "Says what it is told",
  parameters: z.object({ text: z.string() }),
  execute: async ({ text }) => text,
});

process.once("SIGTERM", () => process.exit(0)); // at once: an orderly stop waits for open event streams

await server.start({ transportType: "httpStream", httpStream: { host: "127.0.0.1", port, endpoint } });
console.log("ready");
