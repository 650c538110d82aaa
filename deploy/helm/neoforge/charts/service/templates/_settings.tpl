{{/*
The settings of a process as one map, and from there as a list: a name cannot stand there twice.
Each takes (dict "root" . "component" "serve" | "worker" | "migrate").
*/}}

{{/* Which Secrets it reads: {setting: {name, key}} as YAML. */}}
{{- define "service.secrets" -}}
{{- $all := dict -}}
{{- if eq .component "migrate" -}}
  {{- $all = .root.Values.migrate.secrets -}}
{{- else -}}
  {{- $all = mergeOverwrite (deepCopy .root.Values.global.secrets) (deepCopy .root.Values.secrets) -}}
  {{- if eq .component "worker" -}}{{- $all = mergeOverwrite $all (deepCopy .root.Values.worker.secrets) -}}{{- end -}}
{{- end -}}
{{- $kept := dict -}}
{{- range $setting, $source := $all -}}{{- if $source -}}{{- $_ := set $kept $setting $source -}}{{- end -}}{{- end -}}
{{- toYaml $kept -}}
{{- end }}

{{/* Whether a setting has a value, in env or in secrets. Takes (dict "root" . "setting" "NEOFORGE_..."). */}}
{{- define "service.has" -}}
{{- $values := .root.Values -}}
{{- $all := merge dict ($values.secrets | default dict) ($values.env | default dict) $values.global.secrets $values.global.env -}}
{{- if get $all .setting -}}true{{- end -}}
{{- end }}

{{/* Whether files are kept on a volume: it is on, and nothing keeps them elsewhere. */}}
{{- define "service.stores" -}}
{{- $storage := .Values.storage -}}
{{- $elsewhere := and $storage.instead (include "service.has" (dict "root" . "setting" $storage.instead)) -}}
{{- if not $elsewhere -}}
  {{- if $storage.enabled -}}true
  {{- else if and $storage.instead (eq .Values.global.environment "production") -}}
    {{- fail (printf "\n\n%s: its files would be lost with its pod. Set %s.env.%s, or %s.storage.enabled for a volume.\n" (include "service.name" .) (include "service.name" .) $storage.instead (include "service.name" .)) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- define "service.settings" -}}
{{- $root := .root -}}
{{- $name := include "service.name" $root -}}
{{- $all := dict "NEOFORGE_ENVIRONMENT" $root.Values.global.environment -}}
{{- if and (eq $root.Values.global.tls.mode "none") (eq $root.Values.global.environment "production") -}}
  {{- fail "\n\nglobal.tls.mode is none: in production, processes call each other over mutual TLS. Set it to certManager or secret, or global.environment to another.\n" -}}
{{- end -}}
{{- if and $root.Values.global.sync (ne .component "migrate") -}}{{- $_ := set $all "PYTHONPATH" "/source" -}}{{- end -}}
{{- if ne .component "migrate" -}}
  {{- $_ := set $all "NEOFORGE_LISTEN" (printf "0.0.0.0:%s" (include "service.port" $root)) -}}
  {{- if eq $root.Values.kind "grpc" -}}
    {{- $_ := set $all "NEOFORGE_OPS_LISTEN" (printf "0.0.0.0:%s" (include "service.operationsPort" $root)) -}}
  {{- end -}}
  {{- if ne $root.Values.global.tls.mode "none" -}}
    {{- $_ := set $all "NEOFORGE_TLS_CA" "/run/secrets/tls/ca.crt" -}}
    {{- $_ := set $all "NEOFORGE_TLS_CERTIFICATE" "/run/secrets/tls/tls.crt" -}}
    {{- $_ := set $all "NEOFORGE_TLS_KEY" "/run/secrets/tls/tls.key" -}}
  {{- end -}}
{{- end -}}
{{- $own := keys $all -}}
{{- range $setting, $value := mergeOverwrite (deepCopy $root.Values.global.env) (deepCopy $root.Values.env) -}}
  {{- if has $setting $own -}}
    {{- fail (printf "\n\n%s: %s is the chart's own to set, by what else stands in the values (%s). Take it out of env.\n" $name $setting (ternary "global.environment" "kind, global.tls" (eq $setting "NEOFORGE_ENVIRONMENT"))) -}}
  {{- end -}}
  {{- if not (kindIs "invalid" $value) -}}{{- $_ := set $all $setting (tpl $value $root) -}}{{- end -}}
{{- end -}}
{{- range $setting, $source := include "service.secrets" . | fromYaml -}}
  {{- if hasKey $all $setting -}}
    {{- fail (printf "\n\n%s: %s stands both in env and in secrets. Take it out of one of them.\n" $name $setting) -}}
  {{- end -}}
  {{- $_ := set $all (printf "%s_FILE" $setting) (printf "/run/secrets/neoforge/%s" $setting) -}}
{{- end -}}
{{- if ne .component "migrate" -}}{{- include "service.inTime" (dict "root" $root "settings" $all) -}}{{- end -}}
{{- if and (ne .component "migrate") (include "service.stores" $root) -}}
  {{- $folder := get $all $root.Values.storage.setting | default "" -}}
  {{- if and $folder (not (hasPrefix (printf "%s/" $root.Values.storage.path) (printf "%s/" $folder))) -}}
    {{- fail (printf "\n\n%s: %s is %s, which is not on the volume at %s (%s.storage.path).\n" $name $root.Values.storage.setting $folder $root.Values.storage.path $name) -}}
  {{- end -}}
{{- end -}}
{{- $required := $root.Values.required -}}
{{- if eq .component "worker" -}}{{- $required = concat $required $root.Values.worker.required -}}{{- end -}}
{{- if eq .component "migrate" -}}{{- $required = $root.Values.migrate.required -}}{{- end -}}
{{- range $setting := $required -}}
  {{- if not (or (get $all $setting) (hasKey $all (printf "%s_FILE" $setting))) -}}
    {{- $where := $name -}}
    {{- if not (has $setting $root.Values.required) -}}{{- $where = printf "%s.%s" $name $.component -}}{{- end -}}
    {{- fail (printf "\n\n%s: %s is not set. Give %s.secrets.%s.name, the Secret that holds it, or %s.env.%s.\n" $name $setting $where $setting $name $setting) -}}
  {{- end -}}
{{- end -}}
{{- range $setting := keys $all | sortAlpha }}
- name: {{ $setting }}
  value: {{ get $all $setting | quote }}
{{- end -}}
{{- end }}

{{/* The Secrets as files, each key under its setting's name. */}}
{{- define "service.secretsVolume" -}}
{{- $secrets := include "service.secrets" . | fromYaml -}}
{{- $bySecret := dict -}}
{{- range $setting := keys $secrets | sortAlpha -}}
  {{- $source := get $secrets $setting -}}
  {{- $name := tpl $source.name $.root -}}
  {{- include "service.found" (dict "root" $.root "name" $name "key" $source.key "setting" $setting) -}}
  {{- $_ := set $bySecret $name (append (get $bySecret $name | default list) (dict "key" $source.key "path" $setting)) -}}
{{- end -}}
{{- if $bySecret }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
    {{- range $name := keys $bySecret | sortAlpha }}
      - secret:
          name: {{ $name }}
          items: {{- get $bySecret $name | toYaml | nindent 12 }}
    {{- end }}
{{- end }}
{{- end }}

{{/*
On a cluster (where there is a namespace to be seen), a Secret that is missing is told now rather than by a pod that hangs.
Takes (dict "root" . "name" "of the Secret" "key" "..." "setting" "what it holds"), and "who" if it is not the process.
*/}}
{{- define "service.found" -}}
{{- if and .root.Values.global.checkSecrets (lookup "v1" "Namespace" "" .root.Release.Namespace) -}}
  {{- $who := .who | default (include "service.name" .root) -}}
  {{- $secret := lookup "v1" "Secret" .root.Release.Namespace .name -}}
  {{- if not $secret -}}
    {{- fail (printf "\n\n%s: there is no Secret %s in the namespace %s, whose key %s holds %s.\n" $who .name .root.Release.Namespace .key .setting) -}}
  {{- else if not (hasKey ($secret.data | default dict) .key) -}}
    {{- fail (printf "\n\n%s: the Secret %s has no key %s, which holds %s.\n" $who .name .key .setting) -}}
  {{- end -}}
{{- end -}}
{{- end }}
