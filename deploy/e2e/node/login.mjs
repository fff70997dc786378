// Login is an OAuthClientProvider of the TypeScript SDK, 1.x and 2.x alike. It keeps everything in memory, and is the browser
// and the user at once.
import { randomUUID } from "node:crypto";

// Nothing listens there: the answer is taken from the redirect itself.
export const redirectUrl = "http://127.0.0.1:8765/callback";

export class Login {
  redirectUrl = redirectUrl;
  clientMetadata = {
    client_name: "e2e",
    redirect_uris: [redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
  registered = false;
  answer; // of the authorization server, as URLSearchParams, until somebody takes it
  url; // of the MCP server that it is used for at the moment
  enough = false; // the user has logged in, and is not asked again: that would be a loop
  #visit;
  #client;
  #tokens;
  #verifier;
  #discovery;
  #state;

  // visit goes to a URL of the authorization server, and returns the one that it redirects to. A client that was registered
  // beforehand is never replaced; without one, the SDK registers.
  constructor(visit, client) {
    this.#visit = visit;
    this.#client = client;
    if (!client) {
      this.saveClientInformation = (registered) => {
        this.#client = registered;
        this.registered = true;
      };
    }
  }

  clientInformation = () => this.#client;
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

  // Without this the SDK would try again what was refused: a refresh token, a registration that the server forgot.
  invalidateCredentials(what) {
    const all = what === "all";
    if (all || what === "tokens") this.#tokens = undefined;
    if (all || what === "verifier") this.#verifier = undefined;
    if (all || what === "discovery") this.#discovery = undefined;
    if ((all || what === "client") && this.saveClientInformation) this.#client = undefined;
  }

  state() {
    this.#state = randomUUID();
    return this.#state;
  }

  async redirectToAuthorization(url) {
    this.answer = undefined;
    if (this.enough) throw new Error("another login is asked for, after one");
    const { origin, pathname, searchParams: answer } = new URL(await this.#visit(url));
    if (origin + pathname !== redirectUrl) throw new Error(`redirected to ${origin}${pathname}`);
    if (answer.get("state") !== this.#state) throw new Error("the state that came back is not the one sent");
    this.answer = answer;
  }
}

// codeOf is for SDKs that take the code alone: that it may be an error instead is then the application's to see.
export function codeOf(answer) {
  if (answer.has("error")) throw new Error(`not authorized: ${answer.get("error")}: ${answer.get("error_description")}`);
  return answer.get("code");
}
