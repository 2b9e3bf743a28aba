{{- /*
The environment of one container. It stands in the pod and not in a ConfigMap: a changed setting then rolls the pods by
itself, and a roll back brings the former settings with the former pods.
Takes root, settings (of the part), extraEnv, memoryMegabytes, tls, proxyProtocol, and ranges, where there are some.
*/ -}}
{{- define "breakwater.environment" -}}
{{- $values := .root.Values -}}
{{- $settings := dict
  "EVENT_LOG" $values.eventLog
  "PARTITIONS" $values.partitions
  "CLICKHOUSE_URL" $values.clickhouse.url
  "CLICKHOUSE_USER" $values.clickhouse.user
  "CLICKHOUSE_DATABASE" $values.clickhouse.database
  "METRICS_HOST" "0.0.0.0"
  "METRICS_PORT" 9464
-}}
{{- if not $values.redis.existingSecret -}}{{- $_ := set $settings "REDIS_URL" $values.redis.url -}}{{- end -}}
{{- if eq $values.eventLog "kafka" -}}{{- $_ := set $settings "KAFKA_BROKERS" $values.kafka.brokers -}}
{{- $_ := set $settings "KAFKA_TOPIC_PREFIX" $values.kafka.topicPrefix -}}
{{- $settings = merge $settings (include "breakwater.kafkaSecurity" .root | fromYaml) -}}
{{- end -}}
{{- if $values.trustedAuthorities.existingSecret -}}
{{- $_ := set $settings "NODE_EXTRA_CA_CERTS" (printf "/etc/breakwater/authorities/%s" $values.trustedAuthorities.key) -}}
{{- end -}}
{{- if $values.temporal.address -}}
{{- $_ := set $settings "TEMPORAL_ADDRESS" $values.temporal.address -}}
{{- $_ := set $settings "TEMPORAL_NAMESPACE" $values.temporal.namespace -}}
{{- $_ := set $settings "TEMPORAL_TLS" $values.temporal.tls -}}
{{- end -}}
{{- if .memoryMegabytes -}}{{- $_ := set $settings "MEMORY_MAX_MB" .memoryMegabytes -}}{{- end -}}
{{- with .ranges -}}{{- $_ := set $settings "WRITER_RANGES" (min . $values.partitions) -}}{{- end -}}
{{- if .tls -}}
{{- $_ := set $settings "GATEWAY_TLS_CERT_FILE" "/etc/breakwater/tls/tls.crt" -}}
{{- $_ := set $settings "GATEWAY_TLS_KEY_FILE" "/etc/breakwater/tls/tls.key" -}}
{{- end -}}
{{- if .proxyProtocol -}}{{- $_ := set $settings "GATEWAY_PROXY_PROTOCOL" "mqtt,mqtts,ws,wss" -}}{{- end -}}
{{- $settings = merge (deepCopy (default dict .settings)) (deepCopy $values.settings) $settings -}}
{{- range $name, $value := $settings }}
- { name: {{ $name }}, value: {{ if kindIs "float64" $value }}{{ $value | int64 | toString | quote }}{{ else }}{{ $value | toString | quote }}{{ end }} }
{{- end }}
{{- with $values.redis.existingSecret }}
- name: REDIS_URL
  valueFrom: { secretKeyRef: { name: {{ . }}, key: {{ $values.redis.secretKey }} } }
{{- end }}
{{- if and (eq $values.eventLog "kafka") (ne $values.kafka.sasl.mechanism "none") }}
- name: KAFKA_SASL_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $values.kafka.sasl.existingSecret }}, key: {{ $values.kafka.sasl.secretKey }} } }
{{- end }}
{{- with $values.clickhouse.existingSecret }}
- name: CLICKHOUSE_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ . }}, key: {{ $values.clickhouse.secretKey }} } }
{{- end }}
{{- if .admin }}
- name: ADMIN_API_KEY
  valueFrom: { secretKeyRef: { name: {{ $values.admin.existingSecret }}, key: {{ $values.admin.secretKey }} } }
{{- end }}
{{- with .extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "breakwater.environmentSecrets" -}}
{{- range .Values.settingsSecrets }}
- secretRef: { name: {{ . }} }
{{- end }}
{{- end -}}
