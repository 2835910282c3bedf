// Package s3 is a small object store that answers as Amazon Simple Storage Service: buckets, objects with conditional
// reads and writes, listings, multipart uploads and checksums. Versioning, access control lists, encryption, tags and
// the other settings of buckets are refused by name.
//
// Contents are files under Config.Dir, each written once under a name of its own; what a key holds is a record in the
// store that names its files. A file is on disk before the record that names it is committed, so an object is there
// whole or not at all, and a file without a record is garbage, swept after the next start.
package s3

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/store"
)

// Config is what the service is given.
type Config struct {
	Store   store.Store
	Dir     string       // of the contents; made when missing, and the service's alone
	Clock   clock.Clock  // clock.System when nil
	Account string       // twelve digits; 000000000000 when empty
	Region  string       // us-east-1 when empty
	Logger  *slog.Logger // discards when nil
}

// Service answers as S3. Its methods may be called from any goroutine.
type Service struct {
	cfg   Config
	log   *slog.Logger
	owner string // canonical user id of the account
	blobs *blobs

	// gate is held for reading while an object is committed and for writing while a bucket is deleted, so that a bucket
	// that was found empty still is.
	gate sync.RWMutex
	// uploads are held while parts of an upload are committed, or the upload ends; by hash of its id.
	uploads [64]sync.Mutex

	stop  context.CancelFunc
	swept chan struct{} // closed when the sweep has ended
}

// New opens the folder and begins to sweep what an earlier end left behind. It fails when the folder cannot be written.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("s3: a store is needed")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	b, err := openBlobs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Service{cfg: cfg, log: cfg.Logger, owner: canonicalID(cfg.Account), blobs: b, stop: stop, swept: make(chan struct{})}
	go func() {
		defer close(s.swept)
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("S3: files of unfinished uploads were not all removed; the next start tries again", "dir", cfg.Dir, "error", err)
		}
	}()
	return s, nil
}

// Close ends the sweep. Calls under way go on as long as the store lets them. It is idempotent.
func (s *Service) Close() error {
	s.stop()
	<-s.swept
	return nil
}

// uploadLock is the lock of an upload.
func (s *Service) uploadLock(id string) *sync.Mutex {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return &s.uploads[h.Sum32()%uint32(len(s.uploads))]
}
