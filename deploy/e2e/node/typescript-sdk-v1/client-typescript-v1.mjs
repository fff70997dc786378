// A client on the TypeScript SDK 1.x that knows nothing but a URL: it is refused, finds the authorization server, registers unless it
// was given a client id, logs in, and calls the tools. The outcome is one line of JSON.
//
//   node client-typescript-v1.mjs URL [CLIENT-ID]
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { loggedIn, run, useTools } from "./tools.mjs";

await run(async (url, id) => {
  const { client, login } = await loggedIn("e2e-typescript-v1", (options) => new StreamableHTTPClientTransport(url, options), id);
  const outcome = await useTools(client);
  await client.close();
  return { ...outcome, registered: login.registered, scope: login.tokens()?.scope ?? null };
});
