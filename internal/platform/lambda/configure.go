package lambda

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// settings are the members by which CreateFunction and UpdateFunctionConfiguration describe a version; nil and "" mean
// not given.
type settings struct {
	Description, Role, Handler *string
	Runtime                    types.Runtime
	Timeout, Memory            *int32
	Ephemeral                  *types.EphemeralStorage
	Environment                *types.Environment
	Tracing                    *types.TracingConfig
	Logging                    *types.LoggingConfig
	SnapStart                  *types.SnapStart
	Layers                     []string
	Vpc                        *types.VpcConfig
	DeadLetter                 *types.DeadLetterConfig
	FileSystems                []types.FileSystemConfig
	Image                      *types.ImageConfig
	KMSKey                     *string
	Capacity                   *types.CapacityProviderConfig
	Durable                    *types.DurableConfig

	held []string // content that apply holds for the layers; the caller releases it when the change is done or refused
}

// constrain finds what AWS's front end refuses.
func (in *settings) constrain(c *constraints) {
	optional(in.Role, func(v string) { c.pattern("role", v, rolePattern) })
	optional(in.Handler, func(v string) {
		c.Length("handler", v, 0, 128)
		c.pattern("handler", v, handlerPattern)
	})
	optional(in.Description, func(v string) { c.Length("description", v, 0, 256) })
	c.integer("timeout", in.Timeout, 1, 900)
	c.integer("memorySize", in.Memory, 128, 32768)
	if in.Ephemeral != nil {
		if in.Ephemeral.Size == nil {
			c.Null("ephemeralStorage.size")
		}
		c.integer("ephemeralStorage.size", in.Ephemeral.Size, 512, 10240)
	}
	if in.Environment != nil {
		for _, k := range slices.Sorted(maps.Keys(in.Environment.Variables)) {
			if !environmentKey.matches(k) {
				c.Fail("{"+k+"=***}", "environment.variables", "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: "+environmentKey.text+"]")
			}
		}
	}
	if in.Tracing != nil {
		c.Enum("tracingConfig.mode", string(in.Tracing.Mode), "Active", "PassThrough")
	}
	if in.SnapStart != nil {
		c.Enum("snapStart.applyOn", string(in.SnapStart.ApplyOn), "PublishedVersions", "None")
	}
	if l := in.Logging; l != nil {
		c.Enum("loggingConfig.logFormat", string(l.LogFormat), "JSON", "Text")
		c.Enum("loggingConfig.applicationLogLevel", string(l.ApplicationLogLevel), "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
		c.Enum("loggingConfig.systemLogLevel", string(l.SystemLogLevel), "DEBUG", "INFO", "WARN")
		optional(l.LogGroup, func(v string) {
			c.Length("loggingConfig.logGroup", v, 1, 512)
			c.pattern("loggingConfig.logGroup", v, logGroupPattern)
		})
	}
	if in.DeadLetter != nil {
		optional(in.DeadLetter.TargetArn, func(v string) { c.pattern("deadLetterConfig.targetArn", v, targetPattern) })
	}
	optional(in.KMSKey, func(v string) { c.pattern("kMSKeyArn", v, keyPattern) })
	if slices.ContainsFunc(in.Layers, func(l string) bool { return !layerPattern.matches(l) }) {
		c.Fail("["+strings.Join(in.Layers, ", ")+"]", "layers", "Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: "+layerPattern.text+", Member must not be null]")
	}
	if v := in.Vpc; v != nil && slices.ContainsFunc(v.SecurityGroupIds, func(g string) bool { return !securityGroup.matches(g) }) {
		c.Fail("["+strings.Join(v.SecurityGroupIds, ", ")+"]", "vpcConfig.securityGroupIds", "Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: "+securityGroup.text+"]")
	}
}

// refuse names what the platform cannot do. Where AWS has an answer for a thing that does not exist, it is that.
func (in *settings) refuse() error {
	switch {
	case in.Vpc != nil && len(in.Vpc.SecurityGroupIds) > 0:
		return invalid("Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group '%s' does not exist", in.Vpc.SecurityGroupIds[0])
	case in.Vpc != nil && len(in.Vpc.SubnetIds) > 0:
		return invalid("Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID '%s' does not exist", in.Vpc.SubnetIds[0])
	case len(in.FileSystems) > 0:
		return unsupported("FileSystemConfigs", "there are no EFS or S3 file systems")
	case in.Image != nil && (in.Image.EntryPoint != nil || in.Image.Command != nil || in.Image.WorkingDirectory != nil):
		return unsupported("ImageConfig", "functions are zip packages")
	case value(in.KMSKey) != "":
		return unsupported("KMSKeyArn", "there is no KMS")
	case in.Capacity != nil:
		return unsupported("CapacityProviderConfig", "there are no capacity providers")
	case in.Durable != nil:
		return unsupported("DurableConfig", "there are no durable functions")
	}
	return nil
}

// apply changes c as the settings say, and checks what AWS checks behind its front end. c is the caller's own.
func (s *Service) apply(c *configuration, in *settings, function string) error {
	if err := in.refuse(); err != nil {
		return err
	}
	if in.Runtime != "" {
		if err := s.checkRuntime(string(in.Runtime)); err != nil {
			return err
		}
		c.Runtime = string(in.Runtime)
	}
	set(&c.Role, in.Role)
	set(&c.Handler, in.Handler)
	set(&c.Description, in.Description)
	set(&c.Timeout, in.Timeout)
	set(&c.Memory, in.Memory)
	if in.Ephemeral != nil {
		set(&c.Ephemeral, in.Ephemeral.Size)
	}
	if in.Tracing != nil && in.Tracing.Mode != "" {
		c.Tracing = string(in.Tracing.Mode)
	}
	if in.SnapStart != nil && in.SnapStart.ApplyOn != "" {
		if in.SnapStart.ApplyOn == types.SnapStartApplyOnPublishedVersions && !snapStarts(c.Runtime) {
			return invalid("%s is not supported for SnapStart enabled functions.", c.Runtime)
		}
		c.SnapStart = string(in.SnapStart.ApplyOn)
	}
	if in.Layers != nil {
		var err error
		if c.Layers, err = s.useLayers(in); err != nil {
			return err
		}
	}
	if in.DeadLetter != nil {
		if err := s.checkDeadLetter(value(in.DeadLetter.TargetArn)); err != nil {
			return err
		}
		c.DeadLetter = value(in.DeadLetter.TargetArn)
	}
	if in.Environment != nil {
		if err := checkEnvironment(in.Environment.Variables); err != nil {
			return err
		}
		c.Environment = &environment{maps.Clone(in.Environment.Variables)}
		if c.Environment.Variables == nil {
			c.Environment.Variables = map[string]string{}
		}
	}
	return c.Logging.apply(in.Logging, function)
}

// apply follows AWS: only what is given changes, and levels exist with the format JSON alone.
func (l *loggingRecord) apply(in *types.LoggingConfig, function string) error {
	if l.Format == "" {
		l.Format = string(types.LogFormatText)
	}
	if in != nil {
		if in.LogFormat != "" {
			l.Format = string(in.LogFormat)
		}
		if l.Format == string(types.LogFormatText) && (in.ApplicationLogLevel != "" || in.SystemLogLevel != "") {
			return invalid(`LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the LogFormat to "JSON" and try again.`)
		}
		set(&l.Group, in.LogGroup)
		if in.ApplicationLogLevel != "" {
			l.Application = string(in.ApplicationLogLevel)
		}
		if in.SystemLogLevel != "" {
			l.System = string(in.SystemLogLevel)
		}
	}
	if l.Group == "" {
		l.Group = "/aws/lambda/" + function
	}
	if l.Format == string(types.LogFormatText) {
		l.Application, l.System = "", ""
		return nil
	}
	if l.Application == "" {
		l.Application = string(types.ApplicationLogLevelInfo)
	}
	if l.System == "" {
		l.System = string(types.SystemLogLevelInfo)
	}
	return nil
}

// reservedKeys are the variables that Lambda sets itself.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
var reservedKeys = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
	"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
	"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

const maxEnvironment = 4096 // bytes as JSON

func checkEnvironment(vars map[string]string) error {
	var used []string
	for _, k := range reservedKeys {
		if _, ok := vars[k]; ok {
			used = append(used, k)
		}
	}
	if len(used) > 0 {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(used, ", "))
	}
	if len(vars) == 0 {
		return nil
	}
	if text := measured(vars); len(text) > maxEnvironment {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %s", text)
	}
	return nil
}

// measured writes variables as AWS's message shows them: as JSON, in the order of a Java HashMap.
func measured(vars map[string]string) string {
	buckets := uint32(16)
	for float32(len(vars)) > 0.75*float32(buckets) {
		buckets *= 2
	}
	bucket := func(key string) uint32 {
		var h uint32
		for i := range len(key) { // the names of variables are ASCII
			h = 31*h + uint32(key[i])
		}
		return (h ^ h>>16) & (buckets - 1)
	}
	keys := slices.SortedFunc(maps.Keys(vars), func(a, b string) int { return cmp.Or(cmp.Compare(bucket(a), bucket(b)), cmp.Compare(a, b)) })
	var out strings.Builder
	for i, k := range keys {
		out.WriteString([]string{"{", ","}[min(i, 1)] + jsonText(k) + ":" + jsonText(vars[k]))
	}
	return out.String() + "}"
}

// jsonText writes s as a JSON string, without escapes for HTML.
func jsonText(s string) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""` // a string can always be encoded
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func set[T any](field *T, given *T) {
	if given != nil {
		*field = *given
	}
}
