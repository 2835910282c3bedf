// Command handler is the Go function of the pool's tests: what it does is told by its event.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do   string          `json:"do"`
	Arg  string          `json:"arg"`
	Echo json.RawMessage `json:"echo,omitempty"`
}

func handle(ctx context.Context, e event) (any, error) {
	switch e.Do {
	case "echo":
		return e.Echo, nil
	case "pid":
		return os.Getpid(), nil
	case "count":
		count++
		return count, nil
	case "env":
		return os.Environ(), nil
	case "who":
		wd, _ := os.Getwd()
		entries, _ := os.ReadDir("/proc/self/fd")
		var fds []string
		for _, d := range entries {
			link, err := os.Readlink("/proc/self/fd/" + d.Name())
			if err == nil {
				fds = append(fds, link)
			}
		}
		return map[string]any{"uid": os.Getuid(), "wd": wd, "fds": fds}, nil
	case "open":
		b, err := os.ReadFile(e.Arg)
		return len(b), err
	case "write":
		return nil, os.WriteFile(e.Arg, []byte("x"), 0o600)
	case "error":
		return nil, errors.New(e.Arg)
	case "panic":
		panic(e.Arg)
	case "exit":
		code, _ := strconv.Atoi(e.Arg)
		os.Exit(code)
	case "log":
		for _, line := range strings.Split(e.Arg, "|") {
			fmt.Println(line)
		}
		return "logged", nil
	case "flood":
		n, _ := strconv.Atoi(e.Arg)
		for i := range n {
			fmt.Println("line", i, strings.Repeat("x", 100))
		}
		return n, nil
	case "sleep":
		d, err := time.ParseDuration(e.Arg)
		if err != nil {
			return nil, err
		}
		time.Sleep(d)
		return "slept", nil
	case "meet": // ends when the gate at the address is opened
		if err := pass(e.Arg); err != nil {
			return nil, err
		}
		return "met", nil
	case "stream": // two pieces, the second when the gate is opened, and an error where one is asked for
		address, fails, _ := strings.Cut(e.Arg, "|")
		r, w := io.Pipe()
		go func() {
			io.WriteString(w, "first")
			if err := pass(address); err != nil {
				w.CloseWithError(err)
				return
			}
			io.WriteString(w, " second")
			if fails != "" {
				w.CloseWithError(errors.New(fails))
				return
			}
			w.Close()
		}()
		return r, nil
	case "alloc": // so many MiB, used
		n, _ := strconv.Atoi(e.Arg)
		hoard = nil
		for range n {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			hoard = append(hoard, b)
		}
		return len(hoard), nil
	case "fork": // so many processes, as long as it goes well; they end with the function
		n, _ := strconv.Atoi(e.Arg)
		var started []*exec.Cmd
		defer func() {
			for _, c := range started {
				c.Process.Kill()
				c.Wait()
			}
		}()
		for len(started) < n {
			c := exec.Command("/bin/sleep", "100")
			if c.Start() != nil {
				break
			}
			started = append(started, c)
		}
		return len(started), nil
	case "fill": // so many MiB of /tmp
		n, _ := strconv.Atoi(e.Arg)
		f, err := os.CreateTemp("", "fill")
		if err != nil {
			return nil, err
		}
		defer os.Remove(f.Name())
		defer f.Close()
		b := make([]byte, 1<<20)
		for range n {
			if _, err := f.Write(b); err != nil {
				return nil, err
			}
		}
		return n, nil
	case "environs": // of other processes, as far as they can be read
		found, _ := filepath.Glob("/proc/[0-9]*/environ")
		self, _ := os.Readlink("/proc/self")
		var out []string
		for _, path := range found {
			if b, err := os.ReadFile(path); err == nil && len(b) > 0 && path != "/proc/"+self+"/environ" {
				out = append(out, strings.ReplaceAll(string(b), "\x00", "\n"))
			}
		}
		return out, nil
	case "ptrace":
		pid, _ := strconv.Atoi(e.Arg)
		return nil, syscall.PtraceAttach(pid)
	case "kill":
		pid, _ := strconv.Atoi(e.Arg)
		return nil, syscall.Kill(pid, 0)
	case "run":
		b, err := exec.Command(e.Arg, "-u").CombinedOutput()
		return strings.TrimSpace(string(b)), err
	case "dial": // an abstract socket
		c, err := net.Dial("unix", "@"+e.Arg)
		if err == nil {
			c.Close()
		}
		return nil, err
	case "list":
		entries, err := os.ReadDir(e.Arg)
		return len(entries), err
	case "child": // leaves a process behind, out of its process group
		c := exec.Command("setsid", "sleep", "1000")
		if err := c.Start(); err != nil {
			return nil, err
		}
		return c.Process.Pid, nil
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		d, _ := ctx.Deadline()
		return map[string]any{
			"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "custom": lc.ClientContext.Custom,
			"trace": ctx.Value("x-amzn-trace-id"), "left": time.Until(d).Milliseconds(),
		}, nil
	}
	return nil, fmt.Errorf("nothing known about %q", e.Do)
}

// pass waits at a gate.
func pass(address string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.ReadFull(c, make([]byte, 2))
	return err
}

var (
	count int
	hoard [][]byte
)

func main() {
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Println("leaving at once")
		os.Exit(3)
	case "hang":
		select {}
	case "second": // fails the first time
		if pass(os.Getenv("GATE")) != nil {
			os.Exit(4)
		}
	}
	lambda.Start(handle)
}
