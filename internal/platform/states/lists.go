package states

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
)

// ListExecutions reads an index that has one entry for each execution under each of its scopes (the machine, and the
// version and alias that it was started on) and its status. A page costs what it shows, however many executions there
// are: with a status it is one range; without, the heads of one range for each status.

// listEntry is what a list shows of an execution beside what its key says.
type listEntry struct {
	Version int       `json:"v,omitempty"`
	Alias   string    `json:"a,omitempty"`
	Stopped time.Time `json:"s,omitzero"`

	Redrives int       `json:"r,omitempty"`
	Redriven time.Time `json:"d,omitzero"`
}

// statuses of executions that are listed, RUNNING first: an execution that ends while its list is read is then seen in
// one range at least. PENDING_REDRIVE is told by the Map run: see mapRunRecord.pendingRedrive.
var statuses = []types.ExecutionStatus{
	types.ExecutionStatusRunning, types.ExecutionStatusSucceeded, types.ExecutionStatusFailed,
	types.ExecutionStatusTimedOut, types.ExecutionStatusAborted,
}

// Scopes of lists. Names hold no slash.
func machineScope(machine string) string { return "m/" + machine }

func versionScope(machine string, version int) string {
	return "v/" + machine + ":" + strconv.Itoa(version)
}
func aliasScope(machine, alias string) string { return "a/" + machine + ":" + alias }

func (x *execution) scopes() []string {
	if x.child != nil {
		return []string{x.child.scope()}
	}
	s := append(make([]string, 0, 3), machineScope(x.id.machine))
	if x.version > 0 {
		s = append(s, versionScope(x.id.machine, x.version))
	}
	if x.alias != "" {
		s = append(s, aliasScope(x.id.machine, x.alias))
	}
	return s
}

// listPosition orders a list: by start, then by name.
func listPosition(started time.Time, name string) string {
	return fmt.Sprintf("%013d/%s", started.UnixMilli(), name)
}

func (x *execution) list(b *store.Batch, status types.ExecutionStatus, stopped *time.Time) {
	entry := listEntry{Version: x.version, Alias: x.alias, Redrives: x.redrives, Redriven: x.redriven}
	if stopped != nil {
		entry.Stopped = *stopped
	}
	value, at := encode(entry), listPosition(x.started, x.id.name)
	for _, scope := range x.scopes() {
		b.Put(bucketLists, scope+"/"+string(status)+"/"+at, value)
	}
}

func (x *execution) unlist(b *store.Batch, status types.ExecutionStatus) {
	at := listPosition(x.started, x.id.name)
	for _, scope := range x.scopes() {
		b.Delete(bucketLists, scope+"/"+string(status)+"/"+at)
	}
}

// ListExecutions lists the executions of a machine, a version or an alias, the newest first.
func (s *Service) ListExecutions(ctx context.Context, in *sfn.ListExecutionsInput) (*sfn.ListExecutionsOutput, error) {
	var c constraints
	c.text("stateMachineArn", in.StateMachineArn, 1, maxArn)
	c.text("mapRunArn", in.MapRunArn, 1, maxLongArn)
	c.Enum("statusFilter", string(in.StatusFilter), "SUCCEEDED", "TIMED_OUT", "PENDING_REDRIVE", "ABORTED", "FAILED", "RUNNING")
	c.Enum("redriveFilter", string(in.RedriveFilter), "REDRIVEN", "NOT_REDRIVEN")
	c.page(in.MaxResults, in.NextToken, maxListToken)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if (in.StateMachineArn == nil) == (in.MapRunArn == nil) {
		return nil, invalid("Must provide a state machine ARN or a map run ARN")
	}
	if in.StatusFilter == types.ExecutionStatusPendingRedrive && in.MapRunArn == nil {
		return nil, invalid("The status filter PENDING_REDRIVE needs a map run ARN")
	}
	machine, scope, run, err := s.listed(ctx, in)
	if err != nil {
		return nil, err
	}
	list := "executions " + scope + " " + string(in.StatusFilter) + string(in.RedriveFilter)
	before, err := position(list, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sfn.ListExecutionsOutput{Executions: []types.ExecutionListItem{}}
	want := statuses
	switch in.StatusFilter {
	case "":
	case types.ExecutionStatusPendingRedrive:
		want = []types.ExecutionStatus{types.ExecutionStatusFailed, types.ExecutionStatusTimedOut, types.ExecutionStatusAborted}
	default:
		want = []types.ExecutionStatus{in.StatusFilter}
	}
	for limit, more := pageSize(in.MaxResults), true; more; {
		var items []listed
		if items, more, err = s.page(ctx, scope, want, before, limit); err != nil {
			return nil, err
		}
		for n, i := range items {
			before = i.at
			item := s.listItem(machine, i)
			if run != nil {
				item.MapRunArn = in.MapRunArn
				if item.StopDate != nil && run.pendingRedrive(item.Status, *item.StopDate) {
					item.Status, item.StopDate = types.ExecutionStatusPendingRedrive, nil
				}
			}
			if in.StatusFilter != "" && item.Status != in.StatusFilter {
				continue
			}
			if in.RedriveFilter != "" && (*item.RedriveCount > 0) != (in.RedriveFilter == types.ExecutionRedriveFilterRedriven) {
				continue
			}
			out.Executions = append(out.Executions, item)
			if len(out.Executions) == limit {
				if more || n+1 < len(items) {
					out.NextToken = pageToken(list, before)
				}
				return out, nil
			}
		}
	}
	return out, nil
}

// listed finds what a request wants listed: the machine in the ARNs of the executions, their scope, and the Map run that
// they belong to, nil for none.
func (s *Service) listed(ctx context.Context, in *sfn.ListExecutionsInput) (machine, scope string, run *mapRunRecord, err error) {
	if in.MapRunArn != nil {
		run, err := s.mapRunNamed(ctx, *in.MapRunArn)
		if err != nil {
			return "", "", nil, err
		}
		return run.childMachine(), (&childOf{Key: run.key()}).scope(), run, nil
	}
	ref, err := s.machineRef(*in.StateMachineArn)
	if err != nil {
		return "", "", nil, err
	}
	scope, err = s.listScope(ref, *in.StateMachineArn)
	return ref.name, scope, nil, err
}

// listScope finds the scope of a machine, version or alias that exists.
func (s *Service) listScope(ref machineRef, arn string) (string, error) {
	m := s.machines.find(ref.name)
	switch {
	case m == nil:
		return "", machineMissing(arn)
	case m.record.Type == types.StateMachineTypeExpress:
		return "", typeNotSupported()
	case ref.version > 0 && m.versions[ref.version] != nil:
		return versionScope(ref.name, ref.version), nil
	case ref.alias != "" && m.aliases[ref.alias] != nil:
		return aliasScope(ref.name, ref.alias), nil
	case ref.qualified():
		return "", resourceMissing(arn)
	}
	return machineScope(ref.name), nil
}

// listed is one entry read from the index.
type listed struct {
	status types.ExecutionStatus
	at     string // listPosition
	value  []byte
}

func (l listed) name() string {
	_, name, _ := strings.Cut(l.at, "/")
	return name
}

// page merges the ranges of the statuses, newest first.
func (s *Service) page(ctx context.Context, scope string, want []types.ExecutionStatus, before string, limit int) (items []listed, more bool, err error) {
	heads := make([][]listed, len(want))
	for i, status := range want {
		prefix := scope + "/" + string(status) + "/"
		r := store.Prefix(prefix)
		r.Reverse, r.Limit = true, limit+1
		if before != "" {
			r.To = prefix + before
		}
		for e, err := range s.store.Scan(ctx, bucketLists, r) {
			if err != nil {
				return nil, false, failure("listing executions", err)
			}
			heads[i] = append(heads[i], listed{status, e.Key[len(prefix):], e.Value})
		}
	}
	for len(items) < limit+1 {
		newest := -1
		for i, h := range heads {
			if len(h) > 0 && (newest < 0 || h[0].at > heads[newest][0].at) {
				newest = i
			}
		}
		if newest < 0 {
			return items, false, nil
		}
		// An execution that ended between two of the scans stands in both ranges: as ended, it is read later.
		if n := len(items); n > 0 && items[n-1].at == heads[newest][0].at {
			items[n-1] = heads[newest][0]
		} else {
			items = append(items, heads[newest][0])
		}
		heads[newest] = heads[newest][1:]
	}
	return items[:limit], true, nil
}

func (s *Service) listItem(machine string, i listed) types.ExecutionListItem {
	start, name, _ := strings.Cut(i.at, "/")
	ms, _ := strconv.ParseInt(start, 10, 64) // the key was written by listPosition
	started, redrives := time.UnixMilli(ms).UTC(), int32(0)
	id := execID{machine, name}
	arn, of := s.executionArn(id), s.machineArn(machine)
	item := types.ExecutionListItem{ExecutionArn: &arn, Name: &name, StateMachineArn: &of, Status: i.status, StartDate: &started, RedriveCount: &redrives}
	entry, err := decode[listEntry](bucketLists, i.at, i.value)
	if err != nil {
		s.log.Error("a list entry cannot be read", "execution", arn, "error", err)
		return item
	}
	if redrives = int32(entry.Redrives); redrives > 0 {
		item.RedriveDate = &entry.Redriven
	}
	if !entry.Stopped.IsZero() {
		item.StopDate = &entry.Stopped
	}
	if entry.Version > 0 {
		v := s.versionArn(machine, entry.Version)
		item.StateMachineVersionArn = &v
	}
	if entry.Alias != "" {
		a := s.aliasArn(machine, entry.Alias)
		item.StateMachineAliasArn = &a
	}
	return item
}
