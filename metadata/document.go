package metadata

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
)

// Document is the metadata of a protected resource (RFC 9728 §2). Members without a value are left out (§3.2).
type Document struct {
	Resource               string   `json:"resource"`
	AuthorizationServers   []string `json:"authorization_servers,omitempty"` // issuer identifiers, byte for byte
	ScopesSupported        []string `json:"scopes_supported,omitempty"`      // what a client should ask for
	BearerMethodsSupported []string `json:"bearer_methods_supported,omitempty"`
	ResourceName           string   `json:"resource_name,omitempty"`
	ResourceDocumentation  string   `json:"resource_documentation,omitempty"`
}

// Rendered is a document ready to be sent.
type Rendered struct {
	Body []byte
	ETag string // strong, quoted (RFC 9110 §8.8.3)
}

// Render turns the document into JSON and names the result by its content.
func (d Document) Render() Rendered {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(d) // strings and lists of strings only: cannot fail
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	sum := sha256.Sum256(body)
	return Rendered{Body: body, ETag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}
