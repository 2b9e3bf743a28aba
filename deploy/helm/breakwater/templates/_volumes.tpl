{{- /* What every part mounts beside /tmp and the files of Kafka. Takes root and options, the values of the part. */ -}}
{{- define "breakwater.furtherMounts" -}}
{{- if .root.Values.trustedAuthorities.existingSecret }}
- { name: authorities, mountPath: /etc/breakwater/authorities, readOnly: true }
{{- end }}
{{- with .options.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "breakwater.furtherVolumes" -}}
{{- with .root.Values.trustedAuthorities.existingSecret }}
- name: authorities
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- with .options.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
