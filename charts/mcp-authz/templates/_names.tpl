{{- define "mcp-authz.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* The name of the release's objects; at most 52, so that the longest suffix fits. */ -}}
{{- define "mcp-authz.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "mcp-authz.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "mcp-authz.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "mcp-authz.tlsSecret" -}}
{{- default (printf "%s-tls" (include "mcp-authz.fullname" .)) .Values.grpcTLS.secretName -}}
{{- end -}}

{{- define "mcp-authz.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/name: {{ include "mcp-authz.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{ merge (dict) .Values.commonLabels (dict "app.kubernetes.io/part-of" "mcp-authz") | toYaml }}
{{- end -}}

{{- /* What selects the pods of the Deployment, and not that of "helm test". */ -}}
{{- define "mcp-authz.selector" -}}
app.kubernetes.io/name: {{ include "mcp-authz.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end -}}

{{- /* An image of {repository, tag, digest}; "default" is its tag when it has none. */ -}}
{{- define "mcp-authz.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ default .default .image.tag }}
{{- end -}}
{{- end -}}

{{- /* A list of names, as CEL has it. */ -}}
{{- define "mcp-authz.cel" -}}
{{- . | toJson | replace "\"" "'" -}}
{{- end -}}
