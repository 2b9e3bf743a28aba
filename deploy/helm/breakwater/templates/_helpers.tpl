{{- define "breakwater.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "breakwater.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "breakwater.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "breakwater.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* The parts: where each stands in the values, what it runs, and where it answers /health and /metrics. */ -}}
{{- define "breakwater.parts" -}}
gateway: { values: gateway, program: apps/gateway/dist/main.js, nodeArguments: [--initial-old-space-size=256, --max-semi-space-size=16, --no-parallel-scavenge, --heap-growing-percent=60], health: metrics, healthPort: 9464 }
twin-worker: { values: twinWorker, program: apps/twin-worker/dist/main.js, nodeArguments: [--initial-heap-size=320], health: metrics, healthPort: 9464, group: twins, lanes: [telemetry, control] }
telemetry-writer: { values: telemetryWriter, program: apps/telemetry-writer/dist/main.js, health: metrics, healthPort: 9464, group: writer, lanes: [telemetry] }
api: { values: api, program: apps/api/dist/main.js, health: http, healthPort: 3000 }
{{- if .Values.temporal.address }}
temporal-worker: { values: temporalWorker, program: temporal/worker/dist/main.js, health: metrics, healthPort: 9464 }
{{- end }}
{{- end -}}

{{- /* Labels of what belongs to a part. Takes root and, unless it belongs to all, part. */ -}}
{{- define "breakwater.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: breakwater
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{ include "breakwater.selector" . }}
{{- end -}}

{{- define "breakwater.selector" -}}
app.kubernetes.io/name: {{ include "breakwater.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .part }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- /* Takes root, and options of a part that may have a tag of its own. */ -}}
{{- define "breakwater.image" -}}
{{- $image := .root.Values.image -}}
{{- $own := dig "imageTag" "" (default dict .options) -}}
{{- if $own -}}
{{ $image.repository }}:{{ $own }}
{{- else if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "breakwater.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "breakwater.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "breakwater.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- with .Values.podSecurityContext.runAsUser }}
runAsUser: {{ . | int64 }}
{{- end }}
{{- with .Values.podSecurityContext.runAsGroup }}
runAsGroup: {{ . | int64 }}
{{- end }}
capabilities: { drop: [ALL] }
{{- end -}}

{{- /* Whether a part follows the lag of the log, by KEDA. Takes root and options, the values of the part. */ -}}
{{- define "breakwater.scalesByLag" -}}
{{- if and (eq .root.Values.eventLog "kafka") (hasKey (default dict .options.autoscaling) "lagThreshold") (dig "autoscaling" "enabled" false .options) -}}
true
{{- end -}}
{{- end -}}

{{- define "breakwater.scalesByUse" -}}
{{- if and (hasKey (default dict .options.autoscaling) "cpuPercent") (dig "autoscaling" "enabled" false .options) -}}
true
{{- end -}}
{{- end -}}

{{- /* Labels and annotations of a pod beside those that select it. Takes root and options, the values of the part. */ -}}
{{- define "breakwater.podLabels" -}}
{{- with merge (dict) (default dict .options.podLabels) .root.Values.pods.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "breakwater.podAnnotations" -}}
{{- with merge (dict) (default dict .options.podAnnotations) .root.Values.pods.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Where a pod may run, and how it gets its image. Takes root and options, the values of the part. */ -}}
{{- define "breakwater.placement" -}}
{{- $pods := .root.Values.pods }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with default $pods.priorityClassName .options.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with default $pods.nodeSelector .options.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default $pods.tolerations .options.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
