package platform

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// fromForeignPage reports whether a browser sent r on behalf of a page that does not come from this machine. Any
// credentials are taken on loopback, so without this check every web page that a developer opens could call the API.
// AWS's clients send neither header.
func fromForeignPage(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin":
			// A name that an attacker's DNS points at loopback is same-origin to its own page.
			return r.Header.Get("Sec-Fetch-Site") != "" && !local(r.Host)
		}
		return true
	}
	u, err := url.Parse(origin)
	return err != nil || !local(u.Host)
}

// local reports whether host, with or without a port, names this machine.
func local(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
