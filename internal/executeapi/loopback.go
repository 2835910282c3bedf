package executeapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// CheckLoopback refuses an address that is no http or https URL of this machine: the platform calls nothing else.
func CheckLoopback(uri string) error {
	u, err := url.Parse(uri)
	if err != nil {
		return fmt.Errorf("%q is no http or https address", uri)
	}
	return checkLoopback(u)
}

// OnThisMachine tells whether CheckLoopback takes an address.
func OnThisMachine(uri string) bool { return CheckLoopback(uri) == nil }

func checkLoopback(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is no http or https address", u)
	}
	if !localName(u.Hostname()) {
		return fmt.Errorf("%s is not on this machine: HTTP integrations with other hosts are not supported by this platform", u.Host)
	}
	return nil
}

func localName(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

var (
	errElsewhere = errors.New("the address is not on this machine")
	errTooLarge  = fmt.Errorf("the backend's answer is larger than %d bytes", MaxPayload)
)

// loopback is a transport that connects to this machine only, whatever a name resolves to, and
// follows no proxy of the environment.
func loopback() http.RoundTripper {
	return &http.Transport{
		MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idleTime, DisableCompression: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			until, _ := ctx.Deadline()
			return dialLoopback(address, until)
		},
	}
}

// dialLoopback connects to this machine, until a time if that is not zero.
func dialLoopback(address string, until time.Time) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !localName(host) {
		return nil, fmt.Errorf("%s: %w", host, errElsewhere)
	}
	if _, err := netip.ParseAddr(host); err != nil {
		host = "127.0.0.1"
	}
	return (&net.Dialer{Timeout: 10 * time.Second, Deadline: until}).Dial("tcp", net.JoinHostPort(host, port))
}
