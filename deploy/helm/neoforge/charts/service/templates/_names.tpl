{{/* What every name begins with. Cut off, it would be another name to whoever calls; so it is short enough for the longest. */}}
{{- define "service.instance" -}}
{{- $instance := .Values.global.instance | default .Release.Name -}}
{{- if or (gt (len $instance) 36) (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $instance)) -}}
  {{- fail (printf "\n\nAll names begin with %s, of %d characters. It must begin with a letter and have small letters, digits and hyphens alone, 36 at most: give the release another name, or set global.instance.\n" $instance (len $instance)) -}}
{{- end -}}
{{ $instance }}
{{- end }}
{{- define "service.name" -}}{{ .Values.name | default .Chart.Name }}{{- end }}
{{- define "service.fullname" -}}
{{- $name := include "service.name" . -}}
{{- if or (gt (len $name) 16) (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name)) -}}
  {{- fail (printf "\n\nThe name of the process, %s, must begin with a letter and have small letters, digits and hyphens alone, 16 at most.\n" $name) -}}
{{- end -}}
{{ include "service.instance" . }}-{{ $name }}
{{- end }}

{{/* What a workload is found by. It never changes, so it holds no version. Takes (dict "root" . "component" "worker"). */}}
{{- define "service.selector" -}}
app.kubernetes.io/name: {{ include "service.name" .root }}
app.kubernetes.io/instance: {{ include "service.instance" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "service.labels" -}}
{{ include "service.selector" . }}
app.kubernetes.io/part-of: neoforge
app.kubernetes.io/version: {{ include "service.tag" .root | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "service.tag" -}}{{ .Values.image.tag | default .Values.global.image.tag | default .Chart.AppVersion }}{{- end }}
{{- define "service.image" -}}
{{ .Values.image.repository | default (printf "%s/%s" .Values.global.image.registry (include "service.name" .)) }}:{{ include "service.tag" . }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}
{{- define "service.port" -}}{{ ternary 8080 8090 (eq .Values.kind "http") }}{{- end }}
{{- define "service.operationsPort" -}}{{ ternary 8080 8091 (eq .Values.kind "http") }}{{- end }}
{{- define "service.tlsSecret" -}}{{ include "service.fullname" . }}-tls{{- end }}

{{/*
Whether the database is yet to be made, by this very release. Then roles and migrations are Jobs like any other object: as
hooks they would run before the database is there, or after a wait for pods that wait for them.
*/}}
{{- define "service.makesDatabase" -}}
{{- if .Values.global.database.cloudnativepg -}}
  {{- if .Release.IsInstall -}}true
  {{- else if and (.Capabilities.APIVersions.Has "postgresql.cnpg.io/v1") (lookup "v1" "Namespace" "" .Release.Namespace) -}}
    {{- if not (lookup "postgresql.cnpg.io/v1" "Cluster" .Release.Namespace (printf "%s-postgresql" (include "service.instance" .))) -}}true{{- end -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* The name and annotations of what runs once for each revision, before its processes. Takes (dict "root" . "name" "..." "weight" "0"). */}}
{{- define "service.once" -}}
{{- if include "service.makesDatabase" .root -}}
name: {{ .name }}-{{ .root.Release.Revision }}
{{- else -}}
name: {{ .name }}
annotations:
  helm.sh/hook: pre-install,pre-upgrade
  helm.sh/hook-weight: {{ .weight | quote }}
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
{{- end }}

{{/*
The port of OTEL_EXPORTER_OTLP_ENDPOINT, of a process's own or of all. It must be said: exporters of processes would take 443
where there is none, and Envoy's 4317.
*/}}
{{- define "service.collectorPort" -}}
{{- $env := mergeOverwrite (deepCopy .Values.global.env) (deepCopy (.Values.env | default dict)) -}}
{{- with tpl (get $env "OTEL_EXPORTER_OTLP_ENDPOINT" | default "") . }}
{{- $port := splitList ":" (urlParse .).host | last }}
{{- if not (and (hasPrefix "http" .) (regexMatch "^[0-9]+$" $port)) }}
{{- fail (printf "\n\nOTEL_EXPORTER_OTLP_ENDPOINT is %s: it must be an address with a port, such as http://otel-collector.monitoring:4317.\n" .) }}
{{- end }}
{{- $port }}
{{- end }}
{{- end }}
