{{- define "redeliver.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* At most 52 characters: a pod of a StatefulSet adds its number, and a label with the name of its revision eleven. */ -}}
{{- define "redeliver.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "redeliver.selector" -}}
app.kubernetes.io/name: {{ include "redeliver.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "redeliver.labels" -}}
{{ include "redeliver.selector" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- define "redeliver.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "redeliver.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "redeliver.scheme" -}}
{{- ternary "HTTPS" "HTTP" (not (empty .Values.admin.tls.secretName)) -}}
{{- end -}}
