package spec

import "time"

// File is the configuration file.
type File struct {
	Listen               Listen                `json:"listen" doc:"where the process listens: host:port or unix:/path"`
	Limits               Limits                `json:"limits" doc:"what one request, and all together, may cost"`
	DrainDelay           time.Duration         `json:"drainDelay" doc:"how long the process serves on after SIGTERM, while it says that it is not ready; at most 5m"`
	Log                  Log                   `json:"log" doc:"what is logged, as JSON lines on standard error"`
	AuthorizationServers []AuthorizationServer `json:"authorizationServers" doc:"who issues tokens"`
	Resources            []ProtectedResource   `json:"resources" doc:"what is protected; may be empty"`
}

// Listen says where the three listeners are. A change needs a restart.
type Listen struct {
	GRPC        string       `json:"grpc" doc:"Check calls of gateways (envoy.service.auth.v3) and grpc.health.v1"`
	Metadata    string       `json:"metadata" doc:"metadata documents, routed to by the gateway"`
	Admin       string       `json:"admin" doc:"/livez, /readyz and /metrics; never routed to"`
	GRPCTLS     *GRPCTLS     `json:"grpcTLS" doc:"TLS for the Check calls; absent: plaintext"`
	MetadataTLS *MetadataTLS `json:"metadataTLS" doc:"TLS for the metadata listener; absent: plaintext"`
}

// GRPCTLS is TLS, and mutual TLS, of the gRPC listener. The files are read again when they change.
type GRPCTLS struct {
	CertFile          string   `json:"certFile" doc:"certificate chain, PEM"`
	KeyFile           string   `json:"keyFile" doc:"private key, PEM"`
	ClientCAFile      string   `json:"clientCAFile" doc:"authorities of gateways' certificates, PEM; present: a certificate is required"`
	AllowedClientSANs []string `json:"allowedClientSANs" doc:"subject alternative names (DNS or URI) of which a gateway's certificate must have one, exactly; empty: any certificate of the authorities"`
}

// MetadataTLS is TLS of the metadata listener.
type MetadataTLS struct {
	CertFile string `json:"certFile" doc:"certificate chain, PEM"`
	KeyFile  string `json:"keyFile" doc:"private key, PEM"`
}

// Limits bound what requests cost.
type Limits struct {
	MessageBytes     int           `json:"messageBytes" doc:"longest CheckRequest; must stay above the body limit of every gateway; a change needs a restart; 1048576 to 67108864"`
	TokenBytes       int           `json:"tokenBytes" doc:"longest access token, before it is parsed; 512 to 65536"`
	CacheEntries     int           `json:"cacheEntries" doc:"verified tokens remembered, shared evenly by the authorization servers; a change needs a restart; 1 to 10000000"`
	CacheBytes       int           `json:"cacheBytes" doc:"memory for them, shared likewise; a change needs a restart; 65536 to 2147483647"`
	ConcurrentChecks int           `json:"concurrentChecks" doc:"checks in flight at once, but for those that wait for keys; one more is answered 503; 1 to 1000000"`
	CheckDeadline    time.Duration `json:"checkDeadline" doc:"longest time for one decision; keep it below the gateway's timeout; 50ms to 10s"`
}

// Log says what is logged.
type Log struct {
	Level     string `json:"level" doc:"debug, info, warn or error"`
	Decisions string `json:"decisions" doc:"which decisions get a line: all, denied or none"`
}

// AuthorizationServer declares who issues tokens (RFC 8414).
type AuthorizationServer struct {
	Name                     string        `json:"name" doc:"how resources refer to it; letters, digits, '.', '_' and '-', at most 63"`
	Issuer                   string        `json:"issuer" doc:"issuer identifier, byte for byte as the server's own metadata has it"`
	JWKSURL                  string        `json:"jwksURL" doc:"where its keys are; absent: discovered from the issuer's metadata"`
	JWKS                     RawJSON       `json:"jwks" doc:"its keys, inline (RFC 7517 §5); instead of any fetch"`
	Algorithms               []string      `json:"algorithms" doc:"signature algorithms accepted; absent: RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"`
	AccessTokenType          string        `json:"accessTokenType" doc:"any: \"typ\" may be at+jwt, JWT or absent; at+jwt: it must be that (RFC 9068 §4)"`
	ScopeClaim               string        `json:"scopeClaim" doc:"claim that holds the scopes; absent: scope, else scp"`
	InsecureClientIDAudience []string      `json:"insecureClientIDAudience" doc:"client ids whose tokens pass although they have no \"aud\" at all"`
	Leeway                   time.Duration `json:"leeway" doc:"how far clocks may differ; at most 2m"`
	RefreshInterval          time.Duration `json:"refreshInterval" doc:"how often metadata and keys are fetched; 10s to 24h"`
	MaxStaleness             time.Duration `json:"maxStaleness" doc:"how long the last good keys serve while none can be fetched; refreshInterval and 1m more, to 168h"`
	CAFile                   string        `json:"caFile" doc:"authorities of its certificate, PEM, instead of the system's; read again at every fetch; at most 1 MiB"`
	BearerTokenFile          string        `json:"bearerTokenFile" doc:"a token that its metadata and keys are asked for with, sent to the origins of issuer and jwksURL and to no other; read again at every fetch; at most 16 KiB"`
	InsecureAllowHTTP        bool          `json:"insecureAllowHTTP" doc:"take plain http from a host that is not loopback"`
}

// ProtectedResource declares a URL under protection (RFC 9728 §1.2).
type ProtectedResource struct {
	Name                  string            `json:"name" doc:"in logs and metrics; letters, digits, '.', '_' and '-', at most 63"`
	Resource              string            `json:"resource" doc:"its identifier: a canonical URL; it covers that path and everything below it"`
	AuthorizationServers  []string          `json:"authorizationServers" doc:"names of those whose tokens are accepted, preferred first"`
	Scopes                Scopes            `json:"scopes" doc:"what a token must grant"`
	Audiences             []string          `json:"audiences" doc:"audiences accepted beside the identifier, compared exactly; at most 64"`
	AllowedOrigins        []string          `json:"allowedOrigins" doc:"origins of pages that may use the resource, beside its own; at most 64"`
	ResourceName          string            `json:"resourceName" doc:"for people, in the metadata"`
	ResourceDocumentation string            `json:"resourceDocumentation" doc:"URL for people, in the metadata"`
	ForwardToken          bool              `json:"forwardToken" doc:"leave Authorization in the request to the upstream, unless the token is for several audiences"`
	IdentityHeaders       map[string]string `json:"identityHeaders" doc:"request headers for the upstream and the claims that they carry, beside x-mcp-subject, x-mcp-client-id, x-mcp-scopes and x-mcp-issuer; at most 32"`
	InsecureAllowHTTP     bool              `json:"insecureAllowHTTP" doc:"let the identifier be plain http on a host that is not loopback"`
	InsecureAnyHost       bool              `json:"insecureAnyHost" doc:"for development: take every host that no other resource declares; at most one resource"`
}

// Scopes says what a token must grant (RFC 6749 §3.3).
type Scopes struct {
	Required []string            `json:"required" doc:"scopes that every request needs; at most 1 KiB together with implies"`
	Implies  map[string][]string `json:"implies" doc:"a broader scope and the narrower ones that it stands for"`
}

// RawJSON is a JSON object, as written in YAML.
type RawJSON []byte

// defaults is the file that an empty one means.
func defaults() File {
	return File{
		Listen:     Listen{GRPC: "127.0.0.1:9001", Metadata: "127.0.0.1:8080", Admin: "127.0.0.1:9090"},
		Limits:     Limits{MessageBytes: 4 << 20, TokenBytes: 16 << 10, CacheEntries: 100000, CacheBytes: 128 << 20, ConcurrentChecks: 1024, CheckDeadline: time.Second},
		DrainDelay: 10 * time.Second,
		Log:        Log{Level: "info", Decisions: "all"},
	}
}

// serverDefaults is the authorization server that an empty one means.
func serverDefaults() AuthorizationServer {
	return AuthorizationServer{AccessTokenType: "any", Leeway: 30 * time.Second, RefreshInterval: 10 * time.Minute, MaxStaleness: 24 * time.Hour}
}
