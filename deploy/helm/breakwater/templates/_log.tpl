{{- /* Names in Kafka, as libs/config and libs/adapter-kafka make them. */ -}}
{{- define "breakwater.topic" -}}
{{ printf "%s.%s.v1" .root.Values.kafka.topicPrefix .lane }}
{{- end -}}

{{- define "breakwater.consumerGroup" -}}
{{ printf "%s.%s" .root.Values.kafka.topicPrefix .group }}
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
