package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

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
	ItemsPointer      string // a JSON pointer to what is read of a JSON object
	Transformation    string // LOAD_AND_FLATTEN: of a listing, the items of its objects
	ManifestType      string // S3_INVENTORY or ATHENA_DATA
}

type readerArguments struct {
	Bucket, Key, Prefix, StartAfter, Delimiter *string
	MaxKeys                                    *int32
}

// openSource is what a Map run reads, and how many items it has given.
type openSource struct {
	itemSource
	given int
}

func (o *openSource) next() (json.RawMessage, error) {
	item, err := o.itemSource.next()
	if err == nil {
		o.given++
	}
	return item, err
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
		if config.MaxItems > 0 && source.given >= config.MaxItems {
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
	read := source.given
	s.mapRuns.with(c.MapRun, func(l *liveRun) { l.read = read })
	if !more {
		source.close()
		return append(page, ']'), "", nil
	}
	s.mapRuns.with(c.MapRun, func(l *liveRun) { l.source = source })
	return append(page, ']'), strconv.Itoa(read), nil
}

// sourceAt is the Map run's open source when it stands at the position, else a new one that has skipped what was read.
func (s *Service) sourceAt(ctx context.Context, c *interp.ReadItems, config *readerConfig, from int) (*openSource, error) {
	var source *openSource
	s.mapRuns.with(c.MapRun, func(l *liveRun) { source, l.source = l.source, nil })
	if source != nil && source.given == from {
		return source, nil
	}
	if source != nil {
		source.close()
	}
	opened, err := s.openItems(c, config)
	if err != nil {
		return nil, err
	}
	source = &openSource{itemSource: opened}
	for err == nil && source.given < from {
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
	if strings.HasSuffix(c.Resource, ":s3:listObjectsV2") {
		all := &listing{s: s, in: s3.ListObjectsV2Input{Bucket: a.Bucket, Prefix: a.Prefix, StartAfter: a.StartAfter, Delimiter: a.Delimiter, MaxKeys: a.MaxKeys}}
		if config.Transformation != "LOAD_AND_FLATTEN" {
			return all, nil
		}
		return &chain{open: func() (itemSource, error) {
			o, err := all.object()
			if err != nil {
				return nil, err
			}
			return s.openObject(*a.Bucket, *o.Key, config)
		}}, nil
	}
	if a.Key == nil {
		return nil, errors.New("the ItemReader names no Key")
	}
	if config.ManifestType != "" || config.InputType == "MANIFEST" {
		return s.openManifest(*a.Bucket, *a.Key, config)
	}
	return s.openObject(*a.Bucket, *a.Key, config)
}

// object opens one object.
func (s *Service) object(bucket, key string) (io.ReadCloser, error) {
	out, err := s.objects.GetObject(s.engine.work, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("reading s3://%s/%s: %w", bucket, key, err)
	}
	return out.Body, nil
}

func (s *Service) openObject(bucket, key string, config *readerConfig) (itemSource, error) {
	body, err := s.object(bucket, key)
	if err != nil {
		return nil, err
	}
	return readerOf(body, config)
}

// itemsIn reads all items of a text as the ItemReader would: what TestState is given for an object.
func itemsIn(text, resource string, config json.RawMessage) (json.RawMessage, error) {
	var c readerConfig
	if len(config) > 0 {
		if err := json.Unmarshal(config, &c); err != nil {
			return nil, fmt.Errorf("the ReaderConfig cannot be used: %w", err)
		}
	}
	if strings.HasSuffix(resource, ":s3:listObjectsV2") || c.InputType == "MANIFEST" { // what is found is told as JSON
		c.InputType = "JSON"
	}
	source, err := readerOf(io.NopCloser(strings.NewReader(text)), &c)
	if err != nil {
		return nil, err
	}
	all := json.RawMessage{'['}
	for n := 0; c.MaxItems <= 0 || n < c.MaxItems; n++ {
		item, err := source.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if n > 0 {
			all = append(all, ',')
		}
		all = append(all, item...)
	}
	return append(all, ']'), nil
}
