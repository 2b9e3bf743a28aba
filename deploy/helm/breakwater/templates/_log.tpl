{{- /* Names in Kafka, as libs/config and libs/adapter-kafka make them. */ -}}
{{- define "breakwater.topic" -}}
{{ printf "breakwater.%s.v1" .lane }}
{{- end -}}

{{- define "breakwater.consumerGroup" -}}
{{ printf "breakwater.%s" .group }}
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
