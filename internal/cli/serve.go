package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/front"
	"github.com/tealdeploy/teal/internal/headstart"
	"github.com/tealdeploy/teal/internal/platform"
	"github.com/tealdeploy/teal/internal/trace"
)

// defaultListen is where AWS tools expect a local cloud.
const defaultListen = "127.0.0.1:4566"

func (a *app) serveCommand() *cobra.Command {
	var listen, data, account, dns string
	var check, verbose bool
	var rate float64
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the embedded AWS-compatible platform",
		Long: `Run the embedded AWS-compatible platform: Lambda with real processes, Step Functions, HTTP APIs, S3,
CodeDeploy, Route 53, CloudWatch, STS.

It answers as soon as it has printed that it is ready, and stops cleanly on SIGTERM or Ctrl-C. Everything that it has
acknowledged is in the data folder and survives kill -9; what was running goes on at the next start.

On loopback it takes any credentials. With --check-credentials it takes only those in its own environment,
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; off loopback this is required.

With --clock-rate 60 whatever the platform waits for (workflows, alarms, retries) comes sixty times as soon: a rehearsal of
half an hour takes half a minute. Functions keep the machine's time. Every answer says so, in X-Teal-Clock-Rate, and teal
deploy goes by the platform's time.`,
		Example: `  teal serve
  teal serve --listen 127.0.0.1:0 --data /tmp/teal
  teal serve --clock-rate 60
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 aws lambda list-functions`,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := startServer(serverConfig{listen: listen, data: data, dns: dns, account: account, region: a.region, check: check, rate: rate, log: a.logger(verbose)})
			if err != nil {
				return err
			}
			if err := a.ready(s, data); err != nil {
				return errors.Join(err, s.Close())
			}
			headstart.Over()
			select {
			case <-c.Context().Done():
				a.progress("stopping")
				return s.Close()
			case err := <-s.failed:
				return errors.Join(err, s.Close())
			}
		},
	}
	c.Flags().StringVar(&listen, "listen", defaultListen, "address to listen on; port 0 takes a free one")
	c.Flags().StringVar(&data, "data", defaultData(), "folder in which everything is kept")
	c.Flags().StringVar(&account, "account", "000000000000", "the AWS account that the platform plays, twelve digits")
	c.Flags().StringVar(&dns, "dns", "", "loopback address at which the DNS of hosted zones is answered, such as 127.0.0.1:5300; none by default")
	c.Flags().BoolVar(&check, "check-credentials", false, "accept only the credentials in this command's own environment")
	c.Flags().Float64Var(&rate, "clock-rate", 1, "how many times as fast as the machine's the platform's time runs")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "log every service's doings to standard error")
	return c
}

// ready says that the platform answers, and what time it goes by when that is not the machine's.
func (a *app) ready(s *server, data string) error {
	now, rate, machines := s.platform.Time()
	if a.json() {
		line := map[string]any{"status": "ready", "endpoint": s.URL(), "data": data}
		if !machines {
			line["clockRate"], line["clock"] = rate, now.UTC().Format(time.RFC3339)
		}
		if at := s.platform.DNS(); at != "" {
			line["dns"] = at
		}
		return a.printJSON(line)
	}
	fmt.Fprintf(a.Out, "teal is ready at %s (data in %s)\n", s.URL(), data)
	if !machines {
		fmt.Fprintf(a.Out, "%s\n", rehearsal(rate, now))
	}
	if at := s.platform.DNS(); at != "" {
		fmt.Fprintf(a.Out, "hosted zones are answered for at %s\n", at)
	}
	return nil
}

// defaultData is where a person's platform keeps its data: $XDG_DATA_HOME/teal or ~/.local/share/teal.
func defaultData() string {
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "teal")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "share", "teal")
	}
	return ".teal-data"
}

func (a *app) logger(verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: level}))
}

// server is a platform behind a listener.
type server struct {
	platform *platform.Platform
	front    *front.Server
	listener net.Listener
	failed   chan error // the listener's end, unless Close ended it
}

type serverConfig struct {
	listen, data, account, region string
	dns                           string // "" for none
	check                         bool
	rate                          float64 // of platform time; 0 means 1
	log                           *slog.Logger
}

// startServer takes the port first, so that a port in use leaves the data untouched, then opens the platform and serves.
func startServer(cfg serverConfig) (*server, error) {
	host, _, err := net.SplitHostPort(cfg.listen)
	if err != nil {
		return nil, usage("--listen %q is no address; write it as 127.0.0.1:4566", cfg.listen)
	}
	if len(cfg.account) != 12 || !digits(cfg.account) {
		return nil, usage("--account %q is no AWS account; it has twelve digits", cfg.account)
	}
	if cfg.rate != 0 && (cfg.rate < clock.MinRate || cfg.rate > clock.MaxRate) {
		return nil, usage("--clock-rate %g is out of bounds; it is between %g and %g", cfg.rate, clock.MinRate, float64(clock.MaxRate))
	}
	if cfg.rate != 0 && cfg.rate != 1 {
		cfg.log = cfg.log.With("clockRate", cfg.rate)
	}
	if cfg.dns != "" {
		if dnsHost, _, err := net.SplitHostPort(cfg.dns); err != nil || !loopback(dnsHost) {
			return nil, usage("--dns %q is no address on loopback; write it as 127.0.0.1:5300", cfg.dns)
		}
	}
	var credentials *platform.Credentials
	if cfg.check {
		credentials = &platform.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
		if credentials.AccessKeyID == "" || credentials.SecretAccessKey == "" {
			return nil, usage("--check-credentials needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
		}
	} else if !loopback(host) {
		return nil, usage("--listen %s is reachable from other machines: add --check-credentials, or listen on 127.0.0.1", cfg.listen)
	}
	traces, err := trace.FromEnvironment(os.Getenv)
	if err != nil {
		return nil, usage("%v", err)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", cfg.listen)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, hint(fmt.Errorf("%s is in use by another program", cfg.listen), "stop that program, or choose another port: teal serve --listen 127.0.0.1:0 takes a free one")
		}
		return nil, fmt.Errorf("listen on %s: %w", cfg.listen, err)
	}
	p, err := platform.New(platform.Config{DataDir: cfg.data, Address: l.Addr().String(), Account: cfg.account, Region: cfg.region, Logger: cfg.log, Credentials: credentials, ClockRate: cfg.rate, DNS: cfg.dns, Traces: traces})
	if err != nil {
		l.Close()
		return nil, err
	}
	s := &server{platform: p, listener: l, failed: make(chan error, 1), front: &front.Server{Handler: p, Hot: p.Hot, Logger: cfg.log}}
	go func() {
		if err := s.front.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("the listener ended: %w", err)
		}
	}()
	return s, nil
}

// URL is the endpoint's address for clients.
func (s *server) URL() string { return "http://" + s.listener.Addr().String() }

// Close answers what is being asked for up to five seconds, then ends the platform.
func (s *server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.front.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.front.Close()
	}
	return errors.Join(err, s.platform.Close())
}

func digits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}
