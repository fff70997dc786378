// A client on the TypeScript SDK 1.x that speaks the older HTTP+SSE transport and was given a token: it calls the tools. The
// outcome is one line of JSON.
//
//   node client-sse.mjs URL TOKEN
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { run, useTools } from "./tools.mjs";

await run(async (url, token) => {
  const headers = token ? { Authorization: `Bearer ${token}` } : {}; // on the stream and on every message
  const client = new Client({ name: "e2e-sse", version: "1.0.0" });
  await client.connect(new SSEClientTransport(url, { requestInit: { headers } }));
  const outcome = await useTools(client);
  await client.close();
  return outcome;
});
