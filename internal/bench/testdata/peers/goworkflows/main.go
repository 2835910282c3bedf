// Command goworkflows runs workflows of three activities that do nothing on go-workflows with SQLite, for the benchmark
// that compares Teal with it. It reads "CASE WORKERS MILLISECONDS" lines and answers each with a line of JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/cschleiden/go-workflows/backend"
	"github.com/cschleiden/go-workflows/backend/sqlite"
	"github.com/cschleiden/go-workflows/client"
	"github.com/cschleiden/go-workflows/worker"
	"github.com/cschleiden/go-workflows/workflow"
	"github.com/google/uuid"
)

var ended sync.Map // the channel of every instance that runs

func step(_ context.Context, id string) (string, error) { return id, nil }

func last(_ context.Context, id string) (string, error) {
	c, _ := ended.Load(id)
	close(c.(chan struct{}))
	return id, nil
}

func three(ctx workflow.Context, id string) (string, error) {
	for _, a := range []any{step, step, last} {
		if _, err := workflow.ExecuteActivity[string](ctx, workflow.DefaultActivityOptions, a, id).Get(ctx); err != nil {
			return "", err
		}
	}
	return id, nil
}

func main() {
	b := sqlite.NewSqliteBackend(os.Args[1], sqlite.WithBackendOptions(backend.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))))
	options := worker.DefaultOptions
	options.WorkflowPollers, options.ActivityPollers = 4, 4
	options.WorkflowPollingInterval, options.ActivityPollingInterval = 5*time.Millisecond, 5*time.Millisecond
	w := worker.New(b, &options)
	for _, err := range []error{w.RegisterWorkflow(three), w.RegisterActivity(step), w.RegisterActivity(last), w.Start(context.Background())} {
		if err != nil {
			log.Fatal(err)
		}
	}
	c := client.New(b)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var name string
		var workers, ms int
		if _, err := fmt.Sscan(in.Text(), &name, &workers, &ms); err != nil || name != "three" {
			log.Fatalf("%q: %v", in.Text(), err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(run(c, workers, time.Duration(ms)*time.Millisecond)); err != nil {
			log.Fatal(err)
		}
	}
}

func run(c *client.Client, workers int, length time.Duration) map[string]float64 {
	took := make([][]float64, workers)
	var wg sync.WaitGroup
	cpu, began := processor(), time.Now()
	for i := range workers {
		wg.Go(func() {
			for at := began; at.Sub(began) < length; {
				id, done := uuid.NewString(), make(chan struct{})
				ended.Store(id, done)
				if _, err := c.CreateWorkflowInstance(context.Background(), client.WorkflowInstanceOptions{InstanceID: id}, three, id); err != nil {
					log.Fatal(err)
				}
				<-done
				ended.Delete(id)
				took[i] = append(took[i], float64(time.Since(at).Microseconds()))
				at = time.Now()
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(began)
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	n := float64(len(all))
	return map[string]float64{"rate": n / elapsed.Seconds(), "p50": all[len(all)/2], "cpu": float64((processor() - cpu).Microseconds()) / n}
}

func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
