package trace

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/clock"
)

// Config says where spans go. The zero value, and any without an Endpoint, is tracing switched off.
type Config struct {
	Endpoint string            // URL to which spans are posted, with its path
	Headers  map[string]string // of every post, such as a collector's key
	Timeout  time.Duration     // of a post; 10 seconds when zero
	Service  string            // service.name; teal when empty
	Resource map[string]string // further attributes of the resource
	// Drop is the share of the traces that begin here which are not kept, between 0 and 1.
	Drop   float64
	Clock  clock.Clock  // clock.System when nil: the time of spans, not of sending
	Logger *slog.Logger // discards when nil
}

// FromEnvironment reads OpenTelemetry's variables: OTEL_EXPORTER_OTLP_ENDPOINT, _TRACES_ENDPOINT, _HEADERS, _TRACES_HEADERS,
// _PROTOCOL, _TIMEOUT, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER with its _ARG, OTEL_TRACES_EXPORTER and
// OTEL_SDK_DISABLED. Without an endpoint the result is the zero value. An error names the variable that cannot be heeded.
//
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/
func FromEnvironment(get func(name string) string) (Config, error) {
	var c Config
	exporter := get("OTEL_TRACES_EXPORTER")
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") || exporter == "none" {
		return c, nil
	}
	const traces, all = "OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"
	if c.Endpoint = get(traces + "ENDPOINT"); c.Endpoint == "" {
		base := get(all + "ENDPOINT")
		if base == "" {
			return c, nil
		}
		c.Endpoint = strings.TrimSuffix(base, "/") + "/v1/traces"
	}
	if exporter != "" && exporter != "otlp" {
		return Config{}, fmt.Errorf("OTEL_TRACES_EXPORTER=%s is not served: it is otlp or none", exporter)
	}
	switch p := cmp.Or(get(traces+"PROTOCOL"), get(all+"PROTOCOL")); p {
	case "", "http/json", "http/protobuf": // a collector takes both at the same address
	default:
		return Config{}, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%s is not served: set http/json, and an endpoint that speaks HTTP, usually at port 4318", p)
	}
	var err error
	if c.Headers, err = pairs(cmp.Or(get(traces+"HEADERS"), get(all+"HEADERS"))); err != nil {
		return Config{}, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS: %w", err)
	}
	if c.Resource, err = pairs(get("OTEL_RESOURCE_ATTRIBUTES")); err != nil {
		return Config{}, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	c.Service = get("OTEL_SERVICE_NAME")
	if v := cmp.Or(get(traces+"TIMEOUT"), get(all+"TIMEOUT")); v != "" {
		ms, err := strconv.Atoi(v)
		if err != nil || ms <= 0 {
			return Config{}, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT=%s is no number of milliseconds", v)
		}
		c.Timeout = time.Duration(ms) * time.Millisecond
	}
	if c.Drop, err = drop(get("OTEL_TRACES_SAMPLER"), get("OTEL_TRACES_SAMPLER_ARG")); err != nil {
		return Config{}, err
	}
	return c, c.fill()
}

// drop reads the sampler. Whoever is called heeds what its caller has decided, so that all but the parent-based ones are
// refused where they would differ.
func drop(sampler, arg string) (float64, error) {
	switch sampler {
	case "", "parentbased_always_on", "parentbased_traceidratio":
	case "parentbased_always_off":
		return 1, nil
	default:
		return 0, fmt.Errorf("OTEL_TRACES_SAMPLER=%s is not served: it is parentbased_always_on, parentbased_always_off or parentbased_traceidratio", sampler)
	}
	if arg == "" || sampler == "parentbased_always_on" {
		return 0, nil
	}
	ratio, err := strconv.ParseFloat(arg, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		return 0, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG=%s is no share between 0 and 1", arg)
	}
	return 1 - ratio, nil
}

// pairs reads name=value,name=value with values that are percent-encoded. An error names no value: it may be a secret.
func pairs(list string) (map[string]string, error) {
	m := map[string]string{}
	for i, pair := range strings.Split(list, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || name == "" || err != nil || strings.ContainsAny(name+value, "\r\n\x00") {
			return nil, fmt.Errorf("entry %d is not name=value", i+1)
		}
		m[name] = value
	}
	return m, nil
}

// fill sets defaults, and checks.
func (c *Config) fill() error {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("the endpoint for traces %q is no URL such as http://127.0.0.1:4318", c.Endpoint)
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	c.Service = cmp.Or(c.Service, c.Resource["service.name"], "teal")
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// sampled decides by the lower half of a trace's ID, as OpenTelemetry's ratio sampler does.
func (c *Config) sampled(id uint64) bool {
	return c.Drop <= 0 || float64(id>>1) < (1-c.Drop)*math.MaxInt64
}
