package states

import (
	"context"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// moved is a store that counts the bytes that are read and written.
type moved struct {
	store.Store
	bytes atomic.Int64
}

func (m *moved) Get(ctx context.Context, bucket, key string) ([]byte, error) {
	b, err := m.Store.Get(ctx, bucket, key)
	m.bytes.Add(int64(len(b)))
	return b, err
}

func (m *moved) Scan(ctx context.Context, bucket string, r store.Range) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range m.Store.Scan(ctx, bucket, r) {
			m.bytes.Add(int64(len(e.Value)))
			if !yield(e, err) {
				return
			}
		}
	}
}

func (m *moved) Commit(ctx context.Context, b *store.Batch) error {
	for _, op := range b.Ops {
		m.bytes.Add(int64(len(op.Value)))
	}
	return m.Store.Commit(ctx, b)
}

// What a Map state moves to and from the store is in proportion to its items: ten times as many cost ten times as much.
func TestMapsAreLinear(t *testing.T) {
	task := `"P":{"Type":"Task","Resource":"` + fn + `f","End":true}`
	for name, definition := range map[string]string{
		"inline":   machineOf(`"A":{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{` + task + `}},"End":true}`),
		"Express":  distributed("EXPRESS", task, `,"MaxConcurrency":40`),
		"Standard": distributed("STANDARD", task, `,"MaxConcurrency":40`),
	} {
		t.Run(name, func(t *testing.T) {
			each := map[int]int64{}
			for _, n := range []int{200, 2000} {
				synctest.Test(t, func(t *testing.T) {
					db := &moved{Store: memory.New()}
					s := open(t, Config{Store: db})
					m := create(t, s, "m", definition, false)
					db.bytes.Store(0)
					x := start1(t, s, m, "x", "["+strings.TrimSuffix(strings.Repeat(`"some item",`, n), ",")+"]")
					time.Sleep(time.Minute)
					synctest.Wait()
					each[n] = db.bytes.Load() / int64(n)
					if got := ended(t, s, x); !strings.HasPrefix(got, "SUCCEEDED [") {
						t.Fatal(got)
					}
				})
			}
			t.Logf("%d bytes an item of 200, %d of 2000", each[200], each[2000])
			if each[2000] > each[200]*3/2 {
				t.Errorf("an item of 200 moves %d bytes, one of 2000 %d", each[200], each[2000])
			}
		})
	}
}
