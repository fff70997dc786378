// A client on the TypeScript SDK 2.x, for the matrix of clients: as it comes ("legacy": the handshake of the protocol's older
// revisions), or asking for the newer ones first ("auto").
//
//   node program.mjs legacy|auto
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { Application } from "../application.mjs";
import { serve } from "../commands.mjs";

const eras = { legacy: {}, auto: { versionNegotiation: { mode: "auto" } } };
const options = eras[process.argv[2]];
if (!options) throw new Error("usage: program.mjs legacy|auto");

await serve(
  new Application({
    UnauthorizedError,
    open: (url, authProvider) => ({
      client: new Client({ name: "e2e-typescript-v2", version: "1.0.0" }, options),
      transport: new StreamableHTTPClientTransport(url, { authProvider }),
    }),
    finish: async (transport, answer) => transport.finishAuth(answer), // whole: the SDK checks iss, and what an error says
    version: ({ client }) => client.getNegotiatedProtocolVersion(),
  }),
);
