{{/* The pod of a process, restricted as Pod Security can be. Takes (dict "root" . "component" "serve" | "worker" | "migrate"). */}}
{{- define "service.pod" -}}
{{- $root := .root -}}
{{- $migrates := eq .component "migrate" -}}
{{- if not $migrates }}
serviceAccountName: {{ include "service.fullname" $root }}
{{- end }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds }}
{{- with $root.Values.global.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- include "service.podSecurity" . | nindent 2 }}
{{- if not $migrates }}
topologySpreadConstraints:
  {{- range $key, $then := dict "kubernetes.io/hostname" "ScheduleAnyway" "topology.kubernetes.io/zone" "ScheduleAnyway" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $then }}
    labelSelector: { matchLabels: {{ include "service.selector" $ | fromYaml | toJson }} }
  {{- end }}
{{- end }}
{{- if and $root.Values.global.sync (not $migrates) }}
# The code where a running container can be given newer files (skaffold dev).
initContainers:
  - name: source
    image: {{ include "service.image" $root }}
    command: [sh, -c, "cp -r /opt/neoforge/lib/python3.*/site-packages/{{ include "service.name" $root }} /source/"]
    securityContext: {{- include "service.containerSecurity" . | nindent 6 }}
    resources: { requests: { cpu: 10m, memory: 16Mi }, limits: { memory: 64Mi } }
    volumeMounts: [{ name: source, mountPath: /source }]
{{- end }}
containers:
  - name: {{ include "service.name" $root }}
    image: {{ include "service.image" $root }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: [{{ .component }}]
    securityContext: {{- include "service.containerSecurity" . | nindent 6 }}
    env: {{- include "service.settings" . | nindent 6 }}
    resources: {{- toYaml (ternary $root.Values.worker.resources $root.Values.resources (eq .component "worker")) | nindent 6 }}
    {{- if not $migrates }}
    {{- include "service.portsAndProbes" . | nindent 4 }}
    {{- end }}
    volumeMounts:
      - { name: tmp, mountPath: /tmp }
      {{- if and $root.Values.global.sync (not $migrates) }}
      - { name: source, mountPath: /source }
      {{- end }}
      {{- if include "service.secrets" . | fromYaml }}
      - { name: secrets, mountPath: /run/secrets/neoforge, readOnly: true }
      {{- end }}
      {{- if and (not $migrates) (ne $root.Values.global.tls.mode "none") }}
      - { name: tls, mountPath: /run/secrets/tls, readOnly: true }
      {{- end }}
      {{- if and (not $migrates) (include "service.stores" $root) }}
      - { name: storage, mountPath: {{ $root.Values.storage.path }} }
      {{- end }}
volumes:
  - name: tmp
    emptyDir: { sizeLimit: 256Mi }
  {{- if and $root.Values.global.sync (not $migrates) }}
  - name: source
    emptyDir: { sizeLimit: 64Mi }
  {{- end }}
  {{- include "service.secretsVolume" . | nindent 2 }}
  {{- if and (not $migrates) (ne $root.Values.global.tls.mode "none") }}
  {{- range $key, $what := dict "ca.crt" "the authority" "tls.crt" "its certificate" "tls.key" "the key of its certificate" }}
  {{- if eq $root.Values.global.tls.mode "secret" }}{{ include "service.found" (dict "root" $root "name" (include "service.tlsSecret" $root) "key" $key "setting" $what) }}{{ end }}
  {{- end }}
  - name: tls
    secret: { secretName: {{ include "service.tlsSecret" $root }}, defaultMode: 0440 }
  {{- end }}
  {{- if and (not $migrates) (include "service.stores" $root) }}
  - name: storage
    persistentVolumeClaim: { claimName: {{ $root.Values.storage.existingClaim | default (include "service.fullname" $root) }} }
  {{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "service.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "service.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "service.portsAndProbes" -}}
{{- $root := .root -}}
{{- $grpc := and (eq $root.Values.kind "grpc") (eq .component "serve") -}}
ports:
  {{- if $grpc }}
  - { name: grpc, containerPort: {{ include "service.port" $root }} }
  {{- end }}
  - { name: {{ ternary "http" "operations" (eq $root.Values.kind "http") }}, containerPort: {{ include "service.operationsPort" $root }} }
{{- $http := ternary "http" "operations" (eq $root.Values.kind "http") }}
startupProbe:
  {{- if not $grpc }}
  httpGet: { path: /health, port: {{ $http }} }
  {{- else if eq $root.Values.global.tls.mode "none" }}
  grpc: { port: {{ include "service.port" $root }} }
  {{- else }}
  # grpc.health.v1 as callers reach it: the kubelet's own gRPC probe has no certificate to show. Once; then /ready, which says the same.
  exec: { command: [python, -m, chassis.probe, --grpc] }
  {{- end }}
  periodSeconds: 3
  timeoutSeconds: 5
  failureThreshold: 40
readinessProbe:
  {{- if and $grpc (eq $root.Values.global.tls.mode "none") }}
  grpc: { port: {{ include "service.port" $root }} }
  {{- else }}
  httpGet: { path: /ready, port: {{ $http }} }
  {{- end }}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet: { path: /health, port: {{ $http }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
# Until every caller has heard that this replica goes, it still takes calls.
lifecycle: { preStop: { exec: { command: [sleep, "5"] } } }
{{- end }}
