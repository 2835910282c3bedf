package manifest

import (
	"fmt"

	"github.com/tealdeploy/teal/internal/release"
)

var (
	layerForm      = newForm(`^arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:layer:[A-Za-z0-9_-]{1,140}:[1-9]\d{0,9}$`)
	deadLetterForm = newForm(`^arn:aws[a-z-]*:(sqs|sns):[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]{1,256}$`)
	// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
	logGroupForm = newForm(`^[A-Za-z0-9_./#-]{1,512}$`)
)

// maxLayers is Lambda's bound for one function.
const maxLayers = 5

// staysAsIs is said of what Lambda keeps with a version and a release leaves alone.
const staysAsIs = "remove it: a release leaves this setting of the function as it is"

// layers reads the ARNs of layer versions; order counts.
func (a *application) layers(f field) []string {
	const example = "layers: [arn:aws:lambda:us-east-1:123456789012:layer:tools:3]"
	var out []string
	named := map[string]bool{}
	a.words(f, example, func(e field, _ string) {
		arn := a.matching(e, layerForm, "the ARN of a layer's version", example)
		if arn != "" && named[arn] {
			a.fault(e.node, e.path+" is named twice", "keep one of them")
		}
		named[arn] = true
		out = append(out, arn)
	})
	if len(out) > maxLayers {
		a.fault(f.node, fmt.Sprintf("%s names %d layers; Lambda takes at most %d", f.path, len(out), maxLayers), "put some of them together")
	}
	return out
}

func (a *application) logging(f field) release.Logging {
	var l release.Logging
	a.object(f, map[string]func(field){
		"format":           func(f field) { l.Format = a.oneOf(f, release.LogText, release.LogJSON) },
		"applicationLevel": func(f field) { l.ApplicationLevel = a.oneOf(f, "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL") },
		"systemLevel":      func(f field) { l.SystemLevel = a.oneOf(f, "DEBUG", "INFO", "WARN") },
		"group":            func(f field) { l.Group = a.matching(f, logGroupForm, "the name of a log group", "group: /shop/hello") },
	}, map[string]string{
		"logFormat": "write format: JSON", "applicationLogLevel": "write applicationLevel:", "systemLogLevel": "write systemLevel:", "logGroup": "write group:",
	})
	if (l.ApplicationLevel != "" || l.SystemLevel != "") && l.Format != release.LogJSON {
		a.fault(f.key, f.path+" has a level, which Lambda knows for JSON only", "write format: JSON")
	}
	return l
}
