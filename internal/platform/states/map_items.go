package states

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
)

// A page of items ends with whichever comes first.
const (
	pageItems = 1000
	pageBytes = 1 << 20
)

// readerConfig is ReaderConfig with what its paths gave.
// https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
type readerConfig struct {
	InputType         string
	CSVHeaderLocation string
	CSVHeaders        []string
	CSVDelimiter      string
	MaxItems          int
}

type readerArguments struct {
	Bucket, Key, Prefix, StartAfter, Delimiter *string
	MaxKeys                                    *int32
}

// itemSource gives the items of a Map run one after the other, and io.EOF after the last.
type itemSource interface {
	next() (json.RawMessage, error)
	at() int // how many items it has given
	close()
}

// readItems reads the next page of a Map run's items. The object stays open between the pages; after a restart it is
// read anew up to the cursor.
func (s *Service) readItems(ctx context.Context, c *interp.ReadItems) answer {
	page, cursor, err := s.itemPage(ctx, c)
	if err != nil {
		return answer{kind: interp.EventTaskFailed, failed: &taskFailure{asl.ErrItemReader, err.Error()}}
	}
	return answer{kind: interp.EventItemsRead, output: page, cursor: cursor}
}

func (s *Service) itemPage(ctx context.Context, c *interp.ReadItems) (page json.RawMessage, cursor string, err error) {
	if s.objects == nil {
		return nil, "", errors.New("this platform has no object store")
	}
	var config readerConfig
	if len(c.Config) > 0 {
		if err := json.Unmarshal(c.Config, &config); err != nil {
			return nil, "", fmt.Errorf("the ReaderConfig cannot be used: %w", err)
		}
	}
	from := 0
	if c.Cursor != "" {
		if from, err = strconv.Atoi(c.Cursor); err != nil {
			return nil, "", fmt.Errorf("the position %q is not known", c.Cursor)
		}
	}
	source, err := s.sourceAt(ctx, c, &config, from)
	if err != nil {
		return nil, "", err
	}
	page, more := json.RawMessage{'['}, true
	for n := 0; n < pageItems && len(page) < pageBytes; n++ {
		if config.MaxItems > 0 && source.at() >= config.MaxItems {
			more = false
			break
		}
		item, err := source.next()
		if errors.Is(err, io.EOF) {
			more = false
			break
		}
		if err != nil {
			source.close()
			return nil, "", err
		}
		if n > 0 {
			page = append(page, ',')
		}
		page = append(page, item...)
	}
	read := source.at()
	s.mapRuns.with(c.MapRun, func(l *liveRun) { l.read = read })
	if !more {
		source.close()
		return append(page, ']'), "", nil
	}
	s.mapRuns.with(c.MapRun, func(l *liveRun) { l.source = source })
	return append(page, ']'), strconv.Itoa(read), nil
}

// sourceAt is the Map run's open source when it stands at the position, else a new one that has skipped what was read.
func (s *Service) sourceAt(ctx context.Context, c *interp.ReadItems, config *readerConfig, from int) (itemSource, error) {
	var source itemSource
	s.mapRuns.with(c.MapRun, func(l *liveRun) { source, l.source = l.source, nil })
	if source != nil && source.at() == from {
		return source, nil
	}
	if source != nil {
		source.close()
	}
	source, err := s.openItems(c, config)
	for err == nil && source.at() < from {
		if _, err = source.next(); err != nil {
			source.close()
		}
	}
	if err != nil {
		return nil, err
	}
	return source, ctx.Err()
}

// openItems opens what the ItemReader names. It lives until it is closed, longer than the page for which it is opened.
func (s *Service) openItems(c *interp.ReadItems, config *readerConfig) (itemSource, error) {
	var a readerArguments
	if err := json.Unmarshal(c.Arguments, &a); err != nil || a.Bucket == nil {
		return nil, errors.New("the ItemReader names no Bucket")
	}
	ctx := s.engine.work
	if strings.HasSuffix(c.Resource, ":s3:listObjectsV2") {
		return &listing{ctx: ctx, s: s, in: s3.ListObjectsV2Input{Bucket: a.Bucket, Prefix: a.Prefix, StartAfter: a.StartAfter, Delimiter: a.Delimiter, MaxKeys: a.MaxKeys}}, nil
	}
	if a.Key == nil {
		return nil, errors.New("the ItemReader names no Key")
	}
	out, err := s.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: a.Bucket, Key: a.Key})
	if err != nil {
		return nil, fmt.Errorf("reading s3://%s/%s: %w", *a.Bucket, *a.Key, err)
	}
	body := bufio.NewReaderSize(out.Body, 64<<10)
	closer := counted{closer: out.Body}
	switch config.InputType {
	case "CSV":
		return newCSV(body, closer, config)
	case "JSONL":
		return &lines{counted: closer, from: body}, nil
	case "JSON", "":
		d := json.NewDecoder(body)
		d.UseNumber()
		if t, err := d.Token(); err != nil || t != json.Delim('[') {
			_ = out.Body.Close()
			return nil, errors.New("Attempting to map over non-iterable node.") //nolint:staticcheck // AWS's words
		}
		return &array{counted: closer, from: d}, nil
	}
	_ = out.Body.Close()
	return nil, fmt.Errorf("the InputType %s is not served by this platform", config.InputType)
}

// counted is what all sources of an object have in common.
type counted struct {
	closer io.Closer
	given  int
}

func (c *counted) at() int { return c.given }
func (c *counted) close()  { _ = c.closer.Close() }

// array is a JSON array.
type array struct {
	counted
	from *json.Decoder
}

func (a *array) next() (item json.RawMessage, err error) {
	if !a.from.More() {
		if _, err := a.from.Token(); err != nil {
			return nil, fmt.Errorf("the object is no JSON array: %w", err)
		}
		return nil, io.EOF
	}
	if err := a.from.Decode(&item); err != nil {
		return nil, fmt.Errorf("the object is no JSON array: %w", err)
	}
	a.given++
	return item, nil
}

// lines is JSON Lines.
type lines struct {
	counted
	from *bufio.Reader
}

func (l *lines) next() (json.RawMessage, error) {
	for {
		line, err := l.from.ReadBytes('\n')
		if text := strings.TrimSpace(string(line)); text != "" {
			if !json.Valid([]byte(text)) {
				return nil, fmt.Errorf("line %d is no JSON", l.given+1)
			}
			l.given++
			return json.RawMessage(text), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// table is CSV: an item is an object of texts by the headers.
type table struct {
	counted
	from    *csv.Reader
	headers []string
}

func newCSV(from io.Reader, c counted, config *readerConfig) (*table, error) {
	t := &table{counted: c, from: csv.NewReader(from), headers: config.CSVHeaders}
	t.from.FieldsPerRecord, t.from.LazyQuotes = -1, true
	switch config.CSVDelimiter {
	case "", "COMMA":
	case "PIPE":
		t.from.Comma = '|'
	case "SEMICOLON":
		t.from.Comma = ';'
	case "SPACE":
		t.from.Comma = ' '
	case "TAB":
		t.from.Comma = '\t'
	}
	if config.CSVHeaderLocation != "GIVEN" {
		var err error
		if t.headers, err = t.from.Read(); err != nil {
			t.close()
			return nil, fmt.Errorf("the CSV file has no header: %w", err)
		}
	}
	return t, nil
}

func (t *table) next() (json.RawMessage, error) {
	row, err := t.from.Read()
	if err != nil {
		return nil, err
	}
	b := []byte{'{'}
	for i, name := range t.headers {
		if i > 0 {
			b = append(b, ',')
		}
		value := ""
		if i < len(row) {
			value = row[i]
		}
		b = append(append(append(b, quoted(name)...), ':'), quoted(value)...)
	}
	t.given++
	return append(b, '}'), nil
}

// listing is the objects of a bucket.
type listing struct {
	ctx   context.Context
	s     *Service
	in    s3.ListObjectsV2Input
	page  []s3types.Object
	over  bool
	given int
}

func (l *listing) at() int { return l.given }
func (l *listing) close()  {}

func (l *listing) next() (json.RawMessage, error) {
	for len(l.page) == 0 {
		if l.over {
			return nil, io.EOF
		}
		out, err := l.s.objects.ListObjectsV2(l.ctx, &l.in)
		if err != nil {
			return nil, fmt.Errorf("listing bucket %s: %w", *l.in.Bucket, err)
		}
		l.page, l.in.ContinuationToken = out.Contents, out.NextContinuationToken
		l.over = out.NextContinuationToken == nil
	}
	o := l.page[0]
	l.page = l.page[1:]
	l.given++
	return encode(struct {
		Etag         string
		Key          string
		LastModified int64
		Size         int64
		StorageClass string
	}{aws.ToString(o.ETag), aws.ToString(o.Key), aws.ToTime(o.LastModified).Unix(), aws.ToInt64(o.Size), string(o.StorageClass)}), nil
}
