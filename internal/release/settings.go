package release

import (
	"fmt"
	"strings"
)

// Settings are what a version of a function has beside its code and the usual configuration. Zero values mean AWS's defaults.
// Of what Lambda keeps with a version, VPC, file systems, KMS key, SnapStart, durable execution, capacity provider, runtime
// management and container images are no part of it: they stay as they are.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html
type Settings struct {
	Layers           []string `json:"layers,omitempty"`           // ARNs of layer versions; files of later ones go over those of earlier ones
	EphemeralStorage int32    `json:"ephemeralStorage,omitempty"` // size of /tmp in MiB
	Tracing          string   `json:"tracing,omitempty"`          // Active or PassThrough
	DeadLetterTarget string   `json:"deadLetterTarget,omitempty"` // ARN of the queue or topic for events that failed
	Logging          Logging  `json:"logging,omitzero"`
}

// Logging is how a version writes its log. Levels are those of JSON only.
type Logging struct {
	Format           string `json:"format,omitempty"`           // Text or JSON
	ApplicationLevel string `json:"applicationLevel,omitempty"` // TRACE, DEBUG, INFO, WARN, ERROR or FATAL
	SystemLevel      string `json:"systemLevel,omitempty"`      // DEBUG, INFO or WARN
	Group            string `json:"group,omitempty"`            // "" is the function's own, /aws/lambda/{name}
}

// AWS's defaults for settings.
const (
	DefaultEphemeralStorage = 512 // MiB
	DefaultTracing          = "PassThrough"
	LogText                 = "Text"
	LogJSON                 = "JSON"
	DefaultLogLevel         = "INFO"
)

func (s Settings) withDefaults() Settings {
	if len(s.Layers) == 0 {
		s.Layers = nil
	}
	if s.EphemeralStorage == 0 {
		s.EphemeralStorage = DefaultEphemeralStorage
	}
	if s.Tracing == "" {
		s.Tracing = DefaultTracing
	}
	if s.Logging.Format == "" {
		s.Logging.Format = LogText
	}
	if s.Logging.Format == LogJSON {
		if s.Logging.ApplicationLevel == "" {
			s.Logging.ApplicationLevel = DefaultLogLevel
		}
		if s.Logging.SystemLevel == "" {
			s.Logging.SystemLevel = DefaultLogLevel
		}
	}
	return s
}

// withoutDefaults leaves out what is as AWS has it anyway.
func (s Settings) withoutDefaults() Settings {
	s = s.withDefaults()
	if s.EphemeralStorage == DefaultEphemeralStorage {
		s.EphemeralStorage = 0
	}
	if s.Tracing == DefaultTracing {
		s.Tracing = ""
	}
	if s.Logging.Format == LogText {
		s.Logging.Format = ""
	}
	return s
}

// differences lists in words how s differs from was; both have their defaults.
func (s Settings) differences(was Settings) []string {
	var out []string
	change := func(field, from, to string) {
		if from != to {
			out = append(out, field+" "+orNone(from)+" → "+orNone(to))
		}
	}
	change("layers", layerNames(was.Layers), layerNames(s.Layers))
	if len(out) == 0 && strings.Join(was.Layers, " ") != strings.Join(s.Layers, " ") { // the same names, of other accounts
		change("layers", strings.Join(was.Layers, " "), strings.Join(s.Layers, " "))
	}
	change("ephemeralStorage", fmt.Sprint(was.EphemeralStorage), fmt.Sprint(s.EphemeralStorage))
	change("tracing", was.Tracing, s.Tracing)
	change("deadLetterTarget", was.DeadLetterTarget, s.DeadLetterTarget)
	change("logging.format", was.Logging.Format, s.Logging.Format)
	change("logging.applicationLevel", was.Logging.ApplicationLevel, s.Logging.ApplicationLevel)
	change("logging.systemLevel", was.Logging.SystemLevel, s.Logging.SystemLevel)
	change("logging.group", was.Logging.Group, s.Logging.Group)
	return out
}

// layerNames shortens arn:aws:lambda:us-east-1:000000000000:layer:tools:3 to tools:3.
func layerNames(arns []string) string {
	names := make([]string, len(arns))
	for i, arn := range arns {
		names[i] = arn[strings.LastIndex(arn, ":layer:")+1:]
		names[i] = strings.TrimPrefix(names[i], "layer:")
	}
	return strings.Join(names, " + ")
}
