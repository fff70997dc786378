// What both clients do beside choosing a transport, and how they tell.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { codeOf, Login } from "../login.mjs";

const within = 30_000; // ms, for everything

// visit is a browser that knows one page.
async function visit(url) {
  const response = await fetch(url, { redirect: "manual" });
  const location = response.headers.get("location");
  if (!location) throw new Error(`the authorization endpoint answers ${response.status}: ${await response.text()}`);
  return new URL(location, url);
}

// loggedIn is a client that logged in by itself over the transport that open makes, and its login. With an id it is a client that was
// registered beforehand.
export async function loggedIn(name, open, id) {
  const login = new Login(visit, id && { client_id: id });
  const connect = async (finished) => {
    const transport = open({ authProvider: login });
    const client = new Client({ name, version: "1.0.0" });
    try {
      await client.connect(transport);
    } catch (err) {
      if (!(err instanceof UnauthorizedError) || !login.answer || finished) throw err; // a second refusal is an error
      await transport.finishAuth(codeOf(login.answer));
      return connect(true);
    }
    return client;
  };
  return { client: await connect(), login };
}

// useTools lists the tools and calls the two that every upstream has.
export async function useTools(client) {
  const call = async (name, args) => {
    const { content, isError } = await client.callTool({ name, arguments: args });
    if (isError) throw new Error(`${name} failed: ${JSON.stringify(content)}`);
    return content[0].text;
  };
  const { tools } = await client.listTools();
  return {
    tools: tools.map((tool) => tool.name),
    add: await call("add", { a: 2, b: 3 }),
    echo: await call("echo", { text: "hello" }),
  };
}

// run prints what the work makes of the command line's URL as one line of JSON, or says on stderr why it failed.
export async function run(work) {
  const [url, ...rest] = process.argv.slice(2);
  const fail = (err) => {
    console.error(err);
    process.exit(1);
  };
  const timer = setTimeout(() => fail(new Error(`no outcome after ${within / 1000} s`)), within);
  try {
    console.log(JSON.stringify(await work(new URL(url), ...rest)));
  } catch (err) {
    fail(err);
  }
  clearTimeout(timer);
}
