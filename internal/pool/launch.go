package pool

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/proc"
)

// spec says which executable runs the function, or why none can.
func (p *Pool) spec(f *Function, r proc.Runtime) (proc.Spec, *failure) {
	s := proc.Spec{Path: r.Path, Dir: f.CodeDir}
	switch r.Kind {
	case proc.KindPython:
		s.Args = []string{filepath.Join(p.runtime, "bootstrap.py")}
	case proc.KindNode:
		s.Args = []string{filepath.Join(p.runtime, "bootstrap.mjs")}
	default:
		names := []string{"bootstrap"}
		if f.Runtime == "go1.x" && filepath.IsLocal(f.Handler) {
			names = []string{f.Handler, "bootstrap"}
		}
		for _, name := range names {
			path := filepath.Join(f.CodeDir, name)
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
				s.Path = path
				return s, nil
			}
		}
		return s, &failure{errorType: "Runtime.InvalidEntrypoint", message: "Couldn't find valid bootstrap(s): [/var/task/" + strings.Join(names, " /var/task/") + " /opt/bootstrap]"}
	}
	return s, nil
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
func (p *Pool) variables(f *Function, r proc.Runtime, slot *proc.Slot, api, stream string) []string {
	memory := f.memory()
	path := "/usr/local/bin:/usr/bin:/bin:/opt/bin"
	if r.Path != "" {
		path = filepath.Dir(r.Path) + ":" + path
	}
	v := []string{
		"_HANDLER=" + f.Handler,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=" + f.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=" + f.logGroup(),
		"AWS_LAMBDA_LOG_STREAM_NAME=" + stream,
		"AWS_LAMBDA_RUNTIME_API=" + api,
		"AWS_REGION=" + f.Region,
		"AWS_DEFAULT_REGION=" + f.Region,
		"AWS_ACCESS_KEY_ID=ASIA" + f.Account,
		"AWS_SECRET_ACCESS_KEY=secret-of-" + f.Name,
		"AWS_SESSION_TOKEN=session-of-" + f.Name,
		"AWS_XRAY_CONTEXT_MISSING=LOG_ERROR",
		"LAMBDA_TASK_ROOT=" + f.CodeDir,
		"LAMBDA_RUNTIME_DIR=" + p.runtime,
		"LD_LIBRARY_PATH=" + f.CodeDir + ":" + f.CodeDir + "/lib:/opt/lib",
		"PATH=" + path,
		"PWD=" + f.CodeDir,
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
		"TMPDIR=" + slot.TempDir,
	}
	switch r.Kind {
	case proc.KindPython:
		v = append(v, "AWS_EXECUTION_ENV=AWS_Lambda_"+f.Runtime, "PYTHONDONTWRITEBYTECODE=1")
	case proc.KindNode:
		v = append(v, "AWS_EXECUTION_ENV=AWS_Lambda_"+f.Runtime, "NODE_PATH=/opt/nodejs/node_modules:"+f.CodeDir+"/node_modules")
	default:
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
	if f.LogGroup != "" {
		return f.LogGroup
	}
	return "/aws/lambda/" + f.Name
}
