package executeapi

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

const (
	// Infix stands between an API's ID and the rest of the host name.
	Infix = ".execute-api."
	// PathPrefix is where APIs answer by path.
	PathPrefix = "/_aws/execute-api/"
	// restPrefix and userRequest are LocalStack's path of a REST API: /restapis/{id}/{stage}/_user_request_/… .
	restPrefix  = "/restapis/"
	userRequest = "_user_request_"
)

// Address takes the API's ID out of a request's host name or path. path is what remains of the path as the client wrote
// it, beginning with a slash. ok is false when r is no request of the data plane.
func Address(r *http.Request) (id, path string, byHost, ok bool) {
	path = RequestPath(r)
	if id, byHost = HostAPI(r.Host); byHost {
		if path == "" {
			path = "/"
		}
		return id, path, true, path[0] == '/'
	}
	if rest, found := strings.CutPrefix(path, PathPrefix); found {
		id, path, _ = strings.Cut(rest, "/")
		return id, "/" + path, false, true
	}
	if rest, found := strings.CutPrefix(path, restPrefix); found {
		id, rest, _ := strings.Cut(rest, "/")
		stage, rest, _ := strings.Cut(rest, "/")
		if marker, tail, _ := strings.Cut(rest, "/"); marker == userRequest {
			return id, "/" + stage + "/" + tail, false, true
		}
	}
	return "", "", false, false
}

// HostAPI takes the API's ID out of a host name.
func HostAPI(host string) (string, bool) {
	id, rest, ok := strings.Cut(host, ".")
	if !ok || id == "" || len(rest) < len(Infix)-1 || !strings.EqualFold(rest[:len(Infix)-1], Infix[1:]) {
		return "", false
	}
	return strings.ToLower(id), true
}

// RequestPath is the path as the client wrote it, or its decoded form where both mean the same.
func RequestPath(r *http.Request) string {
	if r.URL.RawPath != "" {
		return r.URL.RawPath
	}
	return r.URL.Path
}

// SplitHost takes host:port apart; the port may be missing.
func SplitHost(hostport string) (host, port string) {
	if i := strings.LastIndexByte(hostport, ':'); i >= 0 && strings.IndexByte(hostport[i:], ']') < 0 {
		return hostport[:i], hostport[i+1:]
	}
	return hostport, ""
}

// PrefixOf is the first label of a host name.
func PrefixOf(domain string) string {
	prefix, _, _ := strings.Cut(domain, ".")
	return prefix
}

// SplitPath appends the segments of path, which begins with a slash. When encoded is set the segments are decoded one
// by one, so that %2F separates nothing; it reports false for a bad escape.
func SplitPath(segments []string, path string, encoded bool) ([]string, bool) {
	path = path[1:]
	if path == "" {
		return segments, true
	}
	for {
		part, rest, more := strings.Cut(path, "/")
		if encoded && strings.IndexByte(part, '%') >= 0 {
			decoded, err := url.PathUnescape(part)
			if err != nil {
				return segments, false
			}
			part = decoded
		}
		segments = append(segments, part)
		if !more {
			return segments, true
		}
		path = rest
	}
}

// EndpointName gives the name below which APIs get theirs: an address becomes localhost, with the same port.
func EndpointName(hostport string) string {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = hostport, ""
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		host = "localhost"
	}
	if port == "" {
		return host
	}
	return host + ":" + port
}
