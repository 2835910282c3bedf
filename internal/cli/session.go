package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// awsConfig makes the SDK's configuration for the endpoint and region that the flags, the manifest or the environment
// name, in that order. On a loopback endpoint without credentials it signs with stand-ins, as the embedded platform takes any.
func (a *app) awsConfig(ctx context.Context, manifestEndpoint, manifestRegion string) (aws.Config, error) {
	endpoint := first(a.endpoint, manifestEndpoint, os.Getenv("AWS_ENDPOINT_URL"))
	opts := []func(*config.LoadOptions) error{}
	if r := first(a.region, manifestRegion); r != "" {
		opts = append(opts, config.WithRegion(r))
	}
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return aws.Config{}, usage("endpoint %q is no URL; write it as http://127.0.0.1:4566", endpoint)
		}
		opts = append(opts, config.WithBaseEndpoint(strings.TrimSuffix(endpoint, "/")))
		if loopback(u.Hostname()) && os.Getenv("AWS_ACCESS_KEY_ID") == "" && os.Getenv("AWS_PROFILE") == "" {
			opts = append(opts, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("teal", "teal", "")))
		}
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return aws.Config{}, hint(fmt.Errorf("AWS settings: %w", err), "check AWS_PROFILE and ~/.aws/config")
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.BaseEndpoint != nil {
		if cfg.HTTPClient == nil { // each client of the SDK would make one of its own
			cfg.HTTPClient = awshttp.NewBuildableClient()
		}
		cfg.HTTPClient = lacking{cfg.HTTPClient}
	}
	return cfg, nil
}

// connection explains an SDK error that means that nothing answers at the endpoint.
func (a *app) connection(cfg aws.Config, err error) error {
	if !refused(err) {
		return err
	}
	where := "AWS"
	if cfg.BaseEndpoint != nil {
		where = *cfg.BaseEndpoint
	}
	var op *net.OpError
	errors.As(err, &op)
	return hint(fmt.Errorf("nothing answers at %s: %w", where, op), "start the embedded platform with: teal serve")
}

// refused reports whether an error means that no connection came about.
func refused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// reachable reports at once that nothing listens at an endpoint on this machine. The SDK would find out too, but only after
// minutes of repetition, which are right for an endpoint that is away for a moment in the middle of a rollout.
func (a *app) reachable(ctx context.Context, cfg aws.Config) error {
	if cfg.BaseEndpoint == nil {
		return nil
	}
	u, err := url.Parse(*cfg.BaseEndpoint)
	if err != nil || !loopback(u.Hostname()) {
		return nil //nolint:nilerr // elsewhere there may be a proxy in between: the SDK knows it
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // a service's name stands for its port
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return a.connection(cfg, err)
	}
	return conn.Close()
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
