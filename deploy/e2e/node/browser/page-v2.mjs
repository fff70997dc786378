// The application on the TypeScript SDK 2.x. AUTO is set when it is bundled: whether it speaks the protocol's newer era, too.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { application } from "./page.mjs";

application({
  client: () => new Client({ name: "e2e-browser-v2", version: "1.0.0" }, AUTO ? { versionNegotiation: { mode: "auto" } } : {}),
  transport: (url, authProvider) => new StreamableHTTPClientTransport(url, { authProvider }),
  finish: (transport, answer) => transport.finishAuth(answer),
});
