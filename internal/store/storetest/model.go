package storetest

import (
	"errors"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/store"
)

// agrees runs random batches and scans on s and on a map.
func agrees(t *rapid.T, s store.Store, bucket string) {
	key := rapid.StringMatching(`[abc]{0,3}`)
	value := rapid.StringMatching(`[xyz]{0,2}`)
	model := map[string]string{}
	t.Repeat(map[string]func(*rapid.T){
		"commit": func(t *rapid.T) {
			b, holds, next := &store.Batch{}, true, maps.Clone(model)
			for range rapid.IntRange(0, 2).Draw(t, "expectations") {
				k := key.Draw(t, "key")
				old, there := model[k]
				if rapid.Bool().Draw(t, "absent") {
					b.ExpectAbsent(bucket, k)
					holds = holds && !there
				} else {
					v := value.Draw(t, "value")
					if rapid.Bool().Draw(t, "right") {
						v = old
					}
					b.ExpectValue(bucket, k, []byte(v))
					holds = holds && there && v == old
				}
			}
			for range rapid.IntRange(0, 6).Draw(t, "ops") {
				k := key.Draw(t, "key")
				if rapid.Bool().Draw(t, "delete") {
					b.Delete(bucket, k)
					delete(next, k)
				} else {
					v := value.Draw(t, "value")
					b.Put(bucket, k, []byte(v))
					next[k] = v
				}
			}
			err := s.Commit(ctx, b)
			if holds && err != nil || !holds && !errors.Is(err, store.ErrConflict) {
				t.Fatalf("Commit: %v, expectations hold: %v", err, holds)
			}
			if holds {
				model = next
			}
		},
		"scan": func(t *rapid.T) {
			r := store.Range{From: key.Draw(t, "from"), To: key.Draw(t, "to"), Reverse: rapid.Bool().Draw(t, "reverse"), Limit: rapid.IntRange(0, 4).Draw(t, "limit")}
			var want, got []string
			for _, k := range slices.Sorted(maps.Keys(model)) {
				if k >= r.From && (r.To == "" || k < r.To) {
					want = append(want, k+"="+model[k])
				}
			}
			if r.Reverse {
				slices.Reverse(want)
			}
			if r.Limit > 0 && len(want) > r.Limit {
				want = want[:r.Limit]
			}
			for e, err := range s.Scan(ctx, bucket, r) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e.Key+"="+string(e.Value))
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%+v: %q, want %q", r, got, want)
			}
		},
	})
}
