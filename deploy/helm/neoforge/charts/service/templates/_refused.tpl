{{/*
What a schema cannot see: values that are good by themselves, and of which the cluster would make nothing, or another thing
than they say. Takes the root; settings that contradict each other are refused where they are merged (_settings.tpl).
*/}}
{{- define "service.refused" -}}
{{- $name := include "service.name" . -}}
{{- if and (ne .Chart.Name "service") (ne $name .Chart.Name) -}}
  {{- fail (printf "\n\n%s.name is %s: in the release of all, others call it by the name %s. Leave it out.\n" .Chart.Name $name .Chart.Name) -}}
{{- end -}}
{{- if eq .Values.kind "http" -}}
  {{- range $part := list "worker" "migrate" -}}
    {{- if (get $.Values $part).enabled -}}
      {{- fail (printf "\n\n%s: %s.%s.enabled is true, and a process of kind http has none. Set it to false.\n" $name $name $part) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- range $where, $part := dict "" .Values "worker." .Values.worker -}}
  {{- if and $part.autoscaling.enabled (or (not $where) $part.enabled) (not (dig "requests" "cpu" "" $part.resources)) -}}
    {{- fail (printf "\n\n%s: %sautoscaling is by the part of %sresources.requests.cpu that is used, which is not set.\n" $name $where $where) -}}
  {{- end -}}
{{- end -}}
{{- if and (eq .Values.global.environment "production") (not (hasPrefix "https://" .Values.global.publicUrl)) -}}
  {{- fail (printf "\n\nglobal.publicUrl is %s: in production it is https, or processes refuse to start.\n" .Values.global.publicUrl) -}}
{{- end -}}
{{- if and (include "service.stores" .) (regexMatch "^/(bin|dev|etc|lib|lib64|opt|proc|run|sys|tmp|usr)?(/|$)" .Values.storage.path) -}}
  {{- fail (printf "\n\n%s.storage.path is %s, where other things are: a volume would hide them. Take a folder such as /srv/files.\n" $name .Values.storage.path) -}}
{{- end -}}
{{- with .Values.global.tls -}}
  {{- if and (eq .mode "certManager") (not .issuer.name) (or (ne .issuer.kind "Issuer") (ne .issuer.group "cert-manager.io")) -}}
    {{- fail (printf "\n\nglobal.tls.issuer.name is empty: name the %s of %s that certificates come from.\n" .issuer.kind .issuer.group) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/*
Whether a replica that ends has the time that it was promised: 5 s of preStop, its farewell, and what running calls may take.
Takes (dict "root" . "settings" the merged settings of a process that serves or works).
*/}}
{{- define "service.inTime" -}}
{{- $farewell := get .settings "NEOFORGE_FAREWELL_S" | default "2" | float64 -}}
{{- $drain := get .settings "NEOFORGE_DRAIN_S" | default "25" | float64 -}}
{{- $needed := addf 5 $farewell $drain -}}
{{- if gt $needed (float64 .root.Values.terminationGracePeriodSeconds) -}}
  {{- $name := include "service.name" .root -}}
  {{- fail (printf "\n\n%s: it would be killed after %v s, and takes up to %v to end: 5 of preStop, %v of NEOFORGE_FAREWELL_S, %v for running calls. Raise %s.terminationGracePeriodSeconds.\n" $name .root.Values.terminationGracePeriodSeconds $needed $farewell $drain $name) -}}
{{- end -}}
{{- end }}
