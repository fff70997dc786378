package extauthz

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mcp-authz/mcp-authz/authz"
)

// response is the only place that makes a CheckResponse. The status is OK for an allow and for nothing else. A header that
// holds a byte outside 0x20–0x7E would be split or refused by Envoy: the whole response then becomes a 503.
func response(d authz.Decision) *authv3.CheckResponse {
	out := &authv3.CheckResponse{Status: &rpcstatus.Status{Code: int32(codes.PermissionDenied)}, DynamicMetadata: dynamicMetadata(d)}
	if d.Allowed() {
		ok := &authv3.OkHttpResponse{HeadersToRemove: d.Upstream.Remove, QueryParametersToRemove: d.Upstream.RemoveQuery}
		clean := true
		ok.Headers, clean = options(d.Upstream.Set, clean)
		ok.ResponseHeadersToAdd, clean = options(d.ResponseHeader, clean)
		for _, name := range d.Upstream.Remove {
			clean = clean && visible(name)
		}
		if clean {
			out.Status.Code = int32(codes.OK)
			out.HttpResponse = &authv3.CheckResponse_OkResponse{OkResponse: ok}
			return out
		}
		return response(authz.Decision{}) // refused: what it asserts cannot be said
	}
	answer := d.Answer()
	denied := &authv3.DeniedHttpResponse{Status: &typev3.HttpStatus{Code: typev3.StatusCode(answer.Status)}, Body: string(answer.Body)}
	clean := true
	if denied.Headers, clean = options(answer.Header, clean); !clean {
		return response(authz.Decision{}) // its own fields are constants
	}
	out.HttpResponse = &authv3.CheckResponse_DeniedResponse{DeniedResponse: denied}
	return out
}

// options renders headers; clean turns false at the first byte that cannot be sent. What Envoy is to do with a header that is
// there already is said outright: the default differs between its versions.
func options(headers []authz.Header, clean bool) ([]*corev3.HeaderValueOption, bool) {
	if len(headers) == 0 {
		return nil, clean
	}
	block := make([]struct { // one allocation for all
		option corev3.HeaderValueOption
		header corev3.HeaderValue
	}, len(headers))
	out := make([]*corev3.HeaderValueOption, len(headers))
	for i, h := range headers {
		clean = clean && visible(h.Name) && visible(h.Value)
		b := &block[i]
		b.header.Key, b.header.Value = h.Name, h.Value
		b.option.Header, b.option.AppendAction = &b.header, corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
		if h.Name == "vary" {
			b.option.AppendAction = corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
		}
		out[i] = &b.option
	}
	return out, clean
}

func visible(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// dynamicMetadata is what access logs and rate limits of the gateway can use (namespace envoy.filters.http.ext_authz). It is
// emitted on refusals too and holds no secret.
func dynamicMetadata(d authz.Decision) *structpb.Struct {
	var values [6]struct { // one allocation for all
		value structpb.Value
		text  structpb.Value_StringValue
	}
	fields, used := make(map[string]*structpb.Value, len(values)), values[:0]
	put := func(name, text string) {
		if text != "" {
			used = used[:len(used)+1]
			v := &used[len(used)-1]
			v.text.StringValue = text
			v.value.Kind = &v.text
			fields[name] = &v.value
		}
	}
	put("decision", d.ID)
	put("reason", d.Reason.String())
	put("resource", d.Resource)
	put("issuer", d.Claims.Issuer)
	put("subject", d.Claims.Subject)
	put("client_id", d.Claims.ClientID)
	return &structpb.Struct{Fields: fields}
}
