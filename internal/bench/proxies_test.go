package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// tenth is the share of requests that the second side gets.
const tenth = 0.1

func newReader(conn net.Conn) *bufio.Reader { return bufio.NewReader(conn) }

// newSplitter is the least that splits requests between two servers: it passes on what it reads, word by word, with a
// connection of its own to either side for each caller. It takes requests without a body only.
func newSplitter(b *testing.B, blue, green string) (addr string) {
	return serveConns(b, func(conn net.Conn) {
		var sides [2]struct {
			net.Conn
			r *bufio.Reader
		}
		for i, to := range []string{blue, green} {
			c, err := net.Dial("tcp4", to)
			if err != nil {
				return
			}
			defer c.Close()
			sides[i].Conn, sides[i].r = c, newReader(c)
		}
		r := newReader(conn)
		var head []byte
		for {
			var err error
			if head, err = readHead(r, head[:0]); err != nil {
				return
			}
			side := &sides[0]
			if rand.Float64() < tenth {
				side = &sides[1]
			}
			if _, err = side.Write(head); err != nil {
				return
			}
			first, body, err := readMessage(side.r)
			if err != nil {
				return
			}
			head = fmt.Appendf(head[:0], "%s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", first, len(body), body)
			if _, err = conn.Write(head); err != nil {
				return
			}
		}
	})
}

// readHead reads up to the empty line.
func readHead(r *bufio.Reader, head []byte) ([]byte, error) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return head, err
		}
		if head = append(head, line...); len(line) <= 2 {
			return head, nil
		}
	}
}

// serveReverseProxy is net/http/httputil's.
func serveReverseProxy(b *testing.B, blue, green string) (addr string) {
	b.Helper()
	sides := [2]*url.URL{{Scheme: "http", Host: blue}, {Scheme: "http", Host: green}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			side := sides[0]
			if rand.Float64() < tenth {
				side = sides[1]
			}
			r.SetURL(side)
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute}
	go server.Serve(l) //nolint:errcheck // it ends with Close
	b.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// startHAProxy gives "" where there is no HAProxy.
func startHAProxy(b *testing.B, blue, green string) (addr string) {
	return startProxy(b, "haproxy", func(dir, addr string) []string {
		writeFile(b, filepath.Join(dir, "haproxy.cfg"), `global
  nbthread 2
  maxconn 1000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind `+addr+`
  default_backend b
backend b
  balance random
  server blue `+blue+` weight 90
  server green `+green+` weight 10
`)
		return []string{"-db", "-f", filepath.Join(dir, "haproxy.cfg")}
	})
}

// startNginx gives "" where there is no nginx.
func startNginx(b *testing.B, blue, green string) (addr string) {
	return startProxy(b, "nginx", func(dir, addr string) []string {
		writeFile(b, filepath.Join(dir, "nginx.conf"), `daemon off;
worker_processes 2;
pid `+dir+`/pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path `+dir+`/body;
  proxy_temp_path `+dir+`/proxy;
  fastcgi_temp_path `+dir+`/fastcgi;
  uwsgi_temp_path `+dir+`/uwsgi;
  scgi_temp_path `+dir+`/scgi;
  keepalive_requests 10000000;
  upstream blue { server `+blue+`; keepalive 64; keepalive_requests 10000000; }
  upstream green { server `+green+`; keepalive 64; keepalive_requests 10000000; }
  split_clients "$request_id" $side { 10% green; * blue; }
  server {
    listen `+addr+`;
    location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://$side; }
  }
}
`)
		return []string{"-p", dir, "-c", filepath.Join(dir, "nginx.conf")}
	})
}

// startProxy runs a program until the benchmark ends, and waits until it answers. configure writes what it reads and gives its
// arguments. It gives "" where the program is not installed.
func startProxy(b *testing.B, name string, configure func(dir, addr string) []string) (addr string) {
	b.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		b.Logf("%s is not installed, and not compared", name)
		return ""
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr = l.Addr().String()
	l.Close()
	ctx, stop := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, program, configure(reachableDir(b), addr)...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 5 * time.Second
	var said bytes.Buffer // read after the end only
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // it is told to end
	}()
	b.Cleanup(func() {
		stop()
		<-ended
	})
	for tries := 0; ; tries++ {
		r, err := http.Get("http://" + addr + "/")
		if err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body.Close()
			return addr
		}
		select {
		case <-ended:
			b.Fatalf("%s ended: %s", name, said.String())
		case <-time.After(20 * time.Millisecond):
		}
		if tries > 500 {
			b.Fatalf("%s does not answer: %v", name, err)
		}
	}
}
