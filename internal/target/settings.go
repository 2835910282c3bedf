package target

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/release"
)

// described gives what GetFunctionConfiguration answered in the form of other operations.
func described(out *lambda.GetFunctionConfigurationOutput) *types.FunctionConfiguration {
	return &types.FunctionConfiguration{
		Architectures: out.Architectures, CodeSha256: out.CodeSha256, CodeSize: out.CodeSize, Description: out.Description,
		Environment: out.Environment, FunctionArn: out.FunctionArn, FunctionName: out.FunctionName, Handler: out.Handler,
		MemorySize: out.MemorySize, PackageType: out.PackageType, RevisionId: out.RevisionId, Role: out.Role, Runtime: out.Runtime,
		Timeout: out.Timeout, Version: out.Version, Layers: out.Layers, EphemeralStorage: out.EphemeralStorage,
		TracingConfig: out.TracingConfig, DeadLetterConfig: out.DeadLetterConfig, LoggingConfig: out.LoggingConfig,
	}
}

// settingsOf gives what AWS answered in the words of a manifest.
func settingsOf(c *types.FunctionConfiguration) release.Settings {
	var s release.Settings
	for _, l := range c.Layers {
		s.Layers = append(s.Layers, aws.ToString(l.Arn))
	}
	if c.EphemeralStorage != nil {
		s.EphemeralStorage = aws.ToInt32(c.EphemeralStorage.Size)
	}
	if c.TracingConfig != nil {
		s.Tracing = string(c.TracingConfig.Mode)
	}
	if c.DeadLetterConfig != nil {
		s.DeadLetterTarget = aws.ToString(c.DeadLetterConfig.TargetArn)
	}
	if l := c.LoggingConfig; l != nil {
		s.Logging = release.Logging{Format: string(l.LogFormat), Group: aws.ToString(l.LogGroup)}
		if l.LogFormat == types.LogFormatJson {
			s.Logging.ApplicationLevel, s.Logging.SystemLevel = string(l.ApplicationLogLevel), string(l.SystemLogLevel)
		}
		if s.Logging.Group == ownLogGroup(aws.ToString(c.FunctionName)) {
			s.Logging.Group = ""
		}
	}
	return s
}

func ownLogGroup(function string) string { return "/aws/lambda/" + function }

// change is what a request says about settings; what stays is not said, so that an endpoint that does not know a setting
// need not.
type change struct {
	layers     []string
	storage    *types.EphemeralStorage
	tracing    *types.TracingConfig
	deadLetter *types.DeadLetterConfig
	logging    *types.LoggingConfig
}

// changed says how settings become others; both have their defaults.
func changed(was, is release.Settings, function string) change {
	var c change
	if !slices.Equal(was.Layers, is.Layers) {
		c.layers = append([]string{}, is.Layers...) // none at all removes them
	}
	if was.EphemeralStorage != is.EphemeralStorage {
		c.storage = &types.EphemeralStorage{Size: aws.Int32(is.EphemeralStorage)}
	}
	if was.Tracing != is.Tracing {
		c.tracing = &types.TracingConfig{Mode: types.TracingMode(is.Tracing)}
	}
	if was.DeadLetterTarget != is.DeadLetterTarget {
		c.deadLetter = &types.DeadLetterConfig{TargetArn: aws.String(is.DeadLetterTarget)} // an empty one removes it
	}
	if l := is.Logging; was.Logging != l {
		group := l.Group
		if group == "" {
			group = ownLogGroup(function)
		}
		c.logging = &types.LoggingConfig{
			LogFormat: types.LogFormat(l.Format), ApplicationLogLevel: types.ApplicationLogLevel(l.ApplicationLevel),
			SystemLogLevel: types.SystemLogLevel(l.SystemLevel), LogGroup: &group,
		}
	}
	return c
}
