// What both clients do once they are connected, and how they tell.

const within = 30_000; // ms, for everything

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
