package extauthz

import (
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/mcp-authz/mcp-authz/authz"
)

// PinKey is the key of context_extensions by which a gateway's route names the resource that it belongs to.
const PinKey = "mcp-authz.dev/resource"

// request takes a CheckRequest apart. Envoy sends the headers in one of two forms: a map with repeated fields merged, or,
// with encode_raw_headers, a list of raw bytes. Where both are present the list decides, as it is the truer one. Missing
// parts become zero values, which the decision refuses.
func request(in *authv3.CheckRequest) *authz.Request {
	http := in.GetAttributes().GetRequest().GetHttp()
	out := &authz.Request{Method: http.GetMethod(), Host: http.GetHost(), Path: http.GetPath(), Body: http.GetRawBody()}
	if len(out.Body) == 0 && http.GetBody() != "" {
		out.Body = []byte(http.GetBody())
	}
	if list := http.GetHeaderMap().GetHeaders(); len(list) > 0 {
		out.Headers = fromList(list)
	} else {
		out.Headers = fromMap(http.GetHeaders())
	}
	// A "!" of the path may stand for a byte that was not UTF-8, which the upstream gets. Only the raw field can tell.
	if path, _, _ := strings.Cut(out.Path, "?"); strings.IndexByte(path, '!') >= 0 && !hasRawPath(http.GetHeaderMap().GetHeaders()) {
		out.Path = "" // not canonical
	}
	out.Pin, out.Pinned = in.GetAttributes().GetContextExtensions()[PinKey]
	out.Route, out.Routed = matched(in.GetAttributes())
	return out
}

func hasRawPath(list []*corev3.HeaderValue) bool {
	return slices.ContainsFunc(list, func(h *corev3.HeaderValue) bool { return h.GetKey() == ":path" && len(h.GetRawValue()) > 0 })
}

func fromMap(headers map[string]string) []authz.Header {
	out := make([]authz.Header, 0, len(headers))
	for name, value := range headers {
		out = append(out, authz.Header{Name: strings.ToLower(name), Value: value})
	}
	return out
}

func fromList(list []*corev3.HeaderValue) []authz.Header {
	size := 0
	for _, h := range list {
		size += len(h.GetRawValue())
	}
	var values strings.Builder // one allocation for all values
	values.Grow(size)
	for _, h := range list {
		values.Write(h.GetRawValue())
	}
	all, out := values.String(), make([]authz.Header, 0, len(list))
	for _, h := range list {
		n := len(h.GetRawValue())
		value := all[:n]
		all = all[n:]
		if n == 0 {
			value = h.GetValue()
		}
		out = append(out, authz.Header{Name: strings.ToLower(h.GetKey()), Value: value})
	}
	return out
}
