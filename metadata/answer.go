package metadata

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Field is one header field of an answer; names are in lower case.
type Field struct{ Name, Value string }

// Answer is a complete HTTP answer that no transport has touched yet.
type Answer struct {
	Status int
	Header []Field
	Body   []byte
}

// Found is what a look-up of a metadata URL came to. The zero value is "there is nothing here".
type Found struct {
	NotCanonical bool      // the host or the path is not in canonical form
	Unusable     bool      // the resource is declared but cannot be used at present
	Document     *Rendered // the document, else nil
	NoStore      bool      // the document depends on the request's host: nobody may keep it
}

// Public texts of the answers without a document. They hold nothing variable.
const (
	TextNotFound         = "Not Found: There is no metadata document at this URL"
	TextNotCanonical     = "Bad Request: The host or path is not in canonical form"
	TextUnusable         = "Service Unavailable: The protected resource cannot be used at present"
	TextMethodNotAllowed = "Method Not Allowed: A metadata document is read with GET or HEAD"
)

const allowedMethods = "GET, HEAD, OPTIONS"

// Answer is the HTTP answer to a request for the URL. Every answer may be read by a page of any origin; refusals are not
// stored. ifNoneMatch is the header of that name, or "".
func (f Found) Answer(method, ifNoneMatch string) Answer {
	switch {
	case f.NotCanonical:
		return bare(http.StatusBadRequest, -32600, TextNotCanonical)
	case f.Unusable:
		return bare(http.StatusServiceUnavailable, 503, TextUnusable, Field{"retry-after", "5"})
	case f.Document == nil:
		return bare(http.StatusNotFound, 404, TextNotFound)
	}
	cache := "public, max-age=300"
	if f.NoStore {
		cache = "no-store"
	}
	header := []Field{{"access-control-allow-origin", "*"}, {"cache-control", cache}, {"etag", f.Document.ETag}}
	switch method {
	case http.MethodGet, http.MethodHead:
		if !f.NoStore && matches(ifNoneMatch, f.Document.ETag) {
			return Answer{Status: http.StatusNotModified, Header: header}
		}
		return Answer{Status: http.StatusOK, Header: append(header, Field{"content-type", "application/json"}), Body: f.Document.Body}
	case http.MethodOptions:
		return Answer{Status: http.StatusNoContent, Header: []Field{
			{"access-control-allow-origin", "*"},
			{"access-control-allow-methods", allowedMethods},
			{"access-control-allow-headers", "*, authorization, mcp-protocol-version"},
			{"access-control-max-age", "7200"},
			{"allow", allowedMethods},
		}}
	}
	return bare(http.StatusMethodNotAllowed, -32600, TextMethodNotAllowed, Field{"allow", allowedMethods})
}

// matches implements the weak comparison of If-None-Match (RFC 9110 §13.1.2).
func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == etag {
			return true
		}
	}
	return false
}

// bare is a refusal without a JSON-RPC envelope: nobody asked in JSON-RPC.
func bare(status, code int, text string, extra ...Field) Answer {
	type fault struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	body, _ := json.Marshal(map[string]fault{"error": {code, text}}) // cannot fail
	return Answer{Status: status, Body: body, Header: append([]Field{
		{"content-type", "application/json"},
		{"cache-control", "no-store"},
		{"access-control-allow-origin", "*"},
	}, extra...)}
}
