// Package storetest holds what every implementation of store.Store must do.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/store"
)

// Exercise checks the whole contract of store.Store on stores that open makes, each empty.
func Exercise(t *testing.T, open func(t testing.TB) store.Store) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"reads what was committed", readsCommitted},
		{"keys and values are any bytes", anyBytes},
		{"a batch is applied in order", batchOrder},
		{"a failed expectation applies nothing", failedExpectation},
		{"only the failing batch of many fails", failsAlone},
		{"compare and swap loses no update", compareAndSwap},
		{"scans are ordered, bounded and limited", scans},
		{"a scan sees one snapshot", snapshot},
		{"a scan can hold other calls", nested},
		{"commits keep the order of their calls", commitOrder},
		{"a cancelled context applies nothing", cancelled},
		{"a closed store refuses", closed},
		{"closing keeps what was accepted", closing},
		{"values belong to the reader", ownValues},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() { _ = s.Close() })
			c.run(t, s)
		})
	}
	t.Run("agrees with a map", func(t *testing.T) {
		s := open(t)
		t.Cleanup(func() { _ = s.Close() })
		n := 0
		rapid.Check(t, func(t *rapid.T) {
			n++
			agrees(t, s, fmt.Sprint("run", n))
		})
	})
}

var ctx = context.Background()

func put(t testing.TB, s store.Store, bucket string, pairs ...string) {
	t.Helper()
	b := &store.Batch{}
	for i := 0; i < len(pairs); i += 2 {
		b.Put(bucket, pairs[i], []byte(pairs[i+1]))
	}
	if err := s.Commit(ctx, b); err != nil {
		t.Fatal(err)
	}
}

// get returns "value" or "-" for a key that is not there.
func get(t testing.TB, s store.Store, bucket, key string) string {
	t.Helper()
	v, err := s.Get(ctx, bucket, key)
	if errors.Is(err, store.ErrNotFound) {
		return "-"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(v)
}

func keys(t testing.TB, s store.Store, bucket string, r store.Range) []string {
	t.Helper()
	out := []string{}
	for e, err := range s.Scan(ctx, bucket, r) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Key)
	}
	return out
}

func want(t testing.TB, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %#v, want %#v", got, want)
	}
}

func readsCommitted(t *testing.T, s store.Store) {
	want(t, get(t, s, "a", "k"), "-")
	put(t, s, "a", "k", "1")
	put(t, s, "b", "k", "2")
	want(t, get(t, s, "a", "k"), "1")
	want(t, get(t, s, "b", "k"), "2")
	put(t, s, "a", "k", "3")
	want(t, get(t, s, "a", "k"), "3")
	b := &store.Batch{}
	b.Delete("a", "k")
	b.Delete("a", "never there")
	if err := s.Commit(ctx, b); err != nil {
		t.Fatal(err)
	}
	want(t, get(t, s, "a", "k"), "-")
	want(t, get(t, s, "b", "k"), "2")
	if err := s.Commit(ctx, &store.Batch{}); err != nil {
		t.Fatalf("an empty batch: %v", err)
	}
}

func anyBytes(t *testing.T, s store.Store) {
	all := []string{"", "\x00", "a", "a\x00", "a\x00b", "a\x01", "ab", "z", "\x7f", "é", "\xc3\x28", "\xfe", "\xff", "\xff\xff"}
	b := &store.Batch{}
	for _, k := range all {
		b.Put("any", k, []byte(k))
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	b.Put("any", "zz", big)
	if err := s.Commit(ctx, b); err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		want(t, get(t, s, "any", k), k)
	}
	if got := get(t, s, "any", "zz"); got != string(big) {
		t.Fatalf("a value of %d bytes came back with %d", len(big), len(got))
	}
	all = append(all, "zz")
	slices.Sort(all)
	want(t, keys(t, s, "any", store.Range{}), all)
}

func batchOrder(t *testing.T, s store.Store) {
	b := &store.Batch{}
	b.Put("o", "a", []byte("1"))
	b.Delete("o", "a")
	b.Put("o", "b", []byte("1"))
	b.Put("o", "b", []byte("2"))
	b.Delete("o", "c")
	b.Put("o", "c", []byte("3"))
	b.ExpectAbsent("o", "a") // expectations speak of the state before the batch
	if err := s.Commit(ctx, b); err != nil {
		t.Fatal(err)
	}
	want(t, get(t, s, "o", "a")+get(t, s, "o", "b")+get(t, s, "o", "c"), "-23")
}

func failedExpectation(t *testing.T, s store.Store) {
	put(t, s, "e", "there", "v", "empty", "")
	for name, expect := range map[string]func(*store.Batch){
		"absent, but there":      func(b *store.Batch) { b.ExpectAbsent("e", "there") },
		"absent, but empty":      func(b *store.Batch) { b.ExpectAbsent("e", "empty") },
		"another value":          func(b *store.Batch) { b.ExpectValue("e", "there", []byte("w")) },
		"a prefix of the value":  func(b *store.Batch) { b.ExpectValue("e", "there", nil) },
		"a value, but not there": func(b *store.Batch) { b.ExpectValue("e", "missing", []byte("v")) },
		"empty, but not there":   func(b *store.Batch) { b.ExpectValue("e", "missing", nil) },
		"one of two": func(b *store.Batch) {
			b.ExpectValue("e", "there", []byte("v"))
			b.ExpectAbsent("e", "there")
		},
	} {
		b := &store.Batch{}
		b.Put("e", "there", []byte("overwritten"))
		b.Put("e", "new", []byte("x"))
		b.Delete("e", "empty")
		expect(b)
		if err := s.Commit(ctx, b); !errors.Is(err, store.ErrConflict) {
			t.Fatalf("%s: %v, want ErrConflict", name, err)
		}
		want(t, get(t, s, "e", "there")+get(t, s, "e", "new")+get(t, s, "e", "empty"), "v-")
	}
	b := &store.Batch{}
	b.ExpectValue("e", "there", []byte("v"))
	b.ExpectValue("e", "empty", nil)
	b.ExpectAbsent("e", "new")
	b.Put("e", "new", []byte("x"))
	if err := s.Commit(ctx, b); err != nil {
		t.Fatal(err)
	}
	want(t, get(t, s, "e", "new"), "x")
}

func failsAlone(t *testing.T, s store.Store) {
	put(t, s, "f", "there", "v")
	var wg sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		wg.Go(func() {
			b := &store.Batch{}
			b.Put("f", fmt.Sprintf("k%02d", i), []byte("x"))
			if i%2 == 1 {
				b.ExpectAbsent("f", "there")
			}
			errs[i] = s.Commit(ctx, b)
		})
	}
	wg.Wait()
	for i, err := range errs {
		if i%2 == 0 && err != nil || i%2 == 1 && !errors.Is(err, store.ErrConflict) {
			t.Fatalf("batch %d: %v", i, err)
		}
	}
	want(t, len(keys(t, s, "f", store.Prefix("k"))), 32)
}

func compareAndSwap(t *testing.T, s store.Store) {
	put(t, s, "c", "n", "0")
	const workers, each = 8, 25
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for done := 0; done < each; {
				v, err := s.Get(ctx, "c", "n")
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				_, _ = fmt.Sscan(string(v), &n)
				b := &store.Batch{}
				b.ExpectValue("c", "n", v)
				b.Put("c", "n", fmt.Append(nil, n+1))
				switch err := s.Commit(ctx, b); {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	want(t, get(t, s, "c", "n"), fmt.Sprint(workers*each))
}

func scans(t *testing.T, s store.Store) {
	put(t, s, "s", "b", "2", "a", "1", "d", "4", "c", "3", "ca", "5", "\xff", "6", "\xffz", "7")
	put(t, s, "r", "b", "other bucket")
	all := []string{"a", "b", "c", "ca", "d", "\xff", "\xffz"}
	for _, c := range []struct {
		r    store.Range
		want []string
	}{
		{store.Range{}, all},
		{store.Range{From: "b", To: "d"}, []string{"b", "c", "ca"}},
		{store.Range{From: "b", To: "d", Reverse: true}, []string{"ca", "c", "b"}},
		{store.Range{From: "ba"}, []string{"c", "ca", "d", "\xff", "\xffz"}},
		{store.Range{To: "b"}, []string{"a"}},
		{store.Range{Limit: 2}, []string{"a", "b"}},
		{store.Range{Limit: 2, Reverse: true}, []string{"\xffz", "\xff"}},
		{store.Range{From: "x", To: "b"}, nil},
		{store.Prefix("c"), []string{"c", "ca"}},
		{store.Prefix("\xff"), []string{"\xff", "\xffz"}},
		{store.Prefix(""), all},
		{store.Prefix("nothing"), nil},
	} {
		got := keys(t, s, "s", c.r)
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
	want(t, keys(t, s, "no such bucket", store.Range{}), []string{})
	for _, err := range s.Scan(ctx, "s", store.Range{}) { // an abandoned scan leaves nothing behind
		want(t, err, nil)
		break
	}
	put(t, s, "s", "e", "8")
	for e, err := range s.Scan(ctx, "s", store.Prefix("e")) {
		want(t, e.Key+string(e.Value)+fmt.Sprint(err), "e8<nil>")
	}
}

func snapshot(t *testing.T, s store.Store) {
	for i := range 100 {
		put(t, s, "s", fmt.Sprintf("%03d", i), "old")
	}
	n := 0
	for e, err := range s.Scan(ctx, "s", store.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			put(t, s, "s", "099", "new", "100", "new")
		}
		want(t, string(e.Value), "old")
	}
	want(t, n, 100)
	want(t, get(t, s, "s", "099"), "new") // a commit that has returned is seen by what comes after it
}

func nested(t *testing.T, s store.Store) {
	put(t, s, "s", "a", "1", "b", "2", "c", "3")
	var walk func(depth int) int
	walk = func(depth int) (n int) {
		for e, err := range s.Scan(ctx, "s", store.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			want(t, get(t, s, "s", e.Key), string(e.Value))
			if n++; depth > 0 {
				n += walk(depth - 1)
			}
		}
		return n
	}
	want(t, walk(4), 3+9+27+81+243)
}

func commitOrder(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				b := &store.Batch{}
				b.Put("w", fmt.Sprint(w), fmt.Append(nil, i))
				if i > 0 {
					b.ExpectValue("w", fmt.Sprint(w), fmt.Append(nil, i-1))
				}
				if err := s.Commit(ctx, b); err != nil {
					t.Errorf("writer %d, batch %d: %v", w, i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func cancelled(t *testing.T, s store.Store) {
	put(t, s, "x", "k", "v")
	done, cancel := context.WithCancel(ctx)
	cancel()
	b := &store.Batch{}
	b.Put("x", "k", []byte("w"))
	if err := s.Commit(done, b); !errors.Is(err, context.Canceled) {
		t.Fatalf("Commit: %v", err)
	}
	if _, err := s.Get(done, "x", "k"); !errors.Is(err, context.Canceled) {
		t.Fatalf("Get: %v", err)
	}
	for _, err := range s.Scan(done, "x", store.Range{}) {
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("Scan: %v", err)
		}
	}
	want(t, get(t, s, "x", "k"), "v")

	put(t, s, "x", "l", "v", "m", "v")
	done, cancel = context.WithCancel(ctx)
	defer cancel()
	n, last := 0, error(nil)
	for _, err := range s.Scan(done, "x", store.Range{}) {
		n, last = n+1, err
		cancel()
	}
	if n != 2 || !errors.Is(last, context.Canceled) {
		t.Fatalf("a scan cancelled at its first entry yielded %d times, then %v", n, last)
	}
}

func closed(t *testing.T, s store.Store) {
	put(t, s, "x", "k", "v")
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	b := &store.Batch{}
	b.Put("x", "k", nil)
	if err := s.Commit(ctx, b); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("Commit: %v", err)
	}
	if _, err := s.Get(ctx, "x", "k"); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("Get: %v", err)
	}
	n := 0
	for _, err := range s.Scan(ctx, "x", store.Range{}) {
		if n++; !errors.Is(err, store.ErrClosed) {
			t.Fatalf("Scan: %v", err)
		}
	}
	want(t, n, 1)
}

func closing(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	started := make(chan struct{}, 16)
	for w := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				b := &store.Batch{}
				b.Put("x", fmt.Sprint(w, i), nil)
				if err := s.Commit(ctx, b); errors.Is(err, store.ErrClosed) {
					return
				} else if err != nil {
					t.Error(err)
					return
				}
				if i == 0 {
					started <- struct{}{}
				}
			}
		})
	}
	for range 16 {
		<-started
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait() // every commit was answered
}

func ownValues(t *testing.T, s store.Store) {
	put(t, s, "x", "k", "value")
	v, err := s.Get(ctx, "x", "k")
	if err != nil {
		t.Fatal(err)
	}
	clear(v)
	for e, err := range s.Scan(ctx, "x", store.Range{}) {
		want(t, err, nil)
		want(t, string(e.Value), "value")
		clear(e.Value)
	}
	want(t, get(t, s, "x", "k"), "value")
}
