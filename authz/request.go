package authz

import (
	"strings"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// Header is one header field as a gateway reports it, or is told it. Name is in lower case.
type Header = metadata.Field

// Request is an HTTP request as the gateway saw it, before any routing. Nothing in it is trusted.
type Request struct {
	Method  string
	Host    string   // raw authority, with the port as sent
	Path    string   // raw path and query
	Headers []Header // in order; a repeated field stands several times or is merged with commas
	Body    []byte   // what the gateway sent of it, possibly a prefix, possibly nothing

	// Pin is the resource that the gateway's route names, if Pinned. It can only refuse.
	Pin    string
	Pinned bool

	// Route is the HTTPRoute that the gateway matched, if Routed: if the gateway tells. It can only refuse. The zero value is one
	// that nobody could read.
	Route  RouteRef
	Routed bool
}

// RouteRef names an HTTPRoute of the Kubernetes Gateway API and, where it has a name, the rule of it.
type RouteRef struct{ Namespace, Name, Rule string }

// header returns all values of a field, merged with commas as RFC 9110 §5.2 allows, and how many lines there were.
func (r *Request) header(name string) (value string, lines int) {
	for i := range r.Headers {
		if r.Headers[i].Name != name {
			continue
		}
		if lines++; lines == 1 {
			value = r.Headers[i].Value
		} else {
			value += "," + r.Headers[i].Value
		}
	}
	return value, lines
}

// Header returns the merged value of a field, without outer white space; "" if it is absent. name is in lower case.
func (r *Request) Header(name string) string {
	value, _ := r.header(name)
	return strings.Trim(value, " \t")
}
