{{- /* config.yaml: the user's, with what the chart knows better: where the listener is, who may use it, and the pod's name. */ -}}
{{- define "redeliver.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $admin := dict "listen" (printf "0.0.0.0:%v" .Values.admin.port) -}}
{{- if .Values.admin.tls.secretName -}}
{{- $_ := set $admin "tls" (dict "cert_file" "/etc/redeliver/tls/tls.crt" "key_file" "/etc/redeliver/tls/tls.key") -}}
{{- else -}}
{{- $_ := set $admin "insecure" true -}}
{{- end -}}
{{- $users := list -}}
{{- range .Values.admin.users -}}
{{- $users = append $users (dict "name" .name "role" .role "token_file" (printf "/etc/redeliver/tokens/%s" .name)) -}}
{{- end -}}
{{- $_ := set $admin "users" $users -}}
{{- $_ := set $config "admin" $admin -}}
{{- if .Values.staticMembership -}}
{{- $defaults := default dict (get $config "defaults") -}}
{{- $_ := set $config "defaults" (merge $defaults (dict "instance_id" "${POD_NAME}")) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* A Go duration, with d for days, in seconds, rounded up. */ -}}
{{- define "redeliver.seconds" -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ms|us|ns|s|m|h|d)" (toString .) -1 -}}
{{- $unit := regexFind "[a-z]+" . -}}
{{- $sum = addf $sum (mulf (float64 (trimSuffix $unit .)) (get (dict "ns" 0.0 "us" 0.000001 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) $unit)) -}}
{{- end -}}
{{- ceil $sum -}}
{{- end -}}

{{- /* Fails where the pod would be killed while it drains. */ -}}
{{- define "redeliver.checkDrain" -}}
{{- $grace := float64 .Values.terminationGracePeriodSeconds -}}
{{- $common := dig "drain" "30s" (default dict .Values.config.defaults) -}}
{{- range .Values.config.pipelines -}}
{{- $drain := default $common .drain -}}
{{- if ge (float64 (include "redeliver.seconds" $drain)) $grace -}}
{{- fail (printf "terminationGracePeriodSeconds is %v, and pipeline %v drains for up to %v: the pod would be killed with records half done; make it longer" $.Values.terminationGracePeriodSeconds .name $drain) -}}
{{- end -}}
{{- end -}}
{{- end -}}
