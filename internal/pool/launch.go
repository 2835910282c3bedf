package pool

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/proc"
)

// room is what an environment of the function is given of the machine.
func (f *Function) room() proc.Room {
	return proc.Room{Code: f.CodeDir, Opt: f.OptDir, Memory: int64(f.memory()) << 20, Temp: int64(f.EphemeralStorageMB) << 20}
}

// wrapper is the variable that names a program to be run with the runtime's command as its arguments.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html
const wrapper = "AWS_LAMBDA_EXEC_WRAPPER"

// spec says which executable runs the function, or why none can.
func (p *Pool) spec(f *Function, r proc.Runtime, at proc.Paths) (proc.Spec, *failure) {
	s := proc.Spec{Path: r.Path, Dir: at.Task, Interpreter: r.Path, Room: f.room()}
	switch r.Kind {
	case proc.KindPython:
		s.Args = []string{at.Runtime + "/bootstrap.py"}
	case proc.KindNode:
		s.Args = []string{at.Runtime + "/bootstrap.mjs"}
	default:
		return providedSpec(f, s, at)
	}
	if w := f.Environment[wrapper]; w != "" {
		s.Path, s.Args = w, append([]string{s.Path}, s.Args...)
	}
	return s, nil
}

// providedSpec finds the executable of a function that brings its own.
func providedSpec(f *Function, s proc.Spec, at proc.Paths) (proc.Spec, *failure) {
	names := []string{"bootstrap"}
	if f.Runtime == "go1.x" && filepath.IsLocal(f.Handler) {
		names = []string{f.Handler, "bootstrap"}
	}
	isFile := func(dir, name string) bool {
		st, err := os.Stat(filepath.Join(dir, name))
		return err == nil && st.Mode().IsRegular()
	}
	for _, name := range names {
		if isFile(f.CodeDir, name) {
			s.Path = filepath.Join(at.Task, name)
			return s, nil
		}
	}
	if f.OptDir != "" && isFile(f.OptDir, "bootstrap") {
		s.Path = filepath.Join(at.Opt, "bootstrap")
		return s, nil
	}
	return s, &failure{errorType: "Runtime.InvalidEntrypoint", message: "Couldn't find valid bootstrap(s): [/var/task/" + strings.Join(names, " /var/task/") + " /opt/bootstrap]"}
}

// vcpuMemory is the memory, in MB, with which AWS gives a function the power of one processor.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
const vcpuMemory = 1769

// reserved are the variables that a function cannot set.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
var reserved = map[string]bool{
	"_HANDLER": true, "_X_AMZN_TRACE_ID": true, "AWS_DEFAULT_REGION": true, "AWS_REGION": true,
	"AWS_EXECUTION_ENV": true, "AWS_LAMBDA_FUNCTION_NAME": true, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": true,
	"AWS_LAMBDA_FUNCTION_VERSION": true, "AWS_LAMBDA_INITIALIZATION_TYPE": true, "AWS_LAMBDA_LOG_GROUP_NAME": true,
	"AWS_LAMBDA_LOG_STREAM_NAME": true, "AWS_ACCESS_KEY": true, "AWS_ACCESS_KEY_ID": true, "AWS_SECRET_ACCESS_KEY": true,
	"AWS_SESSION_TOKEN": true, "AWS_LAMBDA_RUNTIME_API": true, "LAMBDA_TASK_ROOT": true, "LAMBDA_RUNTIME_DIR": true,
}

// variables is the whole environment of a function's process: AWS's variables, the platform's additions, the function's.
func (p *Pool) variables(f *Function, r proc.Runtime, at proc.Paths, api, stream string, provisioned bool) []string {
	memory := f.memory()
	v := append(p.interpreterVariables(f.Runtime, r, at),
		"_HANDLER="+f.Handler,
		"AWS_LAMBDA_FUNCTION_NAME="+f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION="+f.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE="+strconv.Itoa(memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE="+initialization(provisioned),
		"AWS_LAMBDA_LOG_GROUP_NAME="+f.logGroup(),
		"AWS_LAMBDA_LOG_STREAM_NAME="+stream,
		"AWS_LAMBDA_LOG_FORMAT="+f.Logging.format(),
		"AWS_LAMBDA_RUNTIME_API="+api,
		"AWS_REGION="+f.Region,
		"AWS_DEFAULT_REGION="+f.Region,
		"AWS_ACCESS_KEY_ID=ASIA"+f.Account,
		"AWS_SECRET_ACCESS_KEY=secret-of-"+f.Name,
		"AWS_SESSION_TOKEN=session-of-"+f.Name,
		"AWS_XRAY_CONTEXT_MISSING=LOG_ERROR",
		"LAMBDA_TASK_ROOT="+at.Task,
		"PWD="+at.Task,
	)
	if f.Logging.ApplicationLevel != "" {
		v = append(v, "AWS_LAMBDA_LOG_LEVEL="+f.Logging.ApplicationLevel)
	}
	if at.Temp != "/tmp" {
		v = append(v, "TMPDIR="+at.Temp)
	}
	if r.Kind == proc.KindProvided {
		// AWS gives processor time in proportion to memory; Go's scheduler is the better for knowing it.
		v = append(v, "GOMAXPROCS="+strconv.Itoa(max(1, (memory+vcpuMemory-1)/vcpuMemory)))
	}
	v = append(v, p.extra...)
	for k, x := range f.Environment {
		if !reserved[k] && !strings.ContainsAny(k, "=\x00") && !strings.Contains(x, "\x00") {
			v = append(v, k+"="+x)
		}
	}
	return lastOfEach(v)
}

// interpreterVariables are those that an interpreter reads when it starts.
func (p *Pool) interpreterVariables(runtime string, r proc.Runtime, at proc.Paths) []string {
	path := "/usr/local/bin:/usr/bin:/bin"
	if r.Path != "" {
		path = filepath.Dir(r.Path) + ":" + path
	}
	libraries := at.Runtime + ":" + at.Runtime + "/lib:" + at.Task + ":" + at.Task + "/lib"
	if at.Opt != "" {
		path += ":" + at.Opt + "/bin"
		libraries += ":" + at.Opt + "/lib"
	}
	v := []string{
		"LAMBDA_RUNTIME_DIR=" + at.Runtime,
		"LD_LIBRARY_PATH=" + libraries,
		"PATH=" + path,
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
	}
	switch r.Kind {
	case proc.KindPython:
		v = append(v, "AWS_EXECUTION_ENV=AWS_Lambda_"+runtime, "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+at.Runtime)
	case proc.KindNode:
		modules := at.Runtime + "/node_modules:" + at.Runtime + ":" + at.Task
		if at.Opt != "" {
			major := strings.TrimSuffix(strings.TrimPrefix(runtime, "nodejs"), ".x")
			modules = at.Opt + "/nodejs/node" + major + "/node_modules:" + at.Opt + "/nodejs/node_modules:" + modules
		}
		v = append(v, "AWS_EXECUTION_ENV=AWS_Lambda_"+runtime, "NODE_PATH="+modules)
	}
	return v
}

// lastOfEach keeps the last setting of every variable: which of two counts would depend on the reader.
func lastOfEach(v []string) []string {
	at := make(map[string]int, len(v))
	out := v[:0]
	for _, kv := range v {
		k, _, _ := strings.Cut(kv, "=")
		if i, ok := at[k]; ok {
			out[i] = kv
			continue
		}
		at[k] = len(out)
		out = append(out, kv)
	}
	return out
}

func (f *Function) memory() int {
	if f.MemoryMB > 0 {
		return f.MemoryMB
	}
	return 128
}

func (f *Function) timeout() time.Duration {
	if f.Timeout > 0 {
		return f.Timeout
	}
	return defaultTimeout
}

func (f *Function) logGroup() string {
	if f.Logging.Group != "" {
		return f.Logging.Group
	}
	return "/aws/lambda/" + f.Name
}
