package lambda

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// A function that causes its own invocation, through Lambda or a queue, is stopped: the trace header, which AWS's SDKs send
// along from within a function and which queues keep with a message, has as its lineage how often each function of the chain
// was invoked: Root=1-…;Parent=…;Sampled=0;Lineage=a87bd80c:3|68fd508a:2.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
const (
	maxLoop     = 16 // invocations of one function in a chain
	maxLineage  = 16 // functions of a chain that are remembered, the latest ones
	lineageKey  = "Lineage="
	traceHeader = "AWSTraceHeader" // attribute of a message
)

const recursive = "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your function's invocation."

// lineageName is how a lineage names a function.
func lineageName(arn string) string {
	h := fnv.New32a()
	h.Write([]byte(arn))
	return fmt.Sprintf("%08x", h.Sum32())
}

// cutLineage takes the lineage out of a trace header.
func cutLineage(header string) (rest, lineage string) {
	if !strings.Contains(header, lineageKey) {
		return header, ""
	}
	parts := strings.Split(header, ";")
	parts = slices.DeleteFunc(parts, func(p string) bool {
		l, ok := strings.CutPrefix(p, lineageKey)
		if ok {
			lineage = l
		}
		return ok
	})
	return strings.Join(parts, ";"), lineage
}

// descend adds an invocation of a function to a lineage and gives how many that makes. What cannot be read is left out.
func descend(lineage, name string) (string, int) {
	n := 0
	var chain []string
	for entry := range strings.SplitSeq(lineage, "|") {
		who, count, _ := strings.Cut(entry, ":")
		k, err := strconv.ParseUint(count, 10, 16)
		switch {
		case err != nil || len(who) != len(name):
		case who == name:
			n = int(k)
		default:
			chain = append(chain, entry)
		}
	}
	n++
	chain = append(chain, name+":"+strconv.Itoa(n))
	return strings.Join(chain[max(0, len(chain)-maxLineage):], "|"), n
}

// follow counts an invocation in the lineage of its trace, or refuses it.
func (s *Service) follow(t target, inv *invocation) error {
	run := t.to.version.run
	if inv.traceID == "" {
		inv.lineage = run.lineage
		return nil
	}
	trace, lineage := cutLineage(inv.traceID)
	lineage, n := descend(lineage, run.lineageName)
	if n > maxLoop && t.snapshot.record.stopsLoops() {
		s.dropLoop(inv.ref, 1)
		return &types.RecursiveInvocationException{Message: aws.String(recursive), Type: aws.String(userFault)}
	}
	inv.traceID, inv.lineage = trace, ";"+lineageKey+lineage
	return nil
}

func (r *functionRecord) stopsLoops() bool { return r.Recursion != string(types.RecursiveLoopAllow) }

// isLoop tells an invocation that follow has refused.
func isLoop(err error) bool {
	var loop *types.RecursiveInvocationException
	return errors.As(err, &loop)
}

// dropLoop records invocations that are stopped.
func (s *Service) dropLoop(r ref, invocations float64) {
	s.cfg.Logger.Warn("lambda: a function is invoked in a loop; it is stopped", "function", s.arn(r.name, r.qualifier), "invocations", maxLoop)
	s.async(eventRecord{Function: r.name, Qualifier: r.qualifier}, "RecursiveInvocationsDropped", "Count", invocations)
}

// unlooped leaves the messages out with which the function would be in a loop, and gives the trace of the rest: that of the
// message which has come the farthest. What is left out stays in the queue, until its redrive policy takes it away. Messages
// of a FIFO queue wait for each other, so there one stops its batch.
func (p *poller) unlooped(batch []sqstypes.Message) (rest []sqstypes.Message, trace string, err error) {
	s := p.service
	n, err := s.look(p.m.Function)
	if err != nil || n == nil {
		return batch, "", err // the invocation will tell
	}
	name, most, loops := lineageName(s.arn(p.m.Function, "")), 0, 0
	for _, m := range batch {
		header := m.Attributes[traceHeader]
		_, lineage := cutLineage(header)
		switch _, k := descend(lineage, name); {
		case header == "":
			rest = append(rest, m)
		case k > maxLoop && n.record.stopsLoops():
			loops++
		default:
			rest = append(rest, m)
			if k > most {
				most, trace = k, header
			}
		}
	}
	if loops == 0 {
		return batch, trace, nil
	}
	s.dropLoop(ref{p.m.Function, p.m.Qualifier}, 1)
	if strings.HasSuffix(p.m.Source, fifoSuffix) {
		return nil, "", nil
	}
	return rest, trace, nil
}
