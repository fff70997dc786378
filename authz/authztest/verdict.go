package authztest

import (
	"fmt"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// Verdict is what becomes of a request at the gateway after a Check.
type Verdict struct {
	Allowed bool
	Reason  string // as the dynamic metadata has it; for the gateway's logs, not for the client

	// Of a request that is not allowed: the answer to the client.
	Status int
	Header [][2]string
	Body   string

	// Of an allowed one: what the upstream sees, and what is put on its answer.
	Set, Response [][2]string
	Remove        []string
	RemoveQuery   []string
}

// ReadVerdict reads a response as Envoy does: the status code alone decides, and a response without one allows.
// One that says a token or a key id is no answer that a test could go on with: it panics.
func ReadVerdict(r *authv3.CheckResponse) Verdict {
	leaksNothing(r)
	v := Verdict{Allowed: r.GetStatus().GetCode() == 0, Reason: r.GetDynamicMetadata().GetFields()["reason"].GetStringValue()}
	if v.Allowed {
		ok := r.GetOkResponse()
		v.Set, v.Response = fields(ok.GetHeaders()), fields(ok.GetResponseHeadersToAdd())
		v.Remove, v.RemoveQuery = ok.GetHeadersToRemove(), ok.GetQueryParametersToRemove()
		return v
	}
	denied := r.GetDeniedResponse()
	v.Status, v.Body, v.Header = int(denied.GetStatus().GetCode()), denied.GetBody(), fields(denied.GetHeaders())
	if v.Status == 0 {
		v.Status = 403 // what Envoy makes of it
	}
	return v
}

func fields(options []*corev3.HeaderValueOption) [][2]string {
	out := make([][2]string, 0, len(options))
	for _, o := range options {
		value := o.GetHeader().GetValue()
		if raw := o.GetHeader().GetRawValue(); len(raw) > 0 {
			value = string(raw)
		}
		out = append(out, [2]string{o.GetHeader().GetKey(), value})
	}
	return out
}

// Get returns the first value of a header of the refusal, "" if there is none.
func (v Verdict) Get(name string) string {
	for _, h := range v.Header {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// Upstream returns what an identity header is set to.
func (v Verdict) Upstream(name string) (value string, set bool) {
	for _, h := range v.Set {
		if h[0] == name {
			return h[1], true
		}
	}
	return "", false
}

// String is the verdict as text: for an allow what changes on the way up, else the HTTP answer. Lists are sorted where their
// order says nothing.
func (v Verdict) String() string {
	var b strings.Builder
	if !v.Allowed {
		fmt.Fprintf(&b, "%d\n", v.Status)
		for _, h := range v.Header {
			fmt.Fprintf(&b, "%s: %s\n", h[0], h[1])
		}
		if v.Body != "" {
			fmt.Fprintf(&b, "\n%s\n", v.Body)
		}
		return b.String()
	}
	b.WriteString("allow\n")
	line := func(what string, items []string) {
		slices.Sort(items)
		for _, i := range items {
			fmt.Fprintf(&b, "%s %s\n", what, i)
		}
	}
	pairs := func(in [][2]string) (out []string) {
		for _, h := range in {
			out = append(out, h[0]+": "+h[1])
		}
		return out
	}
	line("set", pairs(v.Set))
	line("remove", slices.Clone(v.Remove))
	line("remove-query", slices.Clone(v.RemoveQuery))
	line("answer", pairs(v.Response))
	return b.String()
}
