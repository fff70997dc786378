package spec

import "time"

// File is the configuration file.
type File struct {
	// where the process listens: host:port or unix:/path
	Listen Listen `json:"listen"`
	// what one request, and all together, may cost
	Limits Limits `json:"limits"`
	// how long the process serves on after SIGTERM, while it says that it is not ready; at most 5m
	DrainDelay time.Duration `json:"drainDelay"`
	// what is logged, as JSON lines on standard error
	Log Log `json:"log"`
	// who issues tokens
	AuthorizationServers []AuthorizationServer `json:"authorizationServers"`
	// what is protected; may be empty
	Resources []ProtectedResource `json:"resources"`
	// declarations in a Kubernetes cluster, beside those of the file; absent: none
	Kubernetes *Kubernetes `json:"kubernetes"`
}

// Listen says where the three listeners are. A change needs a restart.
type Listen struct {
	// Check calls of gateways (envoy.service.auth.v3) and grpc.health.v1
	GRPC string `json:"grpc"`
	// metadata documents, routed to by the gateway
	Metadata string `json:"metadata"`
	// /livez, /readyz and /metrics; never routed to
	Admin string `json:"admin"`
	// TLS for the Check calls; absent: plaintext
	GRPCTLS *GRPCTLS `json:"grpcTLS"`
	// TLS for the metadata listener; absent: plaintext
	MetadataTLS *MetadataTLS `json:"metadataTLS"`
}

// GRPCTLS is TLS, and mutual TLS, of the gRPC listener. The files are read again when they change.
type GRPCTLS struct {
	// certificate chain, PEM
	CertFile string `json:"certFile"`
	// private key, PEM
	KeyFile string `json:"keyFile"`
	// authorities of gateways' certificates, PEM; present: a certificate is required
	ClientCAFile string `json:"clientCAFile"`
	// subject alternative names (DNS or URI) of which a gateway's certificate must have one, exactly; empty: any certificate
	// of the authorities
	AllowedClientSANs []string `json:"allowedClientSANs"`
}

// MetadataTLS is TLS of the metadata listener.
type MetadataTLS struct {
	// certificate chain, PEM
	CertFile string `json:"certFile"`
	// private key, PEM
	KeyFile string `json:"keyFile"`
}

// Limits bound what requests cost.
type Limits struct {
	// longest CheckRequest; must stay above the body limit of every gateway; a change needs a restart; 1048576 to 67108864
	MessageBytes int `json:"messageBytes"`
	// longest access token, before it is parsed; 512 to 65536
	TokenBytes int `json:"tokenBytes"`
	// verified tokens remembered, shared evenly by the authorization servers; a change needs a restart; 1 to 10000000
	CacheEntries int `json:"cacheEntries"`
	// memory for them, shared likewise; a change needs a restart; 65536 to 2147483647
	CacheBytes int `json:"cacheBytes"`
	// checks in flight at once, but for those that wait for keys; one more is answered 503; 1 to 1000000
	ConcurrentChecks int `json:"concurrentChecks"`
	// longest time for one decision; keep it below the gateway's timeout; 50ms to 10s
	CheckDeadline time.Duration `json:"checkDeadline"`
}

// Log says what is logged.
type Log struct {
	// debug, info, warn or error
	Level string `json:"level"`
	// which decisions get a line: all, denied or none
	Decisions string `json:"decisions"`
}

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
	return AuthorizationServer{AuthorizationServerSpec: AuthorizationServerSpec{
		AccessTokenType: "any", Leeway: Duration(30 * time.Second), RefreshInterval: Duration(10 * time.Minute), MaxStaleness: Duration(24 * time.Hour),
	}}
}
