{{- define "redeliver.pod" -}}
metadata:
  annotations:
    checksum/config: {{ include "redeliver.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "redeliver.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "redeliver.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: redeliver
      image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [run, -c, /etc/redeliver/config/config.yaml]
      env:
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        - name: XDG_CACHE_HOME
          value: /var/cache
        {{- with .Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - {name: admin, containerPort: {{ .Values.admin.port }}, protocol: TCP}
      # The process serves: only where it does not a restart helps.
      livenessProbe:
        httpGet: {path: /livez, port: admin, scheme: {{ include "redeliver.scheme" . }}}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      # Every pipeline can make progress.
      readinessProbe:
        httpGet: {path: /readyz, port: admin, scheme: {{ include "redeliver.scheme" . }}}
        periodSeconds: 5
        timeoutSeconds: 5
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/redeliver/config, readOnly: true}
        - {name: tokens, mountPath: /etc/redeliver/tokens, readOnly: true}
        - {name: cache, mountPath: /var/cache}
        {{- if .Values.admin.tls.secretName }}
        - {name: tls, mountPath: /etc/redeliver/tls, readOnly: true}
        {{- end }}
        {{- range $i, $secret := .Values.secretFiles }}
        - {name: secret-{{ $i }}, mountPath: {{ $secret.path | quote }}, readOnly: true}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "redeliver.fullname" . }}}
    - name: tokens
      projected:
        defaultMode: 0440
        sources:
          {{- range .Values.admin.users }}
          - secret: {name: {{ .secret.name | quote }}, items: [{key: {{ .secret.key | quote }}, path: {{ .name | quote }}}]}
          {{- end }}
    # The index of dead letters: it is made anew where it is gone.
    - name: cache
      emptyDir: {}
    {{- with .Values.admin.tls.secretName }}
    - name: tls
      secret: {secretName: {{ . | quote }}, defaultMode: 0440}
    {{- end }}
    {{- range $i, $secret := .Values.secretFiles }}
    - name: secret-{{ $i }}
      secret: {secretName: {{ $secret.name | quote }}, defaultMode: 0440}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if .Values.topologySpreadConstraints }}
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "redeliver.selector" . | nindent 10 }}
    {{- end }}
{{- end -}}
