package s3

import (
	"context"
	"slices"

	"github.com/tealdeploy/teal/internal/store"
)

// sweep removes the files of earlier runs that no record names. Parts are looked at before objects: a part's file moves
// to an object's record in one batch, so it is seen in one of the two.
func (s *Service) sweep(ctx context.Context) error {
	garbage, err := s.blobs.old()
	if err != nil || len(garbage) == 0 {
		return err
	}
	keep := func(segments ...segment) {
		for _, g := range segments {
			delete(garbage, g.File)
		}
	}
	for e, err := range s.cfg.Store.Scan(ctx, partsAt, store.Range{}) {
		if err != nil {
			return err
		}
		rec, err := decode[partRecord](partsAt, e.Key, e.Value)
		if err != nil {
			return err
		}
		keep(rec.segment)
	}
	for e, err := range s.cfg.Store.Scan(ctx, objectsAt, store.Range{}) {
		if err != nil {
			return err
		}
		rec, err := decode[objectRecord](objectsAt, e.Key, e.Value)
		if err != nil {
			return err
		}
		keep(rec.Segments...)
	}
	var names []string
	for n := range garbage {
		names = append(names, n)
	}
	for batch := range slices.Chunk(names, 256) {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.blobs.remove(batch)
	}
	return nil
}
