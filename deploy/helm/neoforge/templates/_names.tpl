{{- define "neoforge.fullname" -}}{{ .Values.global.instance | default .Release.Name }}{{- end }}

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
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
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
