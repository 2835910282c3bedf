package states

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxManifest bounds a manifest, in bytes.
const maxManifest = 16 << 20

// inventory is the manifest.json of an S3 inventory.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
type inventory struct {
	DestinationBucket string `json:"destinationBucket"` // an ARN
	FileFormat        string `json:"fileFormat"`        // CSV, ORC or Parquet
	FileSchema        string `json:"fileSchema"`        // the columns, of CSV
	Files             []struct {
		Key string `json:"key"`
	} `json:"files"`
}

// openManifest reads the items of all files that a manifest names: of an S3 inventory its rows, by the names of their
// columns; of the results of an Athena query the files' items, in the format of InputType.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
func (s *Service) openManifest(bucket, key string, config *readerConfig) (itemSource, error) {
	text, err := s.manifest(bucket, key)
	if err != nil {
		return nil, err
	}
	if config.ManifestType == "ATHENA_DATA" {
		return s.openAthena(text, config)
	}
	var m inventory
	if err := json.Unmarshal(text, &m); err != nil || len(m.Files) == 0 && m.FileFormat == "" {
		return nil, fmt.Errorf("s3://%s/%s is no manifest of an S3 inventory", bucket, key)
	}
	if m.FileFormat != "CSV" {
		return nil, fmt.Errorf("inventories in the format %s are not served by this platform; CSV is", m.FileFormat)
	}
	from := strings.TrimPrefix(m.DestinationBucket, "arn:aws:s3:::")
	columns := strings.Split(m.FileSchema, ",")
	for i, c := range columns {
		columns[i] = strings.TrimSpace(c)
	}
	rows := &readerConfig{InputType: "CSV", CSVHeaderLocation: "GIVEN", CSVHeaders: columns}
	return &chain{open: func() (itemSource, error) {
		if len(m.Files) == 0 {
			return nil, io.EOF
		}
		file := m.Files[0].Key
		m.Files = m.Files[1:]
		return s.openFile(from, file, rows)
	}}, nil
}

// openAthena reads what UNLOAD has written: its manifest has one address, s3://bucket/key, a line.
func (s *Service) openAthena(manifest []byte, config *readerConfig) (itemSource, error) {
	files := strings.Fields(string(manifest))
	return &chain{open: func() (itemSource, error) {
		if len(files) == 0 {
			return nil, io.EOF
		}
		address := strings.Trim(files[0], `"`)
		files = files[1:]
		bucket, key, ok := strings.Cut(strings.TrimPrefix(address, "s3://"), "/")
		if !ok || !strings.HasPrefix(address, "s3://") {
			return nil, fmt.Errorf("the manifest names %q, which is no address of an S3 object", address)
		}
		return s.openFile(bucket, key, config)
	}}, nil
}

func (s *Service) manifest(bucket, key string) ([]byte, error) {
	body, err := s.object(bucket, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(io.LimitReader(body, maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("reading s3://%s/%s: %w", bucket, key, err)
	}
	if len(text) > maxManifest {
		return nil, fmt.Errorf("the manifest s3://%s/%s has more than %d bytes", bucket, key, maxManifest)
	}
	return text, nil
}

// openFile opens a file that a manifest names; one whose name ends with .gz is compressed.
func (s *Service) openFile(bucket, key string, config *readerConfig) (itemSource, error) {
	body, err := s.object(bucket, key)
	if err != nil || !strings.HasSuffix(key, ".gz") {
		if err != nil {
			return nil, err
		}
		return readerOf(body, config)
	}
	z, err := gzip.NewReader(body)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("s3://%s/%s cannot be unpacked: %w", bucket, key, err), body.Close())
	}
	return readerOf(unpacked{z, body}, config)
}

type unpacked struct {
	io.Reader
	io.Closer
}
