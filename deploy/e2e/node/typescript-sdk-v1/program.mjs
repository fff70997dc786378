// A client on the TypeScript SDK 1.x, for the matrix of clients.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Application } from "../application.mjs";
import { serve } from "../commands.mjs";
import { codeOf } from "../login.mjs";

await serve(
  new Application({
    UnauthorizedError,
    open: (url, authProvider) => ({
      client: new Client({ name: "e2e-typescript-v1", version: "1.0.0" }),
      transport: new StreamableHTTPClientTransport(url, { authProvider }),
    }),
    finish: async (transport, answer) => transport.finishAuth(codeOf(answer)),
    version: ({ transport }) => transport.protocolVersion,
  }),
);
