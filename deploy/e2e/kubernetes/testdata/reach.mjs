// Loaded before a client: it finds the hosts of the cluster at the ports of the node, as DNS and a load balancer would have it. What
// the client says, and whose certificate it wants, stays as it is.
import tls from "node:tls";

const reach = JSON.parse(process.env.REACH); // {"host:port": "address:port"}
const connect = tls.connect;
tls.connect = (options, ...rest) => {
  const to = reach[`${options.servername || options.host}:${options.port || 443}`];
  if (!to) throw new Error(`nobody is reached at ${options.host}:${options.port}`);
  const [host, port] = to.split(":");
  return connect({ ...options, servername: options.servername || options.host, host, port }, ...rest);
};
