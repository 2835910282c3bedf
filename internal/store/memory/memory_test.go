package memory_test

import (
	"testing"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
	"github.com/tealdeploy/teal/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Exercise(t, func(testing.TB) store.Store { return memory.New() })
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(testing.TB) store.Store { return memory.New() })
}
