package extauthz

import (
	"encoding/json"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc/codes"

	"github.com/mcp-authz/mcp-authz/authz"
)

// Invariant 1, I-01: every decision that is not an allow renders with a status other than OK and an answer of its own. That
// holds for every Reason, the zero value and numbers that no Reason has, so that no refused request reaches a server (B-02).
func TestOnlyAnAllowIsOK(t *testing.T) {
	reasons := append(authz.Reasons(), 200, 255)
	for _, reason := range reasons {
		d := authz.Decision{Reason: reason}
		out := response(d)
		if ok := out.Status.Code == int32(codes.OK); ok != (reason == authz.Allowed) {
			t.Errorf("%v: status %d", reason, out.Status.Code)
		}
		if reason == authz.Allowed {
			continue
		}
		denied := out.GetDeniedResponse()
		if denied == nil || denied.Status.Code == 0 { // I-02: unset would mean 403
			t.Errorf("%v: no answer of its own: %v", reason, out)
		}
		if denied.Status.Code >= 400 && !json.Valid([]byte(denied.Body)) {
			t.Errorf("%v: body %q", reason, denied.Body)
		}
	}
	if got := response(authz.Decision{}).GetDeniedResponse().Status.Code; got != 503 {
		t.Errorf("the zero value is answered %d", got)
	}
}

// Whatever a claim or a declaration holds, no header leaves with a byte outside 0x20–0x7E: Envoy would split or refuse it.
// I-12.
func TestHeaderBytes(t *testing.T) {
	bad := []string{"a\r\nb: c", "\x00", "a\x7fb", "é", "\t"}
	for _, value := range bad {
		for what, d := range map[string]authz.Decision{
			"upstream header": {Reason: authz.Allowed, Upstream: authz.Upstream{Set: []authz.Header{{Name: "x-a", Value: value}}}},
			"header name":     {Reason: authz.Allowed, Upstream: authz.Upstream{Set: []authz.Header{{Name: "x-" + value, Value: "a"}}}},
			"removed header":  {Reason: authz.Allowed, Upstream: authz.Upstream{Remove: []string{"x-" + value}}},
			"response header": {Reason: authz.Allowed, ResponseHeader: []authz.Header{{Name: "vary", Value: value}}},
		} {
			out := response(d)
			if out.Status.Code == int32(codes.OK) || out.GetDeniedResponse().Status.Code != 503 {
				t.Errorf("%s %q: %v", what, value, out)
			}
		}
	}
}

// I-10: overwriting is said outright, in both dialects, and appending only for vary.
func TestHeadersOverwrite(t *testing.T) {
	out := response(authz.Decision{
		Reason: authz.Allowed, Upstream: authz.Upstream{Set: []authz.Header{{Name: "x-mcp-subject", Value: "a"}}},
		ResponseHeader: []authz.Header{{Name: "access-control-allow-origin", Value: "https://a"}, {Name: "vary", Value: "Origin"}},
	}).GetOkResponse()
	for _, h := range append(out.Headers, out.ResponseHeadersToAdd...) {
		want := corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
		if h.Header.Key == "vary" {
			want = corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
		}
		if h.AppendAction != want || h.GetAppend().GetValue() { //nolint:staticcheck // gateways before 1.37 read "append" alone
			t.Errorf("%s: %v, append %v", h.Header.Key, h.AppendAction, h.GetAppend()) //nolint:staticcheck // the same
		}
	}
}
