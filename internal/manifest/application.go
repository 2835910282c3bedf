package manifest

import (
	"fmt"
	"sort"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/tealdeploy/teal/internal/release"
)

// application reads the sections of a manifest. Functions are read after the provider whatever the order in the file, as
// they take defaults from it, and routes and the rollout after the functions that they name.
type application struct {
	*reader
	m        *Manifest
	defaults defaults

	functions map[string]bool
	workflows map[string]bool
	checked   bool // a check or an analysis was read
	called    []called
}

// defaults are the provider's settings for every function.
type defaults struct {
	role, runtime, alias string
	memorySize, timeout  int32
	architectures        []string
	environment          map[string]string
}

var (
	appForm      = newForm(`^[A-Za-z][A-Za-z0-9_-]{0,38}$`)
	keyForm      = newForm(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)
	functionForm = newForm(`^[A-Za-z0-9_-]{1,64}$`)
	workflowForm = newForm(`^[A-Za-z0-9_.-]{1,80}$`)
	// AWS forbids aliases that are only digits: they would be versions.
	aliasForm   = newForm(`^[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*$`)
	roleForm    = newForm(`^arn:aws[a-z-]*:iam::\d{12}:role/[A-Za-z0-9_+=,.@/-]+$`)
	regionForm  = newForm(`^[a-z]{2}(-[a-z]+)+-\d$`)
	runtimeForm = newForm(`^[a-z][a-z0-9.]*$`)
	urlForm     = newForm(`^https?://[^/\s]+/?$`)
	ledgerForm  = newForm(`^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?|[^:\s]+)$`)
	handlerForm = newForm(`^[^\s]{1,128}$`)
)

const roleExample = "role: arn:aws:iam::123456789012:role/teal"

func (a *application) read(root ast.Node) {
	n := a.plain(root)
	if n == nil {
		return
	}
	if _, ok := a.entries(n); !ok {
		a.fault(n, "a manifest is a mapping, got "+describe(n), "begin with app: <name>")
		return
	}
	later := map[string]field{}
	keep := func(name string) func(field) { return func(f field) { later[name] = f } }
	var appAt field
	name := func(f field) {
		if appAt.node != nil {
			a.fault(f.key, "app and service are two names for the same", "keep one of them")
			return
		}
		appAt = f
		a.m.Spec.App = a.matching(f, appForm, "a name of letters, digits, - and _, of at most 39 characters", f.path+": shop")
	}
	a.object(field{node: root}, map[string]func(field){
		"app": name, "service": name,
		"provider": keep("provider"), "functions": keep("functions"), "workflows": keep("workflows"),
		"routes": keep("routes"), "rollout": keep("rollout"),
		"ledger": func(f field) {
			a.m.Ledger = a.matching(f, ledgerForm, "a folder, or a place in S3", "ledger: s3://my-bucket/releases")
		},
	}, map[string]string{
		"stepFunctions": "write workflows: with a key for each state machine", "stateMachines": "write workflows:",
		"httpApi": "write routes:", "events": "write routes:", "resources": "teal releases functions, workflows and their routes; leave other resources to the tool that owns them",
		"plugins": "teal has no plugins; remove it", "frameworkVersion": "remove it", "custom": "use ${env:NAME, default} or YAML anchors",
	})
	if appAt.node == nil {
		a.fault(n, "the application has no name", "write app: <name> at the top")
	}
	if f, ok := later["provider"]; ok {
		a.readProvider(f)
	}
	if a.defaults.alias == "" {
		a.defaults.alias = DefaultAlias
	}
	a.functions, a.workflows = map[string]bool{}, map[string]bool{}
	if f, ok := later["functions"]; ok {
		a.members(f, a.readFunction)
	}
	if f, ok := later["workflows"]; ok {
		a.members(f, a.readWorkflow)
	}
	if len(a.functions)+len(a.workflows) == 0 {
		a.fault(n, "there is nothing to release", "write functions: with at least one function")
	}
	if f, ok := later["routes"]; ok {
		a.list(f, "a list of routes", "- {method: GET, path: /hello, function: hello}", a.readRoute)
	}
	if f, ok := later["rollout"]; ok && !a.isNull(f) {
		a.readRollout(f)
	}
	s := &a.m.Spec
	sort.Slice(s.Functions, func(i, j int) bool { return s.Functions[i].Key < s.Functions[j].Key })
	sort.Slice(s.Workflows, func(i, j int) bool { return s.Workflows[i].Key < s.Workflows[j].Key })
}

func (a *application) readProvider(f field) {
	if a.isNull(f) {
		return
	}
	d := &a.defaults
	a.object(f, map[string]func(field){
		"region": func(f field) { a.m.Provider.Region = a.matching(f, regionForm, "an AWS region", "region: us-east-1") },
		"endpoint": func(f field) {
			a.m.Provider.Endpoint = a.matching(f, urlForm, "a URL without a path", "endpoint: http://127.0.0.1:4566")
		},
		"role":          func(f field) { d.role = a.role(f) },
		"runtime":       func(f field) { d.runtime = a.runtime(f) },
		"alias":         func(f field) { d.alias = a.alias(f) },
		"memorySize":    func(f field) { d.memorySize = a.memorySize(f) },
		"timeout":       func(f field) { d.timeout = a.timeout(f) },
		"architectures": func(f field) { d.architectures = a.architectures(f) },
		"environment":   func(f field) { d.environment = a.environment(f) },
	}, map[string]string{
		"name": "remove it: teal speaks to AWS and to what speaks its API", "stage": "put the stage into the names, such as app: shop-${env:STAGE, dev}",
		"architecture": "write architectures: [arm64]", "iam": "write role: with the ARN of a role",
	})
}

func (a *application) role(f field) string {
	return a.matching(f, roleForm, "the ARN of an IAM role", roleExample)
}

func (a *application) runtime(f field) string {
	return a.matching(f, runtimeForm, "the name of a Lambda runtime", "runtime: provided.al2023, python3.13 or nodejs22.x")
}

func (a *application) alias(f field) string {
	return a.matching(f, aliasForm, "an alias name, which is not only digits", "alias: live")
}

func (a *application) memorySize(f field) int32 {
	return int32(a.integer(f, 128, 10240, " of MiB", "memorySize: 256"))
}

func (a *application) timeout(f field) int32 {
	return int32(a.integer(f, 1, 900, " of seconds", "timeout: 30"))
}

func (a *application) architectures(f field) []string {
	var out []string
	a.words(f, "architectures: [arm64]", func(e field, _ string) {
		if s := a.oneOf(e, "arm64", "x86_64"); s != "" {
			out = append(out, s)
		}
	})
	if len(out) > 1 {
		a.fault(f.node, f.path+" names more than one; Lambda takes exactly one", "write architectures: [arm64] or [x86_64]")
	}
	return out
}

var environmentForm = newForm(`^[A-Za-z][A-Za-z0-9_]+$`)

// maxEnvironment is Lambda's bound on names and values together, in bytes.
const maxEnvironment = 4096

func (a *application) environment(f field) map[string]string {
	out := map[string]string{}
	a.members(f, func(name string, f field) {
		if !environmentForm.MatchString(name) {
			a.fault(f.key, fmt.Sprintf("%q is no name that Lambda takes for an environment variable", name), "begin with a letter; go on with at least one letter, digit or _")
			return
		}
		if reserved(name) {
			a.fault(f.key, fmt.Sprintf("environment variable %s is set by Lambda itself", name), "give it another name")
			return
		}
		if v, ok := a.scalar(f); ok {
			out[name] = v
		}
	})
	return out
}

// reserved reports whether Lambda refuses the variable.
//
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func reserved(name string) bool {
	switch name {
	case "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
		"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN":
		return true
	}
	return strings.HasPrefix(name, "AWS_LAMBDA_") && name != "AWS_LAMBDA_EXEC_WRAPPER" && name != "AWS_LAMBDA_NODEJS_USE_ALTERNATIVE_CLIENT_1"
}

func (a *application) readFunction(key string, f field) {
	if !keyForm.MatchString(key) {
		a.fault(f.key, fmt.Sprintf("%q is no key for a function", key), "begin with a letter; go on with letters, digits, - and _")
		return
	}
	a.functions[key] = true
	d := a.defaults
	fn := release.Function{
		Key: key, Name: a.m.Spec.App + "-" + key, Alias: d.alias, Runtime: d.runtime, Role: d.role,
		MemorySize: d.memorySize, Timeout: d.timeout, Architectures: d.architectures,
	}
	c := code{Build: Build{Function: key, Dir: a.m.Dir}}
	var own map[string]string
	pathOf := func(f field) {
		if c.path != "" {
			a.fault(f.key, fmt.Sprintf("the code of %s is named twice", key), "keep code, or package: {artifact: …}")
		}
		c.path, c.at = a.nonEmpty(f, "code: build/"+key), start(f.node)
	}
	before := len(a.faults)
	if !a.object(f, map[string]func(field){
		"name": func(f field) {
			fn.Name = a.matching(f, functionForm, "a function name of letters, digits, - and _, of at most 64 characters", "name: shop-"+key)
		},
		"handler": func(f field) {
			fn.Handler = a.matching(f, handlerForm, "a handler without spaces", "handler: app.handler")
		},
		"runtime":       func(f field) { fn.Runtime = a.runtime(f) },
		"role":          func(f field) { fn.Role = a.role(f) },
		"alias":         func(f field) { fn.Alias = a.alias(f) },
		"memorySize":    func(f field) { fn.MemorySize = a.memorySize(f) },
		"timeout":       func(f field) { fn.Timeout = a.timeout(f) },
		"architectures": func(f field) { fn.Architectures = a.architectures(f) },
		"environment":   func(f field) { own = a.environment(f) },
		"layers":        func(f field) { fn.Layers = a.layers(f) },
		"ephemeralStorage": func(f field) {
			fn.EphemeralStorage = int32(a.integer(f, 512, 10240, " of MiB", "ephemeralStorage: 1024"))
		},
		"tracing": func(f field) { fn.Tracing = a.oneOf(f, "Active", "PassThrough") },
		"deadLetterTarget": func(f field) {
			fn.DeadLetterTarget = a.matching(f, deadLetterForm, "the ARN of an SQS queue or an SNS topic", "deadLetterTarget: arn:aws:sqs:us-east-1:123456789012:failed")
		},
		"logging": func(f field) { fn.Logging = a.logging(f) },
		"provisionedConcurrency": func(f field) {
			fn.ProvisionedConcurrency = int32(a.integer(f, 1, 100000, " of environments", "provisionedConcurrency: 5"))
		},
		"description": func(f field) {
			if fn.Description = a.text(f, "description: what it does"); len([]rune(fn.Description)) > 256 {
				a.fault(f.node, f.path+" has more than 256 characters, which is Lambda's limit", "shorten it")
			}
		},
		"build": func(f field) { c.Build.Command = a.nonEmpty(f, "build: go build -o build/"+key+"/bootstrap ./"+key) },
		"code":  pathOf,
		"package": func(f field) {
			a.object(f, map[string]func(field){"artifact": pathOf}, map[string]string{"individually": "remove it: every function has its own package"})
		},
	}, map[string]string{
		"events": "write routes: at the top of the manifest", "architecture": "write architectures: [arm64]", "codeUri": "write code:",
		"memory": "write memorySize:", "env": "write environment:", "tracingConfig": "write tracing: Active", "loggingConfig": "write logging: {format: JSON}",
		"deadLetterConfig": "write deadLetterTarget: with the ARN of a queue", "deadLetterQueue": "write deadLetterTarget: with the ARN of a queue",
		"vpc": staysAsIs, "vpcConfig": staysAsIs, "fileSystemConfigs": staysAsIs, "kmsKeyArn": staysAsIs, "snapStart": staysAsIs, "image": "give the code as a zip: container images are not released",
	}) || len(a.faults) > before {
		return
	}
	if fn.Name == "-"+key || len(fn.Name) > 64 {
		if a.m.Spec.App != "" {
			a.fault(f.key, fmt.Sprintf("the function's name %s is longer than 64 characters", fn.Name), "write name: in the function")
		}
		return
	}
	if fn.Runtime == "" {
		a.fault(f.key, fmt.Sprintf("function %s has no runtime", key), "write runtime: provided.al2023, python3.13 or nodejs22.x, here or in provider")
	}
	if fn.Role == "" {
		a.fault(f.key, fmt.Sprintf("function %s has no role", key), "write "+roleExample+", here or in provider")
	}
	if fn.Handler == "" {
		if fn.Runtime != "" && !strings.HasPrefix(fn.Runtime, "provided") {
			a.fault(f.key, fmt.Sprintf("function %s has no handler, which runtime %s needs", key, fn.Runtime), "write handler: app.handler")
		}
		fn.Handler = "bootstrap"
	}
	if c.path == "" {
		a.fault(f.key, fmt.Sprintf("function %s has no code", key), "write code: with a folder, a file or a .zip, and build: with the command that makes it")
	}
	if env := merge(d.environment, own); len(env) > 0 {
		fn.Environment = env
		size := 0
		for k, v := range env {
			size += len(k) + len(v)
		}
		if size > maxEnvironment {
			a.fault(f.key, fmt.Sprintf("the environment of %s has %d bytes; Lambda takes at most %d", key, size, maxEnvironment), "keep large values in a parameter store")
		}
	}
	for _, other := range a.m.Spec.Functions {
		if other.Name == fn.Name {
			a.fault(f.key, fmt.Sprintf("functions %s and %s have the same name %s in AWS", other.Key, key, fn.Name), "give one another name:")
		}
	}
	c.runtime = fn.Runtime
	a.m.code[key] = c
	a.m.Spec.Functions = append(a.m.Spec.Functions, fn)
}

func merge(a, b map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		out[k] = v
	}
	return out
}

func (a *application) readWorkflow(key string, f field) {
	if !keyForm.MatchString(key) {
		a.fault(f.key, fmt.Sprintf("%q is no key for a workflow", key), "begin with a letter; go on with letters, digits, - and _")
		return
	}
	a.workflows[key] = true
	w := release.Workflow{
		Key: key, Name: a.m.Spec.App + "-" + key, Alias: a.defaults.alias, Role: a.defaults.role,
		Type: release.TypeStandard, UseExactVersion: true,
	}
	before := len(a.faults)
	if !a.object(f, map[string]func(field){
		"name": func(f field) {
			w.Name = a.matching(f, workflowForm, "a state machine name of letters, digits, -, _ and ., of at most 80 characters", "name: shop-"+key)
		},
		"definition":      func(f field) { w.Definition = a.definition(f) },
		"type":            func(f field) { w.Type = a.oneOf(f, release.TypeStandard, release.TypeExpress) },
		"role":            func(f field) { w.Role = a.role(f) },
		"alias":           func(f field) { w.Alias = a.alias(f) },
		"useExactVersion": func(f field) { w.UseExactVersion = a.boolean(f, "useExactVersion: true") },
		"dynamicStates": func(f field) {
			a.words(f, `dynamicStates: ["Fan out/Work"]`, func(_ field, s string) { w.DynamicStates = append(w.DynamicStates, s) })
		},
	}, map[string]string{"events": "write routes: at the top of the manifest", "definitionUri": "write definition:", "id": "the key is its id; remove it"}) || len(a.faults) > before {
		return
	}
	if w.Definition == nil {
		a.fault(f.key, fmt.Sprintf("workflow %s has no definition", key), "write definition: with a file, such as "+key+".asl.json, or with the states themselves")
	}
	if w.Role == "" {
		a.fault(f.key, fmt.Sprintf("workflow %s has no role", key), "write "+roleExample+", here or in provider")
	}
	if len(w.Name) > 80 {
		a.fault(f.key, fmt.Sprintf("the workflow's name %s is longer than 80 characters", w.Name), "write name: in the workflow")
	}
	for _, other := range a.m.Spec.Workflows {
		if other.Name == w.Name {
			a.fault(f.key, fmt.Sprintf("workflows %s and %s have the same name %s in AWS", other.Key, key, w.Name), "give one another name:")
		}
	}
	a.m.Spec.Workflows = append(a.m.Spec.Workflows, w)
}
