package authztest

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// HTTP is a request as a client sends it to the gateway.
type HTTP struct {
	Method string
	Path   string // with the query
	Host   string
	Header [][2]string // in order; names in any case
	Body   string

	Pin   *string // the route's context extension "mcp-authz.dev/resource"
	Route *Route  // what the matched route was made of, where the gateway tells
}

// Route is an object of the Gateway API, and the section of it if that has a name, as Envoy Gateway tells it.
type Route struct{ Kind, Namespace, Name, Section string }

// ParseHTTP reads a request in the form of HTTP/1.1: a request line, header lines, an empty line, the body. "Host" becomes the
// authority. The body ends at the end of the text.
func ParseHTTP(text string) (HTTP, error) {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	words := strings.SplitN(lines[0], " ", 2)
	if len(words) != 2 {
		return HTTP{}, fmt.Errorf("the request line %q is not METHOD PATH", lines[0])
	}
	r := HTTP{Method: words[0], Path: strings.TrimSuffix(words[1], " HTTP/1.1"), Body: strings.TrimSuffix(body, "\n")}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case line == "":
		case !ok:
			return HTTP{}, fmt.Errorf("the header line %q is not Name: value", line)
		case strings.EqualFold(name, "host") && r.Host == "":
			r.Host = value
		case strings.EqualFold(name, "pin"):
			r.Pin = &value
		case strings.EqualFold(name, "route"): // KIND NAMESPACE/NAME, or KIND NAMESPACE/NAME/SECTION
			kind, object, _ := strings.Cut(value, " ")
			parts := append(strings.Split(object, "/"), "")
			if len(parts) < 3 {
				return HTTP{}, fmt.Errorf("the route %q is not KIND NAMESPACE/NAME", value)
			}
			r.Route = &Route{Kind: kind, Namespace: parts[0], Name: parts[1], Section: parts[2]}
		default:
			r.Header = append(r.Header, [2]string{name, value})
		}
	}
	return r, nil
}

// Encoding is one of the forms in which Envoy hands a request to an authorization server.
type Encoding int

// The encodings.
const (
	// RawForm is encode_raw_headers with pack_as_bytes: every field on its own in header_map, as bytes, and raw_body.
	RawForm Encoding = iota
	// StringForm is the default: a map with repeated fields merged by "," and body as a string; a byte that is not UTF-8
	// becomes "!".
	StringForm
)

// Encodings lists both.
func Encodings() []Encoding { return []Encoding{RawForm, StringForm} }

// String names the encoding.
func (e Encoding) String() string {
	if e == RawForm {
		return "raw"
	}
	return "string"
}

// BodyLimit is the max_request_bytes of the files in deploy/: of a longer body Envoy sends so many bytes.
const BodyLimit = 8 << 10

// CheckRequest is the request as Envoy sends it on, pseudo-headers included.
func (r HTTP) CheckRequest(e Encoding) *authv3.CheckRequest {
	fields := [][2]string{{":authority", r.Host}, {":path", r.Path}, {":method", r.Method}, {":scheme", "http"}}
	for _, h := range r.Header {
		fields = append(fields, [2]string{strings.ToLower(h[0]), h[1]})
	}
	if r.Body != "" {
		fields = append(fields, [2]string{"content-length", strconv.Itoa(len(r.Body))})
	}
	body := r.Body
	if len(body) > BodyLimit {
		body = body[:BodyLimit]
		fields = append(fields, [2]string{"x-envoy-auth-partial-body", "true"})
	}
	http := &authv3.AttributeContext_HttpRequest{
		Id: "1", Method: r.Method, Path: envoyString(r.Path), Host: r.Host, Scheme: "http", Size: int64(len(r.Body)), Protocol: "HTTP/1.1",
	}
	if e == RawForm {
		http.RawBody = []byte(body)
		http.HeaderMap = &corev3.HeaderMap{}
		for _, f := range fields {
			http.HeaderMap.Headers = append(http.HeaderMap.Headers, &corev3.HeaderValue{Key: f[0], RawValue: []byte(f[1])})
		}
	} else {
		http.Body = envoyString(body)
		http.Headers = map[string]string{}
		for _, f := range fields {
			if old, there := http.Headers[f[0]]; there {
				f[1] = old + "," + f[1]
			}
			http.Headers[f[0]] = envoyString(f[1])
		}
	}
	out := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:      peer("127.0.0.1", 40000),
		Destination: peer("127.0.0.1", 3000),
		Request:     &authv3.AttributeContext_Request{Http: http},
	}}
	if r.Pin != nil {
		out.Attributes.ContextExtensions = map[string]string{"mcp-authz.dev/resource": *r.Pin}
	}
	if r.Route != nil {
		out.Attributes.RouteMetadataContext = r.Route.metadata()
	}
	return out
}

// metadata is what Envoy Gateway writes at the routes that it makes, and sends with includeRouteMetadata.
func (r Route) metadata() *corev3.Metadata {
	about := map[string]*structpb.Value{
		"kind": structpb.NewStringValue(r.Kind), "namespace": structpb.NewStringValue(r.Namespace), "name": structpb.NewStringValue(r.Name),
		"annotations": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"team": structpb.NewStringValue("mcp")}}),
	}
	if r.Section != "" {
		about["sectionName"] = structpb.NewStringValue(r.Section)
	}
	resources := structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStructValue(&structpb.Struct{Fields: about})}})
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"envoy-gateway": {Fields: map[string]*structpb.Value{"resources": resources}}}}
}

func envoyString(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size <= 1 {
			b.WriteByte('!')
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

func peer(ip string, port uint32) *authv3.AttributeContext_Peer {
	return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: net.ParseIP(ip).String(), PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}}
}
