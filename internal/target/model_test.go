package target_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// model is a small model of the parts of AWS that a target speaks to: enough of the rules that matter to a release
// (revisions, conflicts, immutable versions, states that take their time), and nothing else.
type model struct {
	mu        sync.Mutex
	functions map[string]*modelFunction
	machines  map[string]*modelMachine
	runs      map[string]map[string]any
	apis      []*modelAPI
	revision  int
	pending   int    // how many looks a new function or version stays Pending, and an update InProgress
	failing   string // the reason code with which functions end as Failed
	forgets   string // a member of the configuration that is not kept
	lacks     string // an operation's path or target that the endpoint does not have
}

type modelFunction struct {
	latest   map[string]any
	versions []map[string]any
	aliases  map[string]map[string]any
	policy   map[string]bool
	looks    map[string]int
}

type modelMachine struct {
	latest   map[string]any
	versions []map[string]any
	aliases  map[string]map[string]any
}

type modelAPI struct {
	self         map[string]any
	integrations []map[string]any
	routes       []map[string]any
	stage        map[string]any
}

func newModel() *model {
	return &model{functions: map[string]*modelFunction{}, machines: map[string]*modelMachine{}, runs: map[string]map[string]any{}, pending: 2}
}

// fault is an AWS error: status, type and message.
type fault struct {
	status  int
	code    string
	message string
}

func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var in map[string]any
	action := r.Header.Get("X-Amz-Target")
	if r.URL.Path == "/" && action == "" {
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:root</Arn><Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		return
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	var out map[string]any
	var f *fault
	switch {
	case m.lacks != "" && strings.Contains(r.Method+" "+r.URL.Path+action, m.lacks):
		f = &fault{501, "NotImplemented", "not here"}
	case action != "":
		out, f = m.states(strings.TrimPrefix(action, "AWSStepFunctions."), in)
	case strings.HasPrefix(r.URL.Path, "/v2/apis"):
		out, f = m.gateway(r.Method, strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/v2/apis"), "/"), in)
	default:
		out, f = m.lambda(r.Method, strings.Split(strings.TrimPrefix(r.URL.Path, "/2015-03-31/functions"), "/"), r.URL.Query(), in)
	}
	w.Header().Set("Content-Type", "application/json")
	if f != nil {
		w.Header().Set("X-Amzn-ErrorType", f.code)
		w.WriteHeader(f.status)
		out = map[string]any{"__type": f.code, "message": f.message, "Message": f.message}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (m *model) rev() string { m.revision++; return "r" + strconv.Itoa(m.revision) }

func notFound(what string) *fault { return &fault{404, "ResourceNotFoundException", what} }

func (m *model) lambda(method string, path []string, q url.Values, in map[string]any) (map[string]any, *fault) {
	base := "arn:aws:lambda:us-east-1:000000000000:function:"
	if len(path) == 1 {
		name := in["FunctionName"].(string)
		if m.functions[name] != nil {
			return nil, &fault{409, "ResourceConflictException", "Function already exist: " + name}
		}
		f := &modelFunction{aliases: map[string]map[string]any{}, policy: map[string]bool{}, looks: map[string]int{"": m.pending}, latest: map[string]any{
			"FunctionName": name, "FunctionArn": base + name, "Version": "$LATEST", "CodeSha256": codeSHA(in["Code"].(map[string]any)["ZipFile"]),
		}}
		m.functions[name] = f
		m.configure(f, in)
		return f.latest, nil
	}
	name := path[1]
	f := m.functions[name]
	if f == nil {
		return nil, notFound("Function not found: " + name)
	}
	stale := func(have any) *fault {
		if want, ok := in["RevisionId"].(string); ok && want != have {
			return &fault{412, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id."}
		}
		return nil
	}
	switch op := method + " " + path[2]; op {
	case "GET configuration":
		v := q.Get("Qualifier")
		c := f.latest
		if v != "" {
			i, err := strconv.Atoi(v)
			if err != nil || i > len(f.versions) {
				return nil, notFound(v)
			}
			c = f.versions[i-1]
		}
		c = maps.Clone(c)
		c["State"], c["LastUpdateStatus"] = "Active", "Successful"
		if f.looks[v] > 0 {
			f.looks[v]--
			c["State"] = "Pending"
		}
		if m.failing != "" {
			c["State"], c["StateReason"], c["StateReasonCode"] = "Failed", "it cannot start", m.failing
		}
		return c, nil
	case "GET versions":
		return map[string]any{"Versions": append([]map[string]any{f.latest}, f.versions...)}, nil
	case "PUT code", "PUT configuration":
		if e := stale(f.latest["RevisionId"]); e != nil {
			return nil, e
		}
		if f.looks[""] > 0 {
			return nil, &fault{409, "ResourceConflictException", "an update is in progress"}
		}
		if path[2] == "code" {
			f.latest["CodeSha256"] = codeSHA(in["ZipFile"])
		}
		m.configure(f, in)
		f.looks[""] = m.pending
		return f.latest, nil
	case "POST versions":
		if e := stale(f.latest["RevisionId"]); e != nil {
			return nil, e
		}
		if sha, ok := in["CodeSha256"]; ok && sha != f.latest["CodeSha256"] {
			return nil, &fault{400, "InvalidParameterValueException", "CodeSHA256 differs"}
		}
		v := maps.Clone(f.latest)
		n := strconv.Itoa(len(f.versions) + 1)
		if len(f.versions) > 0 {
			last := maps.Clone(f.versions[len(f.versions)-1])
			last["Version"], last["RevisionId"], last["FunctionArn"] = v["Version"], v["RevisionId"], v["FunctionArn"]
			if fmt.Sprint(last) == fmt.Sprint(v) {
				return f.versions[len(f.versions)-1], nil
			}
		}
		v["Version"], v["FunctionArn"], v["RevisionId"] = n, base+name+":"+n, m.rev()
		f.looks[n] = m.pending
		f.versions = append(f.versions, v)
		return v, nil
	case "POST policy":
		id := q.Get("Qualifier") + in["StatementId"].(string)
		if f.policy[id] {
			return nil, &fault{409, "ResourceConflictException", "The statement id provided already exists."}
		}
		f.policy[id] = true
		return map[string]any{"Statement": "{}"}, nil
	case "POST aliases", "PUT aliases", "GET aliases":
		return m.alias(f, op, path, in, stale)
	}
	return nil, &fault{404, "UnknownOperationException", "no such operation"}
}

func (m *model) alias(f *modelFunction, op string, path []string, in map[string]any, stale func(any) *fault) (map[string]any, *fault) {
	name, _ := in["Name"].(string)
	if len(path) > 3 {
		name = path[3]
	}
	a := f.aliases[name]
	switch {
	case op == "POST aliases" && a != nil:
		return nil, &fault{409, "ResourceConflictException", "Alias already exists"}
	case op != "POST aliases" && a == nil:
		return nil, notFound("Cannot find alias")
	case op == "GET aliases":
		return a, nil
	}
	if a != nil {
		if e := stale(a["RevisionId"]); e != nil {
			return nil, e
		}
	}
	used := []string{in["FunctionVersion"].(string)}
	if c, ok := in["RoutingConfig"].(map[string]any); ok {
		if w, ok := c["AdditionalVersionWeights"].(map[string]any); ok {
			used = slices.AppendSeq(used, maps.Keys(w))
		}
	}
	for _, v := range used {
		if n, err := strconv.Atoi(v); err != nil || n > len(f.versions) {
			return nil, notFound("Function not found: " + v)
		}
	}
	f.aliases[name] = map[string]any{"Name": name, "FunctionVersion": used[0], "RoutingConfig": in["RoutingConfig"], "RevisionId": m.rev()}
	return f.aliases[name], nil
}

// configure takes the configuration of a request over into $LATEST.
func (m *model) configure(f *modelFunction, in map[string]any) {
	for _, k := range []string{"Runtime", "Handler", "Role", "Description", "MemorySize", "Timeout", "Environment", "Architectures", "EphemeralStorage", "TracingConfig", "LoggingConfig", "DeadLetterConfig"} {
		if v, ok := in[k]; ok && k != m.forgets {
			f.latest[k] = v
		}
	}
	if e, ok := f.latest["Environment"].(map[string]any); ok && len(e["Variables"].(map[string]any)) == 0 {
		delete(f.latest, "Environment")
	}
	if f.latest["Description"] == nil {
		f.latest["Description"] = ""
	}
	f.latest["RevisionId"] = m.rev()
}

func codeSHA(zip any) string {
	b, _ := base64.StdEncoding.DecodeString(zip.(string))
	sum := sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (m *model) states(op string, in map[string]any) (map[string]any, *fault) {
	base := "arn:aws:states:us-east-1:000000000000:stateMachine:"
	text := func(k string) string { s, _ := in[k].(string); return s }
	find := func(arn string) (*modelMachine, map[string]any) {
		name, q, _ := strings.Cut(strings.TrimPrefix(arn, base), ":")
		mm := m.machines[name]
		if mm == nil || q == "" {
			if mm == nil {
				return nil, nil
			}
			return mm, mm.latest
		}
		if n, err := strconv.Atoi(q); err == nil && n <= len(mm.versions) {
			return mm, mm.versions[n-1]
		}
		return mm, mm.aliases[q]
	}
	publish := func(mm *modelMachine) string {
		v := maps.Clone(mm.latest)
		arn := fmt.Sprintf("%s:%d", v["stateMachineArn"], len(mm.versions)+1)
		v["stateMachineArn"] = arn
		mm.versions = append(mm.versions, v)
		return arn
	}
	now := float64(time.Now().UnixMilli()) / 1000
	switch op {
	case "CreateStateMachine":
		if _, d := find(base + text("name")); d != nil {
			return nil, &fault{400, "StateMachineAlreadyExists", "it exists"}
		}
		var def struct{ States map[string]any }
		if json.Unmarshal([]byte(text("definition")), &def) != nil || len(def.States) == 0 {
			return nil, &fault{400, "InvalidDefinition", "no states"}
		}
		mm := &modelMachine{aliases: map[string]map[string]any{}, latest: map[string]any{
			"stateMachineArn": base + text("name"), "name": text("name"),
			"definition": text("definition"), "roleArn": text("roleArn"), "type": text("type"), "creationDate": now,
		}}
		m.machines[text("name")] = mm
		return map[string]any{"stateMachineArn": base + text("name"), "stateMachineVersionArn": publish(mm), "creationDate": now}, nil
	case "UpdateStateMachine":
		mm, d := find(text("stateMachineArn"))
		if d == nil {
			return nil, &fault{400, "StateMachineDoesNotExist", "none"}
		}
		d["definition"], d["roleArn"] = text("definition"), text("roleArn")
		return map[string]any{"stateMachineVersionArn": publish(mm), "updateDate": now}, nil
	case "DescribeStateMachine":
		if _, d := find(text("stateMachineArn")); d != nil {
			return d, nil
		}
		return nil, &fault{400, "StateMachineDoesNotExist", "none"}
	case "ListStateMachineVersions":
		mm, _ := find(text("stateMachineArn"))
		if mm == nil {
			return nil, &fault{400, "StateMachineDoesNotExist", "none"}
		}
		var list []any
		for _, v := range mm.versions {
			list = append(list, map[string]any{"stateMachineVersionArn": v["stateMachineArn"], "creationDate": now})
		}
		return map[string]any{"stateMachineVersions": list}, nil
	case "DescribeStateMachineAlias", "CreateStateMachineAlias", "UpdateStateMachineAlias":
		arn := text("stateMachineAliasArn")
		routing, _ := in["routingConfiguration"].([]any)
		for _, e := range routing {
			v := e.(map[string]any)["stateMachineVersionArn"].(string)
			if _, d := find(v); d == nil {
				return nil, &fault{400, "ResourceNotFound", v}
			}
			if arn == "" {
				arn = v[:strings.LastIndexByte(v, ':')+1] + text("name")
			}
		}
		mm, d := find(arn)
		switch {
		case op == "CreateStateMachineAlias" && d != nil:
			return nil, &fault{400, "ConflictException", "it exists"}
		case op != "CreateStateMachineAlias" && d == nil:
			return nil, &fault{400, "ResourceNotFound", arn}
		case op != "DescribeStateMachineAlias":
			d = map[string]any{"stateMachineAliasArn": arn, "routingConfiguration": routing, "updateDate": now, "creationDate": now}
			mm.aliases[arn[strings.LastIndexByte(arn, ':')+1:]] = d
		}
		return d, nil
	case "StartExecution":
		run := map[string]any{"startDate": now, "stopDate": now, "status": "SUCCEEDED", "input": text("input")}
		_, d := find(text("stateMachineArn"))
		if r, ok := d["routingConfiguration"].([]any); ok {
			run["stateMachineAliasArn"] = text("stateMachineArn")
			_, d = find(r[0].(map[string]any)["stateMachineVersionArn"].(string))
		}
		var def struct{ Comment string }
		_ = json.Unmarshal([]byte(d["definition"].(string)), &def)
		run["stateMachineVersionArn"], run["output"] = d["stateMachineArn"], strconv.Quote(def.Comment)
		run["executionArn"] = strings.Replace(base, ":stateMachine:", ":execution:", 1) + d["name"].(string) + ":" + text("name")
		m.runs[run["executionArn"].(string)] = run
		return run, nil
	case "DescribeExecution":
		if r := m.runs[text("executionArn")]; r != nil {
			return r, nil
		}
		return nil, &fault{400, "ExecutionDoesNotExist", "none"}
	}
	return nil, &fault{400, "UnknownOperationException", op}
}

func (m *model) gateway(method string, path []string, in map[string]any) (map[string]any, *fault) {
	add := func(list *[]map[string]any, id string) (map[string]any, *fault) {
		in[id] = fmt.Sprintf("%s%d", id, len(*list)+1)
		*list = append(*list, in)
		return in, nil
	}
	if len(path) == 1 {
		if method == "GET" {
			var items []any
			for _, a := range m.apis {
				items = append(items, a.self)
			}
			return map[string]any{"items": items}, nil
		}
		in["apiId"] = "api" + strconv.Itoa(len(m.apis)+1)
		in["apiEndpoint"] = "http://" + in["apiId"].(string) + ".localhost"
		m.apis = append(m.apis, &modelAPI{self: in})
		return in, nil
	}
	i := slices.IndexFunc(m.apis, func(a *modelAPI) bool { return a.self["apiId"] == path[1] })
	if i < 0 {
		return nil, &fault{404, "NotFoundException", path[1]}
	}
	a := m.apis[i]
	switch method + " " + path[2] {
	case "GET integrations":
		return map[string]any{"items": a.integrations}, nil
	case "POST integrations":
		return add(&a.integrations, "integrationId")
	case "GET routes":
		return map[string]any{"items": a.routes}, nil
	case "POST routes":
		return add(&a.routes, "routeId")
	case "PATCH routes":
		for _, r := range a.routes {
			if r["routeId"] == path[3] {
				r["target"] = in["target"]
				return r, nil
			}
		}
	case "GET stages":
		if a.stage != nil {
			return a.stage, nil
		}
	case "POST stages", "PATCH stages":
		a.stage = in
		return in, nil
	}
	return nil, &fault{404, "NotFoundException", strings.Join(path, "/")}
}
