package states

import (
	"bufio"
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
)

// itemSource gives items one after the other, and io.EOF after the last.
type itemSource interface {
	next() (json.RawMessage, error)
	close()
}

// errNotIterable says that the object holds no items; the words are AWS's.
var errNotIterable = errors.New("Attempting to map over non-iterable node.") //nolint:staticcheck // AWS's words

// readerOf reads the items of an object in the format that the ReaderConfig names. It closes the body with itself, or at
// once when it fails.
func readerOf(body io.ReadCloser, config *readerConfig) (source itemSource, err error) {
	from := bufio.NewReaderSize(body, 64<<10)
	switch config.InputType {
	case "CSV":
		source, err = newCSV(from, body, config)
	case "JSONL":
		source = &lines{closer{body}, from, 0}
	case "JSON", "":
		source, err = newJSON(from, body, config.ItemsPointer)
	default: // PARQUET, and what the manifests of others hold
		err = fmt.Errorf("the InputType %s is not served by this platform", config.InputType)
	}
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	return source, nil
}

// closer is what all sources that read one object have in common.
type closer struct{ body io.Closer }

func (c closer) close() { _ = c.body.Close() }

// document is a JSON array, or an object, whose items are its members by Key and Value.
type document struct {
	closer
	from    *json.Decoder
	members bool
}

// newJSON reads the array or object to which a JSON pointer leads; "" is the whole object, which must be an array.
func newJSON(from io.Reader, body io.Closer, pointer string) (*document, error) {
	d := json.NewDecoder(from)
	d.UseNumber()
	if pointer != "" {
		steps := strings.Split(pointer, "/")
		if steps[0] != "" {
			return nil, fmt.Errorf("the ItemsPointer %q does not start with a slash", pointer)
		}
		for _, step := range steps[1:] {
			if err := seek(d, strings.NewReplacer("~1", "/", "~0", "~").Replace(step)); err != nil {
				return nil, fmt.Errorf("the ItemsPointer %q leads nowhere: %w", pointer, err)
			}
		}
	}
	t, err := d.Token()
	if err != nil || t != json.Delim('[') && (t != json.Delim('{') || pointer == "") {
		return nil, errNotIterable
	}
	return &document{closer{body}, d, t == json.Delim('{')}, nil
}

// seek leads the decoder into a value: to a member of the object or an element of the array that comes next.
func seek(d *json.Decoder, step string) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') && t != json.Delim('[') {
		return fmt.Errorf("there is no %q in %v", step, t)
	}
	var skipped json.RawMessage
	for i := 0; d.More(); i++ {
		name := strconv.Itoa(i)
		if t == json.Delim('{') {
			key, err := d.Token()
			if err != nil {
				return err
			}
			name, _ = key.(string)
		}
		if name == step {
			return nil
		}
		if err := d.Decode(&skipped); err != nil {
			return err
		}
	}
	return fmt.Errorf("there is no %q", step)
}

func (a *document) next() (item json.RawMessage, err error) {
	if !a.from.More() {
		if _, err := a.from.Token(); err != nil {
			return nil, fmt.Errorf("the object is no JSON: %w", err)
		}
		return nil, io.EOF
	}
	var key json.Token
	if a.members {
		if key, err = a.from.Token(); err != nil {
			return nil, fmt.Errorf("the object is no JSON: %w", err)
		}
	}
	if err := a.from.Decode(&item); err != nil {
		return nil, fmt.Errorf("the object is no JSON: %w", err)
	}
	if a.members {
		return encode(struct {
			Key   json.Token
			Value json.RawMessage
		}{key, item}), nil
	}
	return item, nil
}

// lines is JSON Lines.
type lines struct {
	closer
	from  *bufio.Reader
	given int
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
	closer
	from    *csv.Reader
	headers []string
}

func newCSV(from io.Reader, body io.Closer, config *readerConfig) (*table, error) {
	t := &table{closer{body}, csv.NewReader(from), config.CSVHeaders}
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
	return append(b, '}'), nil
}

// listing is the objects of a bucket.
type listing struct {
	s    *Service
	in   s3.ListObjectsV2Input
	page []s3types.Object
	over bool
}

func (l *listing) close() {}

// object gives the next object.
func (l *listing) object() (s3types.Object, error) {
	for len(l.page) == 0 {
		if l.over {
			return s3types.Object{}, io.EOF
		}
		out, err := l.s.objects.ListObjectsV2(l.s.engine.work, &l.in)
		if err != nil {
			return s3types.Object{}, fmt.Errorf("listing bucket %s: %w", *l.in.Bucket, err)
		}
		l.page, l.in.ContinuationToken = out.Contents, out.NextContinuationToken
		l.over = out.NextContinuationToken == nil
	}
	o := l.page[0]
	l.page = l.page[1:]
	return o, nil
}

func (l *listing) next() (json.RawMessage, error) {
	o, err := l.object()
	if err != nil {
		return nil, err
	}
	return encode(struct {
		Etag         string
		Key          string
		LastModified int64
		Size         int64
		StorageClass string
	}{aws.ToString(o.ETag), aws.ToString(o.Key), aws.ToTime(o.LastModified).Unix(), aws.ToInt64(o.Size), string(o.StorageClass)}), nil
}

// chain reads sources one after the other; open gives the next one, and io.EOF after the last.
type chain struct {
	open    func() (itemSource, error)
	current itemSource
}

func (c *chain) next() (json.RawMessage, error) {
	for {
		if c.current == nil {
			var err error
			if c.current, err = c.open(); err != nil {
				c.current = nil
				return nil, err
			}
		}
		item, err := c.current.next()
		if !errors.Is(err, io.EOF) {
			return item, err
		}
		c.close()
	}
}

func (c *chain) close() {
	if c.current != nil {
		c.current.close()
		c.current = nil
	}
}
