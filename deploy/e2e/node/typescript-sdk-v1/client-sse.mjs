// A client on the TypeScript SDK 1.x that speaks the older HTTP+SSE transport, with a token that it was given, or else by its own
// login. It calls the tools. The outcome is one line of JSON.
//
//   node client-sse.mjs URL [TOKEN]
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { loggedIn, run, useTools } from "./tools.mjs";

async function withToken(url, token) {
  const headers = { Authorization: `Bearer ${token}` }; // on the stream and on every message
  const client = new Client({ name: "e2e-sse", version: "1.0.0" });
  await client.connect(new SSEClientTransport(url, { requestInit: { headers } }));
  return client;
}

await run(async (url, token) => {
  const client = token ? await withToken(url, token) : (await loggedIn("e2e-sse", (options) => new SSEClientTransport(url, options))).client;
  const outcome = await useTools(client);
  await client.close();
  return outcome;
});
