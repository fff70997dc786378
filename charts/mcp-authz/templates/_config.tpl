{{- /* The configuration file: what the chart computes, with .Values.config over it. */ -}}
{{- define "mcp-authz.config" -}}
{{- $own := dict
    "listen" (dict "grpc" ":9001" "metadata" ":8080" "admin" ":9090")
    "drainDelay" (printf "%ds" (int .Values.drainDelaySeconds))
    "authorizationServers" list
    "resources" list -}}
{{- if .Values.grpcTLS.enabled -}}
{{- $tls := dict "certFile" "/etc/mcp-authz-tls/tls.crt" "keyFile" "/etc/mcp-authz-tls/tls.key" -}}
{{- if .Values.grpcTLS.clientCertificate -}}
{{- $_ := set $tls "clientCAFile" "/etc/mcp-authz-tls/ca.crt" -}}
{{- with .Values.grpcTLS.allowedClientSANs -}}
{{- $_ := set $tls "allowedClientSANs" . -}}
{{- end -}}
{{- end -}}
{{- $_ := set $own.listen "grpcTLS" $tls -}}
{{- end -}}
{{- if .Values.kubernetes.enabled -}}
{{- $kubernetes := dict
    "namespace" .Release.Namespace
    "ownership" .Values.kubernetes.ownership
    "lease" (include "mcp-authz.fullname" .) -}}
{{- with .Values.kubernetes.watchNamespaces -}}
{{- $_ := set $kubernetes "watchNamespaces" . -}}
{{- end -}}
{{- if .Values.kubernetes.metadataRoutes.enabled -}}
{{- $_ := set $kubernetes "metadataRoutes" (dict
    "service" (include "mcp-authz.fullname" .)
    "port" 8080
    "parentRefs" (include "mcp-authz.parentRefs" . | fromYamlArray)) -}}
{{- end -}}
{{- $_ := set $own "kubernetes" $kubernetes -}}
{{- end -}}
{{- mustMergeOverwrite $own (deepCopy .Values.config) | toYaml -}}
{{- end -}}

{{- /* Gateways for the metadata of resources that name no route: those of the values, else that of the integration. */ -}}
{{- define "mcp-authz.parentRefs" -}}
{{- $refs := .Values.kubernetes.metadataRoutes.parentRefs -}}
{{- range $name, $integration := omit .Values.integrations "contour" -}}
{{- $gateway := $integration.gateway -}}
{{- if and $integration.enabled $gateway.name (not $refs) -}}
{{- $ref := dict "namespace" $gateway.namespace "name" $gateway.name -}}
{{- with $gateway.sectionName -}}
{{- $_ := set $ref "sectionName" . -}}
{{- end -}}
{{- $refs = list $ref -}}
{{- end -}}
{{- end -}}
{{- $refs | toYaml -}}
{{- end -}}

{{- /* Changes with what the process reads only when it starts. The rest of the file it reads again by itself. */ -}}
{{- define "mcp-authz.restart" -}}
{{- $config := include "mcp-authz.config" . | fromYaml -}}
{{- $limits := pick (default dict $config.limits) "messageBytes" "cacheEntries" "cacheBytes" -}}
{{- dict "listen" $config.listen "limits" $limits "kubernetes" (default dict $config.kubernetes) | toJson | sha256sum -}}
{{- end -}}

{{- /* Nine tenths of a memory limit, in bytes; empty if it is not written as a plain quantity. */ -}}
{{- define "mcp-authz.memoryLimit" -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 -}}
{{- $limit := toString . -}}
{{- if kindIs "float64" . -}}{{- $limit = printf "%.0f" . -}}{{- end -}}
{{- if regexMatch "^[0-9]+(\\.[0-9]+)?(k|M|G|Ki|Mi|Gi)?$" $limit -}}
{{- $unit := regexFind "[A-Za-z]*$" $limit -}}
{{- mulf (trimSuffix $unit $limit | float64) (get $units $unit) 0.9 | int64 -}}
{{- end -}}
{{- end -}}
