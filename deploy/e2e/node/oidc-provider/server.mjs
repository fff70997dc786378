// oidc-provider on localhost:PORT, as docs/authorization-servers/oidc-provider.md says. Its keys are made anew at every start,
// under the ids KEY-rsa and KEY-ec; SIGHUP makes further ones, which sign from then on, and leaves those before them published.
// Whoever comes is signed in as alice and consents, without a page.
//
//   node server.mjs [--issuer URL] [--lifetime SECONDS] PORT KEY RESOURCE…
//
// --issuer is for a server that is asked through something else, and whose users have a browser that follows redirects. Without it,
// the server does that for them.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import Provider, { errors } from "oidc-provider";
import { createMemoryAdapter } from "oidc-provider/lib/adapters/memory_adapter.js";

const options = { issuer: { type: "string" }, lifetime: { type: "string", default: "3600" } };
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const [port, key, ...resources] = positionals;
if (!resources.length) throw new Error("usage: server.mjs [--issuer URL] [--lifetime SECONDS] PORT KEY RESOURCE…");
const issuer = values.issuer ?? `http://localhost:${port}`;

// As JWKs right away: to export a key that was just made can hang Node.js 20 for ever, once in a thousand times.
const encoding = { format: "jwk" };
const jwk = (kid, type, options) => ({
  ...generateKeyPairSync(type, { ...options, publicKeyEncoding: encoding, privateKeyEncoding: encoding }).privateKey, kid, use: "sig",
});
const pair = (name) => [jwk(`${name}-rsa`, "rsa", { modulusLength: 2048 }), jwk(`${name}-ec`, "ec", { namedCurve: "P-256" })];

// provide makes a provider with these keys, of which the first of a kind signs. A provider's keys are those of its start; so there is a
// new one for new keys, and one memory for all, the library's own.
const adapter = createMemoryAdapter();
const provide = (keys) => new Provider(issuer, {
  adapter,
  jwks: { keys },
  cookies: { keys: ["not a secret"] },
  clients: [
    { client_id: "machine", client_secret: "machine", token_endpoint_auth_method: "client_secret_basic", grant_types: ["client_credentials"], redirect_uris: [], response_types: [] },
    { client_id: "app", token_endpoint_auth_method: "none", redirect_uris: ["http://127.0.0.1:8765/callback"] },
  ],
  clientDefaults: { token_endpoint_auth_method: "none" },
  scopes: ["openid", "offline_access", "mcp:use", "mcp:admin"],
  // Also for clients that do not ask for offline_access, as many MCP clients do not.
  issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  // Consent for everything that is asked: every name in scopes counts as an OpenID scope, and the same names are the resource's.
  async loadExistingGrant({ oidc: { client, session, params, provider } }) {
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope(params.scope ?? "");
    for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, params.scope ?? "");
    await grant.save();
    return grant;
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_, resource) {
        if (!resources.includes(resource)) throw new errors.InvalidTarget();
        return {
          scope: "mcp:use mcp:admin", audience: resource, accessTokenTTL: Number(values.lifetime), accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } },
        };
      },
      useGrantedResource: () => true, // the code carries it: clients need not repeat it at the token endpoint
    },
  },
});

// browse follows the redirects of a login within this server, as a browser with its cookies would, and returns the first that
// leads out of it.
async function browse(url) {
  const cookies = new Map();
  for (let at = new URL(url, issuer); at.origin === issuer; ) {
    const response = await fetch(at, { redirect: "manual", headers: { cookie: [...cookies].map((c) => c.join("=")).join("; "), browsed: "1" } });
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(";");
      cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    }
    const location = response.headers.get("location");
    if (!location) throw new Error(`${at.pathname} answers ${response.status}: ${await response.text()}`);
    at = new URL(location, at);
    if (at.origin !== issuer) return at.href;
  }
}

let keys = pair(key), provider = provide(keys), serve = provider.callback(), rotations = 0;
process.on("SIGHUP", () => {
  keys = [...pair(`${key}-${++rotations}`), ...keys.slice(0, 2)];
  provider = provide(keys);
  serve = provider.callback();
});
createServer((request, response) => {
  const work = async () => {
    if (request.url.startsWith("/interaction/")) {
      await provider.interactionFinished(request, response, { login: { accountId: "alice" }, consent: {} });
    } else if (!values.issuer && request.url.startsWith("/auth?") && !request.headers.browsed) {
      response.writeHead(303, { location: await browse(request.url) }).end();
    } else {
      serve(request, response);
    }
  };
  work().catch((err) => response.writeHead(500).end(String(err)));
}).listen(port, "127.0.0.1", () => console.log("ready"));
