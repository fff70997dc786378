package extauthz

import (
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mcp-authz/mcp-authz/authz"
)

// RouteKey is the key of route_metadata_context under which Envoy Gateway tells what the matched route was made of
// (includeRouteMetadata). It is configuration of the gateway: no client, and nothing of the request, reaches it.
const RouteKey = "envoy-gateway"

// matched is the HTTPRoute that the gateway matched; told is false where it does not say. What cannot be read, and a route of
// another kind, is told but has no name, so that no resource takes it for its own.
func matched(in *authv3.AttributeContext) (route authz.RouteRef, told bool) {
	about, told := in.GetRouteMetadataContext().GetFilterMetadata()[RouteKey]
	if !told {
		return authz.RouteRef{}, false
	}
	resources := about.GetFields()["resources"].GetListValue().GetValues()
	if len(resources) == 0 {
		return authz.RouteRef{}, true
	}
	fields := resources[0].GetStructValue().GetFields()
	rule, named := fields["sectionName"]
	if _, text := rule.GetKind().(*structpb.Value_StringValue); named && !text || fields["kind"].GetStringValue() != "HTTPRoute" {
		return authz.RouteRef{}, true
	}
	return authz.RouteRef{Namespace: fields["namespace"].GetStringValue(), Name: fields["name"].GetStringValue(), Rule: rule.GetStringValue()}, true
}
