// A web application that uses MCP servers, whichever version of the TypeScript SDK it is on. It lives in a page and goes to the
// authorization server with it: what must last meanwhile is in sessionStorage. The page goes away in the middle of a command, and
// the one that comes back goes on with it.
//
// The driver calls begin(command) and waits until window.answer is that command's.

const load = (name) => JSON.parse(sessionStorage.getItem(name)) ?? undefined;
const save = (name, value) => (value === undefined ? sessionStorage.removeItem(name) : sessionStorage.setItem(name, JSON.stringify(value)));

// Login is an OAuthClientProvider.
class Login {
  leaving = false;
  redirectUrl = location.origin + "/callback";
  clientMetadata = {
    client_name: "e2e-browser",
    redirect_uris: [this.redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };

  state() {
    save("state", crypto.randomUUID());
    return load("state");
  }
  clientInformation = () => load("client");
  saveClientInformation = (client) => save("client", client);
  tokens = () => load("tokens");
  saveTokens = (tokens) => save("tokens", tokens);
  codeVerifier = () => load("verifier");
  saveCodeVerifier = (verifier) => save("verifier", verifier);
  discoveryState = () => load("discovery");
  saveDiscoveryState = (discovery) => save("discovery", discovery);
  invalidateCredentials(what) {
    for (const name of what === "all" ? ["client", "tokens", "verifier", "discovery"] : [what]) save(name, undefined);
  }

  redirectToAuthorization(url) {
    if (load("command")?.returned) throw new Error("another login is asked for, after one"); // a loop
    this.leaving = true;
    location.assign(url);
  }
}

// application is the page. sdk makes a client and a transport, and takes the answer of the authorization server.
export function application(sdk) {
  const login = new Login();
  let client, transport;

  const connect = async (url) => {
    save("url", url);
    transport = sdk.transport(new URL(url), login);
    client = undefined;
    const made = sdk.client();
    await made.connect(transport);
    client = made;
  };
  const connected = () => client ?? connect(load("url")); // the page may be another than the one that was connected

  const commands = {
    async connect({ url }) {
      await connect(url);
      return { version: transport.protocolVersion, text: transport.sessionId ? "with a session" : "" };
    },
    async list() {
      await connected();
      return { tools: (await client.listTools()).tools.map((tool) => tool.name).sort() };
    },
    async call({ tool, arguments: args }) {
      await connected();
      const { content, isError } = await client.callTool({ name: tool, arguments: args });
      return { ok: !isError, text: content[0].text };
    },
    async close() {
      await transport.terminateSession();
      await client.close();
      client = undefined;
      return {};
    },
    // fetch is the page's own, without a library: what it may read of an answer.
    async fetch({ url, init }) {
      const response = await fetch(url, init);
      return { text: JSON.stringify({ status: response.status, header: Object.fromEntries(response.headers), body: await response.text() }) };
    },
    // scope is that of the token that the page has.
    scope: () => ({ text: load("tokens")?.scope ?? "" }),
  };

  const run = async (work) => {
    const { id, do: name } = load("command");
    try {
      window.answer = { id, ok: true, ...(await work(commands[name])) };
    } catch (err) {
      if (login.leaving) return; // the page that comes back answers
      window.answer = { id, ok: false, error: String(err).replaceAll("\n", " ").slice(0, 300) };
    }
  };

  window.begin = ({ token, ...command }) => {
    if (token) save("tokens", { ...load("tokens"), access_token: token, token_type: "Bearer" }); // as an earlier visit left it
    save("command", command);
    run((carryOut) => carryOut(command));
  };

  if (location.pathname === "/callback") {
    const answer = new URLSearchParams(location.search);
    history.replaceState(null, "", "/"); // a code is not for the history
    const command = { ...load("command"), returned: true };
    save("command", command);
    run(async (carryOut) => {
      if (answer.get("state") !== load("state")) throw new Error("the state that came back is not the one sent");
      if (answer.has("error")) throw new Error(`not authorized: ${answer.get("error")}`);
      await sdk.finish(sdk.transport(new URL(command.url ?? load("url")), login), answer);
      return carryOut(command);
    });
  }
}
