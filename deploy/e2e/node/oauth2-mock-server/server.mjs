// oauth2-mock-server on localhost:PORT, with the hook of docs/authorization-servers/oauth2-mock-server.md: it ignores "resource",
// so the hook puts that into "aud". A request without one gets the token that the server makes by itself.
//
//   node server.mjs PORT
import { OAuth2Server } from "oauth2-mock-server";

const port = Number(process.argv[2]);
if (!port) throw new Error("usage: server.mjs PORT");

const server = new OAuth2Server();
await server.issuer.keys.generate("RS256");
server.service.on("beforeTokenSigning", (token, request) => {
  if (request.body.resource && "scope" in token.payload) token.payload.aud = request.body.resource;
});
await server.start(port, "127.0.0.1");
console.log("ready");
