import io.modelcontextprotocol.client.McpClient;
import io.modelcontextprotocol.client.McpSyncClient;
import io.modelcontextprotocol.client.transport.HttpClientStreamableHttpTransport;
import io.modelcontextprotocol.client.transport.McpHttpClientTransportAuthorizationException;
import io.modelcontextprotocol.json.McpJsonDefaults;
import io.modelcontextprotocol.json.McpJsonMapper;
import io.modelcontextprotocol.spec.McpSchema;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A client on the Java SDK that takes commands: one JSON object per line of the standard input, one line of answer each.
 *
 * <p>The SDK has no OAuth. The application has got a token somewhere and adds it to the requests; where it has none, or the server
 * does not take it, the refusal is what the user sees.
 */
public final class Client {
    private static final long PATIENCE = 20; // seconds, for a command
    private static final long FAREWELL = 2; // seconds, for the server to take leave of a session

    private final McpJsonMapper json = McpJsonDefaults.getMapper();
    private final ExecutorService work = Executors.newCachedThreadPool();
    private final Map<String, String> tokens = new HashMap<>(); // by store
    private volatile McpSyncClient session;

    public static void main(String[] args) throws Exception {
        Client client = new Client();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(client.json.writeValueAsString(client.answer(line)));
        }
        client.leave();
        System.exit(0); // the SDK's threads would go on
    }

    private Map<String, Object> answer(String line) throws IOException {
        @SuppressWarnings("unchecked")
        Map<String, Object> command = json.readValue(line, Map.class);
        try {
            return within(PATIENCE, () -> run(command));
        } catch (TimeoutException e) {
            return Map.of("ok", false, "error", "timed out: " + command.get("do"));
        } catch (Exception e) {
            return Map.of("ok", false, "error", tell(e));
        }
    }

    private Map<String, Object> run(Map<String, Object> command) throws Exception {
        switch (String.valueOf(command.get("do"))) {
            case "connect":
                leave();
                return connect(command);
            case "list":
                return Map.of("ok", true, "tools", open().listTools().tools().stream().map(McpSchema.Tool::name).toList());
            case "call":
                @SuppressWarnings("unchecked")
                Map<String, Object> arguments = (Map<String, Object>) command.get("arguments");
                McpSchema.CallToolResult result = open().callTool(McpSchema.CallToolRequest.builder((String) command.get("tool")).arguments(arguments).build());
                String text = result.content().isEmpty() || !(result.content().get(0) instanceof McpSchema.TextContent said) ? "" : said.text();
                if (Boolean.TRUE.equals(result.isError())) {
                    throw new IllegalStateException(text);
                }
                return Map.of("ok", true, "text", text);
            case "close":
                leave();
                return Map.of("ok", true);
            default:
                return Map.of("ok", false, "unsupported", true, "error", "unknown command");
        }
    }

    private Map<String, Object> connect(Map<String, Object> command) {
        String url = (String) command.get("url");
        String store = (String) command.getOrDefault("store", url);
        if (command.get("token") instanceof String given) {
            tokens.put(store, given);
        }
        String token = tokens.get(store);
        // The SDK wants the two apart. Without an endpoint it would ask for its default, /mcp.
        String origin = url.replaceFirst("^(https?://[^/?]*).*$", "$1");
        String endpoint = url.substring(origin.length());
        HttpClientStreamableHttpTransport.Builder transport = HttpClientStreamableHttpTransport.builder(origin).endpoint(endpoint.isEmpty() ? "/" : endpoint);
        if (token != null) {
            transport.addHttpRequestCustomizer((request, method, uri, body, context) -> request.setHeader("Authorization", "Bearer " + token));
        }
        McpSyncClient client = McpClient.sync(transport.build()).build();
        try {
            McpSchema.InitializeResult result = client.initialize();
            session = client;
            return Map.of("ok", true, "version", result.protocolVersion());
        } catch (RuntimeException e) {
            client.close();
            throw e;
        }
    }

    private McpSyncClient open() {
        if (session == null) {
            throw new IllegalStateException("not connected");
        }
        return session;
    }

    /** Ends the session, if there is one. A server that does not answer is not waited for. */
    private void leave() {
        McpSyncClient client = session;
        session = null;
        if (client == null) {
            return;
        }
        try {
            within(FAREWELL, client::closeGracefully);
        } catch (Exception e) {
            client.close();
        }
    }

    private <T> T within(long seconds, Callable<T> something) throws Exception {
        Future<T> future = work.submit(something);
        try {
            return future.get(seconds, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        } finally {
            future.cancel(true);
        }
    }

    /** An error with its causes, where they say more, in one line of at most 300 bytes. */
    private static String tell(Throwable error) {
        StringBuilder said = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            String more = cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
            if (cause instanceof McpHttpClientTransportAuthorizationException refusal) {
                more += " (" + refusal.getResponseInfo().statusCode() + ")";
            }
            if (said.indexOf(more) < 0) {
                said.append(said.isEmpty() ? "" : ": ").append(more);
            }
        }
        String line = said.toString().replaceAll("\\s+", " ");
        while (line.getBytes(StandardCharsets.UTF_8).length > 300) {
            line = line.substring(0, line.length() - 1);
        }
        return line;
    }
}
