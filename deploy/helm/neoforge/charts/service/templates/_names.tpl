{{- define "service.instance" -}}{{ .Values.global.instance | default .Release.Name }}{{- end }}
{{- define "service.name" -}}{{ .Values.name | default .Chart.Name }}{{- end }}
{{- define "service.fullname" -}}{{ printf "%s-%s" (include "service.instance" .) (include "service.name" .) | trunc 50 | trimSuffix "-" }}{{- end }}

{{/* What a workload is found by. It never changes, so it holds no version. Takes (dict "root" . "component" "worker"). */}}
{{- define "service.selector" -}}
app.kubernetes.io/name: {{ include "service.name" .root }}
app.kubernetes.io/instance: {{ include "service.instance" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "service.labels" -}}
{{ include "service.selector" . }}
app.kubernetes.io/part-of: neoforge
app.kubernetes.io/version: {{ include "service.tag" .root | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "service.tag" -}}{{ .Values.image.tag | default .Values.global.image.tag | default .Chart.AppVersion }}{{- end }}
{{- define "service.image" -}}
{{ .Values.image.repository | default (printf "%s/%s" .Values.global.image.registry (include "service.name" .)) }}:{{ include "service.tag" . }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}
{{- define "service.port" -}}{{ ternary 8080 8090 (eq .Values.kind "http") }}{{- end }}
{{- define "service.operationsPort" -}}{{ ternary 8080 8091 (eq .Values.kind "http") }}{{- end }}
{{- define "service.tlsSecret" -}}{{ include "service.fullname" . }}-tls{{- end }}

{{/* When migrations run: before anything else, but after a database that this very release makes. */}}
{{- define "service.hooks" -}}{{ ternary "post-install,pre-upgrade" "pre-install,pre-upgrade" .Values.global.database.cloudnativepg }}{{- end }}

{{/* The port of OTEL_EXPORTER_OTLP_ENDPOINT, which is gRPC's own where it names none. */}}
{{- define "service.collectorPort" -}}
{{- with .Values.global.env.OTEL_EXPORTER_OTLP_ENDPOINT }}
{{- $port := splitList ":" (urlParse .).host | last }}
{{- ternary $port "4317" (regexMatch "^[0-9]+$" $port) }}
{{- end }}
{{- end }}
