package storetest

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/tealdeploy/teal/internal/store"
)

// Benchmark measures what the platform's services do most: small commits by many at once, reads of a key, and the page
// of a list.
func Benchmark(b *testing.B, open func(t testing.TB) store.Store) {
	value := bytes.Repeat([]byte("v"), 300)
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("commit 3 puts/writers=%d", writers), func(b *testing.B) {
			s := open(b)
			defer s.Close()
			var n atomic.Int64
			b.SetParallelism(writers) // per GOMAXPROCS
			b.ReportAllocs()
			work := func() {
				batch, i := &store.Batch{}, n.Add(1)
				for _, bucket := range []string{"a", "b", "c"} {
					batch.Put(bucket, fmt.Sprintf("%016x", i*0x9E3779B97F4A7C), value)
				}
				if err := s.Commit(ctx, batch); err != nil {
					b.Error(err)
				}
			}
			if writers == 1 {
				for b.Loop() {
					work()
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					work()
				}
			})
		})
	}
	s := open(b)
	defer s.Close()
	for i := range 100 {
		batch := &store.Batch{}
		for j := range 100 {
			batch.Put("bench", fmt.Sprintf("%06d", i*100+j), value)
		}
		if err := s.Commit(ctx, batch); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.Get(ctx, "bench", fmt.Sprintf("%06d", i*7919%10000)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("scan 100 of 10000", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			n := 0
			for _, err := range s.Scan(ctx, "bench", store.Range{From: fmt.Sprintf("%06d", i*7919%9900), Limit: 100}) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != 100 {
				b.Fatal(n)
			}
		}
	})
}
