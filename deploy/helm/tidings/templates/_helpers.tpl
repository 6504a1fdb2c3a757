{{- define "tidings.fullname" -}}
{{- if contains "tidings" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-tidings" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tidings.selector" -}}
app.kubernetes.io/name: tidings
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tidings.labels" -}}
{{ include "tidings.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "tidings.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* What would only be found out at night is found out here. */}}
{{- define "tidings.check" -}}
{{- $graceMs := int (dig "shutdown" "graceMs" 10000 .Values.config) }}
{{- $neededMs := add $graceMs (mul 1000 (int .Values.preStopSeconds)) }}
{{- if le (mul 1000 (int .Values.terminationGracePeriodSeconds)) $neededMs }}
{{- fail (printf "terminationGracePeriodSeconds must exceed preStopSeconds and config.shutdown.graceMs together (%d ms): attempts in progress would be killed" $neededMs) }}
{{- end }}
{{- if dig "store" "file" "" .Values.config }}
{{- fail "config.store.file is for a single instance with a disk: set config.store.url" }}
{{- end }}
{{- if not .Values.config.store.url }}
{{- fail "set config.store.url, without the password" }}
{{- end }}
{{- if dig "operator" "tls" "clientCaFile" "" .Values.config }}
{{- fail "config.operator.tls.clientCaFile: the probes of Kubernetes have no client certificate" }}
{{- end }}
{{- if not (or .Values.secrets .Values.externalSecrets.enabled) }}
{{- fail "name the Secrets with keys and certificates in secrets, or enable externalSecrets" }}
{{- end }}
{{- if and .Values.externalSecrets.enabled (eq .Values.migration.mode "hook") }}
{{- fail "with externalSecrets set migration.mode to initContainer: hooks run before there is a Secret" }}
{{- end }}
{{- end }}

{{- define "tidings.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "tidings.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "tidings.mounts" -}}
- { name: config, mountPath: /etc/tidings, readOnly: true }
- { name: secrets, mountPath: /run/secrets, readOnly: true }
- { name: tmp, mountPath: /tmp }
{{- end }}

{{- /* @param configMap, root */}}
{{- define "tidings.volumes" -}}
- name: config
  configMap: { name: {{ .configMap }} }
- name: secrets
  projected:
    # For the group, which is that of the service.
    defaultMode: 0440
    sources:
      {{- range .root.Values.secrets }}
      - secret: { name: {{ . }} }
      {{- end }}
      {{- if .root.Values.externalSecrets.enabled }}
      - secret: { name: {{ include "tidings.fullname" .root }} }
      {{- end }}
- name: tmp
  emptyDir: { sizeLimit: 16Mi }
{{- end }}

{{- define "tidings.migrate" -}}
image: {{ include "tidings.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [migrate, --config, /etc/tidings/tidings.json]
{{- with .Values.env }}
env: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext: {{ include "tidings.containerSecurity" . | nindent 2 }}
resources:
  requests: { cpu: 100m, memory: 150Mi }
  limits: { memory: 300Mi }
volumeMounts: {{ include "tidings.mounts" . | nindent 2 }}
{{- end }}

{{- define "tidings.config" -}}
{{ toPrettyJson .Values.config }}
{{- end }}

{{- /* Without operator.tls a proxy in front of the listener has it (operator.isBehindProxy). */}}
{{- define "tidings.operatorScheme" -}}
{{- if dig "operator" "tls" "certificateFile" "" .Values.config }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- /* delivery.callbackPortsAllowed, as a NetworkPolicy has it. */}}
{{- define "tidings.callbackPorts" -}}
{{- range dig "delivery" "callbackPortsAllowed" (list "443" "1024-65535") .Values.config }}
{{- $range := splitList "-" (toString .) }}
- { port: {{ first $range }}{{ if eq (len $range) 2 }}, endPort: {{ last $range }}{{ end }} }
{{- end }}
{{- end }}
