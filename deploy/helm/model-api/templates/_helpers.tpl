{{/* The release's name, which is also that of the Service; names of Services end at 63 characters. */}}
{{- define "model-api.name" -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What tells this release's pods from all others. */}}
{{- define "model-api.selector" -}}
app.kubernetes.io/name: model-api
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "model-api.labels" -}}
{{ include "model-api.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "model-api.image" -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- end }}

{{/* What Kubernetes' Pod Security Standard "restricted" asks of a pod, and of a container. */}}
{{- define "model-api.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "model-api.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
