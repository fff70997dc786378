package spec

import "github.com/mcp-authz/mcp-authz/authz"

// What the file and the cluster declare in the same words. The marks are for the schemas of the cluster, which are made from
// here; where a limit there is smaller, it says so.

// AuthorizationServer declares who issues tokens (RFC 8414).
type AuthorizationServer struct {
	// how resources refer to it; letters, digits, '.', '_' and '-', at most 63
	Name                    string `json:"name"`
	AuthorizationServerSpec `json:",inline"`
	// client ids whose tokens pass although they have no "aud" at all
	InsecureClientIDAudience []string `json:"insecureClientIDAudience"`
	// authorities of its certificate, PEM, instead of the system's; read again at every fetch; at most 1 MiB
	CAFile string `json:"caFile"`
	// a token that its metadata and keys are asked for with, sent to the origins of issuer and jwksURL and to no other; read
	// again at every fetch; at most 16 KiB
	BearerTokenFile string `json:"bearerTokenFile"`
	// take plain http from a host that is not loopback
	InsecureAllowHTTP bool `json:"insecureAllowHTTP"`

	// Foreign is set where the declaration comes from the cluster: its URLs are https and lead to another machine. No key sets it.
	Foreign bool `json:"-"`
}

// AuthorizationServerSpec is what a ClusterAuthorizationServer says too.
//
// +kubebuilder:object:generate=true
type AuthorizationServerSpec struct {
	// issuer identifier, byte for byte as the server's own metadata has it; in the cluster at most 2048
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Issuer string `json:"issuer"`
	// where its keys are; absent: discovered from the issuer's metadata; in the cluster at most 2048
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	JWKSURL string `json:"jwksURL,omitempty"`
	// its keys, inline (RFC 7517 §5); instead of any fetch
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	JWKS RawJSON `json:"jwks,omitempty"`
	// signature algorithms accepted; absent: RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:Enum=RS256;RS384;RS512;PS256;PS384;PS512;ES256;ES384;ES512;EdDSA
	Algorithms []string `json:"algorithms,omitempty"`
	// any: "typ" may be at+jwt, JWT or absent; at+jwt: it must be that (RFC 9068 §4)
	// +optional
	// +kubebuilder:validation:Enum=any;at+jwt
	// +kubebuilder:default=any
	AccessTokenType string `json:"accessTokenType,omitempty"`
	// claim that holds the scopes; absent: scope, else scp; in the cluster at most 256
	// +optional
	// +kubebuilder:validation:MaxLength=256
	ScopeClaim string `json:"scopeClaim,omitempty"`
	// how far clocks may differ; at most 2m
	// +optional
	// +kubebuilder:default="30s"
	Leeway Duration `json:"leeway,omitempty"`
	// how often metadata and keys are fetched; 10s to 24h
	// +optional
	// +kubebuilder:default="10m"
	RefreshInterval Duration `json:"refreshInterval,omitempty"`
	// how long the last good keys serve while none can be fetched; refreshInterval and 1m more, to 168h
	// +optional
	// +kubebuilder:default="24h"
	MaxStaleness Duration `json:"maxStaleness,omitempty"`
}

// ProtectedResource declares a URL under protection (RFC 9728 §1.2).
type ProtectedResource struct {
	// in logs and metrics; letters, digits, '.', '_' and '-', at most 63
	Name                  string `json:"name"`
	ProtectedResourceSpec `json:",inline"`
	// let the identifier be plain http on a host that is not loopback
	InsecureAllowHTTP bool `json:"insecureAllowHTTP"`
	// for development: take every host that no other resource declares; at most one resource
	InsecureAnyHost bool `json:"insecureAnyHost"`

	// What only a declaration of the cluster can have; no key sets it.
	Foreign  bool             `json:"-"` // it comes from there, and takes no wildcard
	Unusable bool             `json:"-"` // it keeps its place and is answered 503
	Routes   []authz.RouteRef `json:"-"` // those of its HTTPRoutes; a gateway that tells of another one is refused
}

// ProtectedResourceSpec is what a ProtectedResource of the cluster says too.
//
// +kubebuilder:object:generate=true
type ProtectedResourceSpec struct {
	// its identifier: a canonical URL; it covers that path and everything below it; at most 2 KiB, in the cluster 512 bytes
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(https://(\[[0-9a-f:.]+\]|[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*)|http://(([a-z0-9_-]{1,63}\.)*localhost|127\.[0-9.]+|\[[0-9a-f:.]+\]))(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~!$&'()*+:@-]+)*$`
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[^/]*//[^/]*[A-Z*]')",message="the host in lower case, and no wildcard: declare each host"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[?#%]')",message="no query, fragment or percent escape"
	// +kubebuilder:validation:XValidation:rule="!self.endsWith('/') && !self.matches('[^:]//')",message="no slash at the end, and no two in a row; requests with one at the end are covered"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^https://[^/]+:443(/.*)?$') && !self.matches('^http://[^/]+:80(/.*)?$')",message="leave out the default port"
	// +kubebuilder:validation:XValidation:rule="!(self + '/').contains('/./') && !(self + '/').contains('/../')",message="no dot segments"
	// +kubebuilder:validation:XValidation:rule="!(self + '/').contains('/.well-known/')",message="no .well-known segment"
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^/]*//[^/]*(/[^/]*){0,32}$')",message="at most 32 segments in the path"
	Resource string `json:"resource"`
	// names of those whose tokens are accepted, preferred first; in the cluster at most 8
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, a == b))",message="name each authorization server once"
	AuthorizationServers []string `json:"authorizationServers"`
	// what a token must grant
	// +optional
	Scopes Scopes `json:"scopes,omitzero"`
	// audiences accepted beside the identifier, compared exactly; at most 64, in the cluster 8 of 512 characters
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Audiences []string `json:"audiences,omitempty"`
	// origins of pages that may use the resource, beside its own; at most 64, in the cluster 16
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=512
	// +kubebuilder:validation:items:Pattern=`^https?://[0-9a-z_.:\[\]-]+$`
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`
	// for people, in the metadata
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	ResourceName string `json:"resourceName,omitempty"`
	// URL for people, in the metadata
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	ResourceDocumentation string `json:"resourceDocumentation,omitempty"`
	// leave Authorization in the request to the upstream, unless the token is for several audiences
	// +optional
	ForwardToken bool `json:"forwardToken,omitempty"`
	// request headers for the upstream and the claims that they carry, beside x-mcp-subject, x-mcp-client-id, x-mcp-scopes
	// and x-mcp-issuer; at most 32, a claim's name of at most 256 bytes
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	IdentityHeaders map[string]string `json:"identityHeaders,omitempty"`
}

// Scopes says what a token must grant (RFC 6749 §3.3).
//
// +kubebuilder:object:generate=true
type Scopes struct {
	// scopes that every request needs; at most 1 KiB together with implies
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=512
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1023
	// +kubebuilder:validation:items:Pattern=`^[!#-+\--<>-\[\]-~]+$`
	Required []string `json:"required,omitempty"`
	// a broader scope and the narrower ones that it stands for
	// +optional
	// +kubebuilder:validation:MaxProperties=512
	Implies map[string][]string `json:"implies,omitempty"`
}
