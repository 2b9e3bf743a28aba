{{- /* Names in Kafka, as libs/config and libs/adapter-kafka make them. */ -}}
{{- define "breakwater.topic" -}}
{{ printf "%s.%s.v1" .root.Values.kafka.topicPrefix .lane }}
{{- end -}}

{{- /* Takes root and options of a part, and its group; a setting may name that of the twin-workers otherwise. */ -}}
{{- define "breakwater.consumerGroup" -}}
{{- $named := "" -}}
{{- if eq .group "twins" -}}
{{- $named = dig "KAFKA_WORKER_GROUP" (get .root.Values.settings "KAFKA_WORKER_GROUP") (default dict .options.settings) -}}
{{- end -}}
{{ default (printf "%s.%s" .root.Values.kafka.topicPrefix .group) $named }}
{{- end -}}

{{- /* How the brokers are reached, as settings; the password is not among them. */ -}}
{{- define "breakwater.kafkaSecurity" -}}
{{- with .Values.kafka.tls -}}
{{- if .enabled }}
KAFKA_TLS: 'on'
{{- if .caSecret }}
KAFKA_TLS_CA_FILE: /etc/breakwater/kafka/ca.crt
{{- end }}
{{- if .clientSecret }}
KAFKA_TLS_CERT_FILE: /etc/breakwater/kafka/tls.crt
KAFKA_TLS_KEY_FILE: /etc/breakwater/kafka/tls.key
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.kafka.sasl }}
{{- if ne .mechanism "none" }}
KAFKA_SASL_MECHANISM: {{ .mechanism }}
KAFKA_SASL_USERNAME: {{ .username | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* The files that those settings name; nothing where there are none. */ -}}
{{- define "breakwater.kafkaFiles" -}}
{{- $tls := .Values.kafka.tls -}}
{{- if and (eq .Values.eventLog "kafka") $tls.enabled (or $tls.caSecret $tls.clientSecret) -}}
- name: kafka-tls
  projected:
    defaultMode: 0440
    sources:
      {{- with $tls.caSecret }}
      - secret: { name: {{ . }}, items: [{ key: {{ $tls.caKey }}, path: ca.crt }] }
      {{- end }}
      {{- with $tls.clientSecret }}
      - secret:
          name: {{ . }}
          items: [{ key: {{ $tls.certKey }}, path: tls.crt }, { key: {{ $tls.privateKeyKey }}, path: tls.key }]
      {{- end }}
{{- end -}}
{{- end -}}

{{- define "breakwater.kafkaFilesMount" -}}
{{- if include "breakwater.kafkaFiles" . -}}
- { name: kafka-tls, mountPath: /etc/breakwater/kafka, readOnly: true }
{{- end -}}
{{- end -}}

{{- /* Ingress to one port, by default from every pod of the cluster. */ -}}
{{- define "breakwater.fromCluster" -}}
- ports:
    - { protocol: TCP, port: {{ .port }} }
  from:
    {{- if .from }}
    {{- toYaml .from | nindent 4 }}
    {{- else }}
    - namespaceSelector: {}
    {{- end }}
{{- end -}}

{{- /* Name of what KEDA shows to the brokers, where they want something and a part follows the lag. */ -}}
{{- define "breakwater.kafkaCredentials" -}}
{{- $kafka := .Values.kafka -}}
{{- $shows := or (ne $kafka.sasl.mechanism "none") (and $kafka.tls.enabled (or $kafka.tls.caSecret $kafka.tls.clientSecret)) -}}
{{- $root := . -}}
{{- $followers := list -}}
{{- range list .Values.twinWorker .Values.telemetryWriter -}}
{{- $own := not .autoscaling.authenticationRef -}}
{{- if and $own (include "breakwater.scalesByLag" (dict "root" $root "options" .)) }}{{ $followers = append $followers . }}{{ end -}}
{{- end -}}
{{- if and $shows $followers -}}
{{ include "breakwater.fullname" . }}-kafka
{{- end -}}
{{- end -}}

{{- /* Those of the values, and those that addresses name. What stands before an @ is a password. */ -}}
{{- define "breakwater.egressPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.egressPorts }}{{ $ports = append $ports (. | int) }}{{ end -}}
{{- range list .Values.kafka.brokers .Values.redis.url .Values.clickhouse.url .Values.temporal.address -}}
{{- range regexFindAll ":[0-9]+(,|/|$)" (. | splitList "@" | last) -1 -}}
{{- $ports = append $ports (regexFind "[0-9]+" . | int) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toYaml -}}
{{- end -}}
