package sqlite

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/store"
)

// crashFolder tells a re-executed test binary to be the process that is killed.
const crashFolder = "TEAL_TEST_CRASH_DB"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFolder); path != "" {
		commitForever(path)
	}
	os.Exit(m.Run())
}

// commitForever runs 8 writers; each commits its steps 0, 1, 2, … and prints "writer step" once a step is acknowledged.
// Step n of writer w puts w/n, and moves w's counter, with an expectation, from n to n+1.
func commitForever(path string) {
	s, err := Open(path)
	if err != nil {
		fmt.Println("open:", err)
		os.Exit(1)
	}
	acks := make(chan string)
	for w := range 8 {
		go func() {
			counter := fmt.Sprint(w)
			n := 0
			if v, err := s.Get(ctx, "counters", counter); err == nil {
				n, _ = strconv.Atoi(string(v))
			}
			for ; ; n++ {
				b := &store.Batch{}
				b.Put("steps", fmt.Sprintf("%d/%06d", w, n), []byte(strings.Repeat("x", n%3000)))
				b.Put("counters", counter, strconv.AppendInt(nil, int64(n+1), 10))
				if n == 0 {
					b.ExpectAbsent("counters", counter)
				} else {
					b.ExpectValue("counters", counter, strconv.AppendInt(nil, int64(n), 10))
				}
				if err := s.Commit(ctx, b); err != nil {
					fmt.Println("commit:", err)
					os.Exit(1)
				}
				acks <- fmt.Sprintf("%d %d", w, n)
			}
		}()
	}
	for a := range acks {
		fmt.Println(a)
	}
}

// TestKill9 kills a committing process again and again on the same file: everything that it acknowledged is there, and
// each writer's steps are whole and without a gap.
func TestKill9(t *testing.T) {
	path := filepath.Join(t.TempDir(), "teal.db")
	acked := map[int]int{} // writer → steps acknowledged
	for round := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashFolder+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var w, step int
			if _, err := fmt.Sscanf(lines.Text(), "%d %d", &w, &step); err != nil {
				if n < 150+37*round {
					t.Fatalf("the process said %q", lines.Text())
				}
				break // the last line may be torn
			}
			acked[w] = max(acked[w], step+1)
			if n == 0 {
				if _, err := Open(path); !errors.As(err, new(*InUseError)) {
					t.Fatalf("opening a database that another process holds: %v", err)
				}
			}
			if n == 150+37*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for w := range 8 {
			v, err := s.Get(ctx, "counters", fmt.Sprint(w))
			if errors.Is(err, store.ErrNotFound) {
				v, err = []byte("0"), nil
			}
			counter, err2 := strconv.Atoi(string(v))
			if err = errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			if counter < acked[w] {
				t.Errorf("round %d: writer %d was told of %d steps, %d are there", round, w, acked[w], counter)
			}
			n := 0
			for e, err := range s.Scan(ctx, "steps", store.Prefix(fmt.Sprint(w)+"/")) {
				if err != nil {
					t.Fatal(err)
				}
				if e.Key != fmt.Sprintf("%d/%06d", w, n) || len(e.Value) != n%3000 {
					t.Fatalf("round %d: step %d of writer %d is %q with %d bytes", round, n, w, e.Key, len(e.Value))
				}
				n++
			}
			if n != counter {
				t.Errorf("round %d: writer %d has %d steps and counts %d", round, w, n, counter)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
