package manifest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tealdeploy/teal/internal/rollout"
)

const hookExample = "{function: verify}, {workflow: order}, {http: {url: …}}, {command: make smoke} or {approval: true}"

// hooks reads one hook or a list of them. A text is the key of a function.
func (a *application) hooks(f field) (out []rollout.Hook) {
	if _, list := a.plain(f.node).(*ast.SequenceNode); !list {
		if h, ok := a.hook(f); ok {
			out = append(out, h)
		}
		return out
	}
	a.list(f, "a hook or a list of hooks", hookExample, func(f field) {
		if h, ok := a.hook(f); ok {
			out = append(out, h)
		}
	})
	return out
}

// hook reads one hook; false when it has a fault.
func (a *application) hook(f field) (h rollout.Hook, ok bool) {
	before := len(a.faults)
	n := a.plain(f.node)
	if n == nil {
		return h, false
	}
	if _, text := rawText(n); text {
		h.Function = a.functionKey(f)
		return h, len(a.faults) == before
	}
	kinds := 0
	var protocol, tests field
	var tested string
	kind := func(read func(field)) func(field) {
		return func(f field) { kinds++; read(f) }
	}
	if !a.object(f, map[string]func(field){
		"name":     func(f field) { h.Name = a.nonEmpty(f, "name: smoke") },
		"function": kind(func(f field) { h.Function = a.functionKey(f) }),
		"workflow": kind(func(f field) {
			if h.Workflow = a.nonEmpty(f, "workflow: <key of a workflow>"); h.Workflow != "" {
				a.mustExist(f, "workflow", h.Workflow, a.workflows)
			}
		}),
		"http":    kind(func(f field) { r := a.request(f, nil); h.HTTP = &r }),
		"command": kind(func(f field) { h.Command = a.nonEmpty(f, "command: make smoke") }),
		"approval": kind(func(f field) {
			if h.Approval = a.boolean(f, "approval: true"); !h.Approval {
				a.fault(f.node, f.path+" is false", "remove the hook")
			}
		}),
		"protocol": func(f field) {
			if protocol = f; a.oneOf(f, "CodeDeploy") != "" {
				h.CodeDeploy = &rollout.CodeDeploy{}
			}
		},
		"tests":   func(f field) { tests, tested = f, a.functionKey(f) },
		"input":   func(f field) { h.Input = a.jsonText(f) },
		"timeout": func(f field) { h.Timeout = a.positive(f, "timeout: 5m") },
		"retries": func(f field) { h.Retries = a.integer(f, 0, 10, "", "retries: 2") },
	}, map[string]string{"lambda": "write function: with a key of functions", "run": "write command:", "url": "write http: {url: …}", "webhook": "write http: {url: …}"}) {
		return h, false
	}
	switch {
	case len(a.faults) > before:
	case kinds != 1:
		a.fault(f.node, f.path+" takes exactly one of function, workflow, http, command and approval", "write one of "+hookExample)
	case h.Input != "" && h.Workflow == "":
		a.fault(f.node, f.path+" has an input, which only a workflow takes", "remove input:")
	case h.CodeDeploy != nil && h.Function == "":
		a.fault(protocol.key, f.path+" has a protocol, which only a function takes", "remove protocol:")
	case tests.node != nil && h.CodeDeploy == nil:
		a.fault(tests.key, f.path+" names a function that it tests, which only protocol: CodeDeploy takes: other hooks are told all of them", "remove tests:")
	case h.CodeDeploy != nil && h.Timeout > rollout.CodeDeployPatience:
		a.fault(protocol.key, fmt.Sprintf("%s has a timeout of %s; CodeDeploy waits for %s at most", f.path, h.Timeout, rollout.CodeDeployPatience), "write timeout: 1h, or less")
	case h.Retries > 0 && h.Approval:
		a.fault(f.node, f.path+" has retries, which an approval does not take", "remove retries:")
	default:
		if h.CodeDeploy != nil {
			h.CodeDeploy.Tests = tested
			a.called = append(a.called, called{h.CodeDeploy, protocol, f.path})
		}
		return h, true
	}
	return h, false
}

// called is a hook that CodeDeploy calls; what it needs is known when the whole of rollout is.
type called struct {
	hook     *rollout.CodeDeploy
	protocol field
	path     string // of the hook
}

// readCodeDeploy reads by which deployment group hooks are called.
func (a *application) readCodeDeploy(f field) {
	c := &a.m.Rollout.Hooks.CodeDeploy
	name := func(f field, example string) string {
		return a.matching(f, groupForm, "a name of at most 100 letters, digits and . _ + = , @ -", example)
	}
	a.object(f, map[string]func(field){
		"application": func(f field) { c.Application = name(f, "application: shop") },
		"group":       func(f field) { c.Group = name(f, "group: hooks") },
		"serviceRole": func(f field) { c.ServiceRole = a.role(f) },
	}, map[string]string{"role": "write serviceRole:", "deploymentGroup": "write group:"})
}

// https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_CreateDeploymentGroup.html
var groupForm = newForm(`^[A-Za-z0-9._+=,@-]{1,100}$`)

// settleCalled gives every hook that CodeDeploy calls its deployment group, and the function that it tests: where only one
// is no hook itself, that one.
func (a *application) settleCalled() {
	o := a.m.Rollout.Hooks.CodeDeploy
	for _, c := range a.called {
		if c.hook.Tests == "" {
			c.hook.Tests = a.onlyTested()
		}
		if c.hook.Tests == "" {
			a.fault(c.protocol.key, c.path+" does not say which function it tests: a deployment of CodeDeploy is of one", "write tests: with the key of a function")
			continue
		}
		for _, fn := range a.m.Spec.Functions {
			if fn.Key == c.hook.Tests && (fn.Alias == rollout.HookAlias || fn.Preview == rollout.HookAlias) {
				a.fault(c.protocol.key, c.path+" needs the alias "+rollout.HookAlias+" for itself", "give function "+fn.Key+" another alias, such as live")
			}
		}
		if o.ServiceRole == "" && (o.Application == "" || o.Group == "") {
			a.fault(c.protocol.key, c.path+" is to be called by CodeDeploy, which needs a deployment group",
				"write hooks: {codeDeploy: {serviceRole: <ARN of the role that CodeDeploy takes on>}}, or application: and group: of one that exists")
			continue
		}
		*c.hook = rollout.CodeDeploy{Tests: c.hook.Tests, Application: o.Application, Group: o.Group, ServiceRole: o.ServiceRole}
		if c.hook.Application == "" {
			c.hook.Application = "teal-" + a.m.Spec.App
		}
		if c.hook.Group == "" {
			c.hook.Group = "hooks"
		}
	}
}

// onlyTested is the key of the only function that is no hook, or empty.
func (a *application) onlyTested() string {
	o, is := a.m.Rollout, map[string]bool{}
	all := slices.Concat(o.Hooks.BeforeAllowTraffic, o.Hooks.AfterAllowTraffic)
	for _, s := range o.Steps {
		all = append(all, s.Hooks...)
	}
	for _, h := range all {
		is[h.Function] = true
	}
	only := ""
	for key := range a.functions {
		switch {
		case is[key]:
		case only != "":
			return ""
		default:
			only = key
		}
	}
	return only
}

// functionKey reads the key of a function of this manifest.
func (a *application) functionKey(f field) string {
	s := a.nonEmpty(f, "function: <key of a function>")
	if s != "" {
		a.mustExist(f, "function", s, a.functions)
	}
	return s
}

// request reads an HTTP request and the answer that is expected of it, together with fields of what is around it.
func (a *application) request(f field, more map[string]func(field)) (r rollout.Request) {
	before := len(a.faults)
	known := map[string]func(field){
		"url":    func(f field) { r.URL = a.probeURL(f) },
		"method": func(f field) { r.Method = a.oneOf(f, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") },
		"headers": func(f field) {
			r.Headers = map[string]string{}
			a.members(f, func(name string, f field) {
				if v, ok := a.scalar(f); ok {
					r.Headers[name] = v
				}
			})
		},
		"body":   func(f field) { r.Body = a.jsonOrText(f) },
		"expect": func(f field) { r.Expect = a.nonEmpty(f, `expect: "ok"`) },
		"status": func(f field) {
			if _, list := a.plain(f.node).(*ast.SequenceNode); !list {
				r.Status = []int{a.integer(f, 100, 599, "", "status: 200")}
				return
			}
			a.list(f, "a status or a list of them", "status: [200, 204]", func(f field) {
				r.Status = append(r.Status, a.integer(f, 100, 599, "", "status: 200"))
			})
		},
		"timeout": func(f field) { r.Timeout = a.positive(f, "timeout: 5s") },
	}
	for name, read := range more {
		known[name] = read
	}
	if a.object(f, known, map[string]string{"uri": "write url:", "contains": "write expect:", "header": "write headers:"}) && r.URL == "" && len(a.faults) == before {
		a.fault(f.key, f.path+" has no url", "write url: https://…")
	}
	return r
}

// probeURL reads a URL that may be asked: https, or http on this machine.
func (a *application) probeURL(f field) string {
	before := len(a.faults)
	s := a.nonEmpty(f, "url: https://shop.example.com/health")
	if len(a.faults) > before {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		a.fault(f.node, fmt.Sprintf("%s is no URL: %q", f.path, shorten(s)), "write url: https://shop.example.com/health")
	case u.User != nil:
		a.fault(f.node, f.path+" has credentials in it", "write them under headers:, from ${env:NAME}")
	case u.Scheme == "http" && !onThisMachine(u.Hostname()):
		a.fault(f.node, f.path+" goes over plain http to another machine", "write https://")
	default:
		return s
	}
	return ""
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || len(host) > len(".localhost") && host[len(host)-len(".localhost"):] == ".localhost" || ip != nil && ip.IsLoopback()
}

// jsonText reads JSON, written as a mapping or list, or as a text that holds it.
func (a *application) jsonText(f field) string {
	n := a.plain(f.node)
	if n == nil {
		return ""
	}
	s, isText := rawText(n)
	if !isText {
		return string(a.convert(n, true))
	}
	before := len(a.faults)
	if s = a.expand(n, s); len(a.faults) > before {
		return ""
	}
	if !json.Valid([]byte(s)) {
		a.fault(n, f.path+" is no JSON", `write a mapping, or a text such as '{"n": 1}'`)
		return ""
	}
	return s
}

// jsonOrText reads a text as it is, and everything else as JSON.
func (a *application) jsonOrText(f field) string {
	if n := a.plain(f.node); n != nil {
		if _, isText := rawText(n); !isText {
			return a.jsonText(f)
		}
	}
	return a.text(f, "body: '{}'")
}

// positive reads a time span above zero.
func (a *application) positive(f field, example string) time.Duration {
	before := len(a.faults)
	d := a.duration(f, example)
	if d == 0 && len(a.faults) == before {
		a.fault(f.node, f.path+" has no length", "write "+example)
	}
	return d
}
