package states

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

// maxResultFile is about how many bytes a file of results has before the next one is begun.
const maxResultFile = 64 << 20

// writerConfig is WriterConfig with what its paths gave.
// https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
type writerConfig struct {
	OutputType     string // JSON or JSONL
	Transformation string // NONE, COMPACT or FLATTEN
}

// childResult is an entry of the results, in the order of AWS's files.
type childResult struct {
	Cause               string                   `json:",omitempty"`
	Error               string                   `json:",omitempty"`
	ExecutionArn        string                   ``
	Input               string                   ``
	InputDetails        struct{ Included bool }  ``
	Name                string                   ``
	Output              *string                  `json:",omitempty"`
	OutputDetails       *struct{ Included bool } `json:",omitempty"`
	RedriveCount        int
	RedriveStatus       string
	RedriveStatusReason string `json:",omitempty"`
	StartDate           string
	StateMachineArn     string
	Status              types.ExecutionStatus
	StopDate            string
}

// writeResults writes how the children of a Map run have ended, or gives that as the state's result when no place is
// named.
func (s *Service) writeResults(ctx context.Context, key string, c *interp.WriteResults) answer {
	out, err := s.putResults(ctx, key, c)
	if err != nil {
		return answer{failed: &taskFailure{asl.ErrResultWriter, err.Error()}}
	}
	return answer{output: out}
}

func (s *Service) putResults(ctx context.Context, key string, c *interp.WriteResults) (json.RawMessage, error) {
	config := writerConfig{OutputType: "JSON", Transformation: "NONE"}
	if len(c.Config) > 0 {
		if err := json.Unmarshal(c.Config, &config); err != nil {
			return nil, fmt.Errorf("the WriterConfig cannot be used: %w", err)
		}
	}
	if c.Resource == "" {
		all := &resultFiles{s: s, config: config}
		if err := s.eachChild(ctx, key, all.add); err != nil {
			return nil, err
		}
		return all.whole(), nil
	}
	if s.objects == nil {
		return nil, errors.New("this platform has no object store")
	}
	var a struct{ Bucket, Prefix *string }
	if err := json.Unmarshal(c.Arguments, &a); err != nil || a.Bucket == nil {
		return nil, errors.New("the ResultWriter names no Bucket")
	}
	folder := c.MapRun[strings.LastIndexByte(c.MapRun, ':')+1:] + "/"
	if p := strings.TrimSuffix(aws.ToString(a.Prefix), "/"); p != "" {
		folder = p + "/" + folder
	}
	files := &resultFiles{s: s, config: config, bucket: *a.Bucket, folder: folder}
	if err := s.eachChild(ctx, key, files.add); err != nil {
		return nil, err
	}
	if err := files.flush(ctx); err != nil {
		return nil, err
	}
	manifest := folder + "manifest.json"
	text := encode(struct {
		DestinationBucket string
		MapRunArn         string
		ResultFiles       map[string][]resultFile
	}{*a.Bucket, c.MapRun, map[string][]resultFile{"FAILED": nonNil(files.done["FAILED"]), "PENDING": {}, "SUCCEEDED": nonNil(files.done["SUCCEEDED"])}})
	if err := files.put(ctx, manifest, text); err != nil {
		return nil, err
	}
	return encode(struct {
		MapRunArn           string
		ResultWriterDetails struct{ Bucket, Key string }
	}{c.MapRun, struct{ Bucket, Key string }{*a.Bucket, manifest}}), nil
}

func nonNil(files []resultFile) []resultFile {
	if files == nil {
		return []resultFile{}
	}
	return files
}

type resultFile struct {
	Key  string
	Size int
}

// resultFiles gathers results by how they ended.
type resultFiles struct {
	s              *Service
	config         writerConfig
	bucket, folder string
	open           map[string]*bytes.Buffer
	done           map[string][]resultFile
}

func (f *resultFiles) add(ctx context.Context, r *childResult) error {
	kind := "FAILED"
	if r.Status == types.ExecutionStatusSucceeded {
		kind = "SUCCEEDED"
	}
	if f.open == nil {
		f.open, f.done = map[string]*bytes.Buffer{}, map[string][]resultFile{}
	}
	b := f.open[kind]
	if b == nil {
		b = &bytes.Buffer{}
		f.open[kind] = b
	}
	for _, entry := range f.entries(r) {
		if b.Len() > 0 {
			if f.config.OutputType == "JSONL" {
				b.WriteByte('\n')
			} else {
				b.WriteByte(',')
			}
		}
		b.Write(entry)
	}
	if f.bucket != "" && b.Len() > maxResultFile {
		return f.flushOne(ctx, kind)
	}
	return nil
}

// entries are what one child adds.
func (f *resultFiles) entries(r *childResult) [][]byte {
	if f.config.Transformation == "NONE" || f.config.Transformation == "" || r.Output == nil {
		return [][]byte{encode(r)}
	}
	if f.config.Transformation == "FLATTEN" {
		var items []json.RawMessage
		if json.Unmarshal([]byte(*r.Output), &items) == nil {
			list := make([][]byte, len(items))
			for i, item := range items {
				list[i] = compact(item)
			}
			return list
		}
	}
	return [][]byte{compact([]byte(*r.Output))}
}

func (f *resultFiles) flush(ctx context.Context) error {
	for _, kind := range []string{"FAILED", "SUCCEEDED"} {
		if b := f.open[kind]; b != nil && b.Len() > 0 {
			if err := f.flushOne(ctx, kind); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *resultFiles) flushOne(ctx context.Context, kind string) error {
	text := f.framed(f.open[kind].Bytes())
	delete(f.open, kind)
	ending := ".json"
	if f.config.OutputType == "JSONL" {
		ending = ".jsonl"
	}
	key := fmt.Sprintf("%s%s_%d%s", f.folder, kind, len(f.done[kind]), ending)
	f.done[kind] = append(f.done[kind], resultFile{key, len(text)})
	return f.put(ctx, key, text)
}

func (f *resultFiles) framed(entries []byte) []byte {
	if f.config.OutputType == "JSONL" {
		return entries
	}
	return slices.Concat([]byte{'['}, entries, []byte{']'})
}

// whole is everything as one JSON array.
func (f *resultFiles) whole() json.RawMessage {
	f.config.OutputType = "JSON"
	var parts [][]byte
	for _, kind := range []string{"SUCCEEDED", "FAILED"} {
		if b := f.open[kind]; b != nil && b.Len() > 0 {
			parts = append(parts, b.Bytes())
		}
	}
	return f.framed(bytes.Join(parts, []byte{','}))
}

func (f *resultFiles) put(ctx context.Context, key string, text []byte) error {
	size, kind := int64(len(text)), "application/json"
	_, err := f.s.objects.PutObject(ctx, &s3.PutObjectInput{Bucket: &f.bucket, Key: &key, Body: bytes.NewReader(text), ContentLength: &size, ContentType: &kind})
	if err != nil {
		return fmt.Errorf("writing s3://%s/%s: %w", f.bucket, key, err)
	}
	return nil
}

// eachChild reads how the children of a Map run have ended, in their order.
func (s *Service) eachChild(ctx context.Context, key string, each func(context.Context, *childResult) error) error {
	for e, err := range s.store.Scan(ctx, bucketMapChildren, store.Prefix(key+"/")) {
		if err != nil {
			return failure("reading the children of a Map run", err)
		}
		row, err := decode[childRecord](bucketMapChildren, e.Key, e.Value)
		if err != nil {
			return err
		}
		r, err := s.childResult(ctx, key, row)
		if err != nil {
			return err
		}
		if err := each(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) childResult(ctx context.Context, key string, row *childRecord) (*childResult, error) {
	run, err := s.mapRunRecord(ctx, key)
	if err != nil {
		return nil, err
	}
	machine := run.childMachine()
	r := &executionRecord{Machine: machine, Name: row.Name, Serial: row.Serial, Input: row.Input, Started: row.Started}
	end := &executionResult{Status: row.Status, Stopped: row.Stopped, Output: row.Output, Error: row.Error, Cause: row.Cause}
	out := &childResult{ExecutionArn: s.expressArn(r), RedriveStatus: "NOT_REDRIVABLE", RedriveStatusReason: "Execution is " + string(row.Status) + " and cannot be redriven"}
	if !run.Express {
		if r, err = s.executionRecord(ctx, execID{machine, row.Name}); err != nil {
			return nil, err
		}
		if end, err = s.executionResult(ctx, r.Serial); err != nil {
			return nil, err
		}
		if end == nil {
			return nil, failure("reading the children of a Map run", errors.New("child "+row.Name+" runs again"))
		}
		out.ExecutionArn = s.executionArn(r.id())
		if s.notRedrivable(end) == "" {
			out.RedriveStatus, out.RedriveStatusReason = "REDRIVABLE_BY_MAP_RUN", ""
		}
	}
	out.Cause, out.Error, out.Input, out.Name, out.Status = end.Cause, end.Error, r.Input, r.Name, end.Status
	out.InputDetails.Included, out.StateMachineArn, out.RedriveCount = true, s.machineArn(machine), r.Redrives
	out.StartDate, out.StopDate = rfc3339(r.Started), rfc3339(end.Stopped)
	if end.Status == types.ExecutionStatusSucceeded {
		out.Output, out.OutputDetails = &end.Output, &struct{ Included bool }{true}
	}
	return out, nil
}
