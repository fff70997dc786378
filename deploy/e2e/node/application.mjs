// An application on the TypeScript SDK, 1.x or 2.x, as careful as its users hope: it logs in when it is asked to, once per
// command, and repeats what was refused until then, once.
import { browse, leave, textOf } from "./commands.mjs";
import { Login } from "./login.mjs";

export class Application {
  #sdk;
  #logins = new Map(); // by the name of the store
  #session;

  // sdk is what differs: open(url, login) returns a client and a transport, finish(transport, answer) redeems the answer of the
  // authorization server, version(session) is what was negotiated, and UnauthorizedError says that the user has been sent there.
  constructor(sdk) {
    this.#sdk = sdk;
  }

  async connect({ url, store = url, client: registered }) {
    await this.close();
    if (!this.#logins.has(store)) this.#logins.set(store, new Login(browse, registered));
    const login = this.#logins.get(store);
    if (login.url !== url) login.invalidateCredentials("discovery"); // which is for the application to do
    login.url = url;
    login.enough = false;
    const session = (this.#session = { login });
    for (let first = true; ; first = false) {
      Object.assign(session, this.#sdk.open(new URL(url), session.login));
      session.client.onerror = (err) => this.#authorized(session, err).catch((err) => console.error(err));
      try {
        await session.client.connect(session.transport);
        break;
      } catch (err) {
        if (!first || !(await this.#authorized(session, err))) throw err;
      }
      if (session !== this.#session) throw new Error("it was given up");
    }
    session.connected = true;
    return { version: this.#sdk.version(session) ?? "" };
  }

  async list() {
    const { tools } = await this.#ask((client) => client.listTools());
    return { tools: tools.map((tool) => tool.name) };
  }

  async call({ tool, arguments: args }) {
    return { text: textOf(await this.#ask((client) => client.callTool({ name: tool, arguments: args }))) };
  }

  async close() {
    const session = this.#session;
    this.#session = undefined;
    if (!session) return;
    await leave(() => session.transport.terminateSession()); // DELETE, if there is a session
    await leave(() => session.client.close());
  }

  async #ask(question) {
    const session = this.#session;
    if (!session?.connected) throw new Error("not connected");
    session.login.enough = false;
    session.finishing = undefined;
    try {
      return await question(session.client);
    } catch (err) {
      if (!(await this.#authorized(session, err))) throw err;
    }
    return question(session.client);
  }

  // authorized finishes the login that an error asks for, if the user has come back from it. The errors of a stream that nobody
  // waits for come here, too, and those of a request twice: the answer is taken by the first, and the others wait.
  async #authorized(session, err) {
    if (!(err instanceof this.#sdk.UnauthorizedError)) return false;
    const { login, transport } = session;
    if (login.answer) {
      const answer = login.answer;
      login.answer = undefined;
      login.enough = true;
      session.finishing = this.#sdk.finish(transport, answer);
    }
    if (!session.finishing) return false;
    await session.finishing;
    return true;
  }
}
