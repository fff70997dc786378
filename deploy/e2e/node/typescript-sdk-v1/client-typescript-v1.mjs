// A client on the TypeScript SDK 1.x that knows nothing but a URL: it is refused, finds the authorization server, registers,
// logs in, and calls the tools. The outcome is one line of JSON.
//
//   node client-typescript-v1.mjs URL
import { randomUUID } from "node:crypto";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { run, useTools } from "./tools.mjs";

// Nothing listens there: the code is taken from the redirect itself.
const redirectUrl = "http://127.0.0.1:8765/callback";

// Login is an OAuthClientProvider in memory, and the browser and the user at once.
class Login {
  redirectUrl = redirectUrl;
  clientMetadata = {
    client_name: "e2e",
    redirect_uris: [redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
  registered = false;
  #state = randomUUID();
  #client;
  #tokens;
  #verifier;
  #discovery;

  state = () => this.#state;
  clientInformation = () => this.#client;
  saveClientInformation(client) {
    this.#client = client;
    this.registered = true;
  }
  tokens = () => this.#tokens;
  saveTokens(tokens) {
    this.#tokens = tokens;
  }
  codeVerifier = () => this.#verifier;
  saveCodeVerifier(verifier) {
    this.#verifier = verifier;
  }
  discoveryState = () => this.#discovery;
  saveDiscoveryState(discovery) {
    this.#discovery = discovery; // remembered from the redirect until the code is there, so that nothing is fetched twice
  }

  async redirectToAuthorization(url) {
    const response = await fetch(url, { redirect: "manual" });
    const location = response.headers.get("location");
    if (!location) throw new Error(`the authorization endpoint answers ${response.status}: ${await response.text()}`);
    const { origin, pathname, searchParams: answer } = new URL(location, url);
    if (origin + pathname !== redirectUrl) throw new Error(`redirected to ${origin}${pathname}`);
    if (answer.has("error")) throw new Error(`not authorized: ${answer.get("error")}: ${answer.get("error_description")}`);
    if (answer.get("state") !== this.#state) throw new Error("the state that came back is not the one sent");
    this.code = answer.get("code");
  }
}

await run(async (url) => {
  const login = new Login();
  const connect = async () => {
    const transport = new StreamableHTTPClientTransport(url, { authProvider: login });
    const client = new Client({ name: "e2e-typescript-v1", version: "1.0.0" });
    try {
      await client.connect(transport);
    } catch (err) {
      if (!(err instanceof UnauthorizedError) || !login.code) throw err;
      await transport.finishAuth(login.code);
      login.code = undefined; // it is good for one login: a second refusal is an error
      return connect();
    }
    return client;
  };
  const client = await connect();
  const outcome = await useTools(client);
  await client.close();
  return { ...outcome, registered: login.registered, scope: login.tokens()?.scope ?? null };
});
