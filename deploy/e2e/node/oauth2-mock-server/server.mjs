// oauth2-mock-server on localhost:PORT, with the hook of docs/authorization-servers/oauth2-mock-server.md: it ignores "resource",
// so the hook puts that into "aud". A request without one gets the token that the server makes by itself.
//
//   node server.mjs [--issuer URL] [--lifetime SECONDS] PORT
//
// --issuer is for a server that is asked through something else; then the hooks for scopes of that page are there, too: what a login
// asked for is what its tokens say.
import { parseArgs } from "node:util";
import { OAuth2Server } from "oauth2-mock-server";

const options = { issuer: { type: "string" }, lifetime: { type: "string" } };
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const port = Number(positionals[0]), lifetime = Number(values.lifetime);
if (!port) throw new Error("usage: server.mjs [--issuer URL] [--lifetime SECONDS] PORT");

const server = new OAuth2Server();
await server.issuer.keys.generate("RS256");
server.service.on("beforeTokenSigning", (token, request) => {
  if (request.body.resource && "scope" in token.payload) token.payload.aud = request.body.resource;
  if (lifetime) token.payload.exp = token.payload.iat + lifetime;
});
server.service.on("beforeResponse", ({ body }) => {
  if (lifetime) body.expires_in = lifetime;
});

if (values.issuer) {
  const asked = new Map(); // scopes, by the code or the refresh token that stands for them
  const grant = ({ body }) => body.code ?? body.refresh_token;
  server.service.on("beforeAuthorizeRedirect", ({ url }, { query }) => asked.set(url.searchParams.get("code"), query.scope));
  server.service.on("beforeTokenSigning", ({ payload }, request) => {
    if ("scope" in payload && asked.has(grant(request))) payload.scope = asked.get(grant(request));
  });
  server.service.on("beforeResponse", ({ body }, request) => {
    if (!body.refresh_token) return;
    body.scope = asked.get(grant(request));
    asked.set(body.refresh_token, body.scope);
  });
}

await server.start(port, "127.0.0.1");
if (values.issuer) server.issuer.url = values.issuer;
console.log("ready");
