{{- define "neoforge.fullname" -}}{{ include "service.instance" . }}{{- end }}

{{/* Takes (dict "root" . "name" "edge"). What a workload is found by holds no version, since it never changes. */}}
{{- define "neoforge.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ include "neoforge.fullname" .root }}
app.kubernetes.io/component: serve
{{- end }}

{{- define "neoforge.labels" -}}
{{ include "neoforge.selector" . }}
app.kubernetes.io/part-of: neoforge
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "neoforge.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "neoforge.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- /* Where spans go: scheme (http or https), host and port of OTEL_EXPORTER_OTLP_ENDPOINT; nothing without it. */}}
{{- define "neoforge.collector" -}}
{{- $port := include "service.collectorPort" . | trim }}
{{- with tpl (.Values.global.env.OTEL_EXPORTER_OTLP_ENDPOINT | default "") . }}
{{- $url := urlParse . }}
scheme: {{ $url.scheme }}
host: {{ $url.hostname }}
port: {{ $port }}
{{- end }}
{{- end }}

{{- /* How many of a million traces Envoy records: what OTEL_TRACES_SAMPLER says, as to all processes. */}}
{{- define "neoforge.sampled" -}}
{{- $sampler := .Values.global.env.OTEL_TRACES_SAMPLER | default "" | trimPrefix "parentbased_" }}
{{- if eq $sampler "" }}{{ 250000 }}{{ else if eq $sampler "always_off" }}0
{{- else if eq $sampler "traceidratio" }}{{ mulf 1000000 (float64 (.Values.global.env.OTEL_TRACES_SAMPLER_ARG | default 1)) | floor | int }}
{{- else }}1000000{{ end }}
{{- end }}

{{/* PromQL: whoever this release has, or whose exporters rules.exporters names, and Prometheus does not know of. */}}
{{- define "neoforge.expected" -}}
{{- $all := list }}
{{- range $name, $process := .Values }}
{{- if and (kindIs "map" $process) (hasKey $process "migrate") }}
{{- if $process.enabled }}
{{- $all = append $all (printf "absent(up{job=\"neoforge\",service=\"%s\",process=\"serve\"})" $name) }}
{{- if and $process.worker.enabled (eq $process.kind "grpc") }}
{{- $all = append $all (printf "absent(up{job=\"neoforge\",service=\"%s\",process=\"worker\"})" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range ternary (prepend .Values.rules.exporters "envoy") .Values.rules.exporters .Values.edge.enabled }}
{{- $all = append $all (printf "absent(up{job=\"%s\"})" .) }}
{{- end }}
{{- join " or " $all }}
{{- end }}
