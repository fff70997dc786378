// mcp-proxy with its own authentication switched on, at 127.0.0.1:PORT, endpoint /mcp, without sessions. It takes any bearer
// token; what it answers to a request without one is the fault: a 401 without WWW-Authenticate, so that no client can log in.
// Behind mcp-authz the resource needs forwardToken: true, or the token never gets here.
//
//   node upstream-authenticating.mjs PORT
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { startHTTPServer } from "mcp-proxy";
import { z } from "zod";

const port = Number(process.argv[2]);
if (!port) throw new Error("usage: upstream-authenticating.mjs PORT");

const text = (value) => ({ content: [{ type: "text", text: value }] });

async function createServer() {
  const server = new McpServer({ name: "authenticating", version: "1.0.0" });
  const add = { description: "Adds two numbers", inputSchema: { a: z.number(), b: z.number() } };
  server.registerTool("add", add, ({ a, b }) => text(String(a + b)));
  const echo = { description: "Says what it is told", inputSchema: { text: z.string() } };
  server.registerTool("echo", echo, (args) => text(args.text));
  return server;
}

// A falsy result is how an application says no; mcp-proxy then writes the refusal.
const authenticate = async (request) => /^Bearer \S+$/i.test(request.headers.authorization ?? "");

process.once("SIGTERM", () => process.exit(0)); // at once: an orderly stop waits for open event streams

await startHTTPServer({ authenticate, createServer, host: "127.0.0.1", port, sseEndpoint: null, stateless: true });
console.log("ready");
