{{- /* What the schema cannot say. */ -}}
{{- define "mcp-authz.problems" -}}
{{- range list "grpc" "metadata" "admin" -}}
{{- if hasKey (default dict $.Values.config.listen) . -}}
{{- fail (printf "config.listen.%s: the chart sets it, and Service and probes count on it; remove it" .) -}}
{{- end -}}
{{- end -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add (int .Values.drainDelaySeconds) 20 | int) -}}
{{- fail (printf "terminationGracePeriodSeconds: found %d, expected 20 more than drainDelaySeconds (%d), or answers are cut off" (int .Values.terminationGracePeriodSeconds) (int .Values.drainDelaySeconds)) -}}
{{- end -}}
{{- $on := list -}}
{{- range $name, $integration := .Values.integrations -}}
{{- if $integration.enabled -}}
{{- $on = append $on $name -}}
{{- end -}}
{{- end -}}
{{- if gt (len $on) 1 -}}
{{- fail (printf "integrations: found %s enabled, expected one; install a release for each" (join ", " $on)) -}}
{{- end -}}
{{- range $name := without $on "contour" -}}
{{- $gateway := (index $.Values.integrations $name).gateway -}}
{{- if not $gateway.namespace -}}
{{- fail (printf "integrations.%s.gateway.namespace: found nothing, expected the namespace of the Gateway" $name) -}}
{{- end -}}
{{- if and (not $gateway.name) (not $gateway.selector) -}}
{{- fail (printf "integrations.%s.gateway.name: found nothing, expected the name of the Gateway" $name) -}}
{{- end -}}
{{- if and $gateway.name $gateway.selector -}}
{{- fail (printf "integrations.%s.gateway: found name and selector, expected one of them" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.gatewayNamespaceSelector) -}}
{{- fail "networkPolicy.gatewayNamespaceSelector: found nothing, expected the labels of the namespaces where gateways' pods run, such as {matchLabels: {kubernetes.io/metadata.name: envoy-gateway-system}}" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "serviceMonitor, podMonitor: found both enabled, expected one; every metric would count twice" -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail "autoscaling.minReplicas: found more than maxReplicas" -}}
{{- end -}}
{{- if and .Values.grpcTLS.allowedClientSANs (not .Values.grpcTLS.clientCertificate) -}}
{{- fail "grpcTLS.allowedClientSANs: found names without clientCertificate; set grpcTLS.clientCertificate" -}}
{{- end -}}
{{- if and .Values.grpcTLS.certManager.enabled (not .Values.grpcTLS.enabled) -}}
{{- fail "grpcTLS.certManager.enabled: found without grpcTLS.enabled; set it too" -}}
{{- end -}}
{{- if and .Values.grpcTLS.certManager.enabled (not .Values.grpcTLS.certManager.issuerRef.name) -}}
{{- fail "grpcTLS.certManager.issuerRef: found nothing, expected the issuer, such as {name: internal, kind: ClusterIssuer}" -}}
{{- end -}}
{{- end -}}
