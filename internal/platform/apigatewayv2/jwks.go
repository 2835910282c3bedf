package apigatewayv2

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// keysLast is how long the keys of an issuer are taken from memory, as on AWS.
	keysLast = 2 * time.Hour
	// keysPause is how long a token with an unknown key does not have the keys read again.
	keysPause = 5 * time.Second
	// keysTimeout is how long AWS waits for each of an issuer's answers.
	keysTimeout = 1500 * time.Millisecond
)

// issuerKeys are the public keys of an issuer. Its methods may be called from any goroutine.
type issuerKeys struct {
	mu   sync.Mutex
	set  jose.JSONWebKeySet
	read time.Time // zero until there are any
}

// find gives the keys with an ID at a time; there may be none. They are read when those in memory are old, or when none of them has the ID
// and the last reading was some time ago: an issuer that has changed its keys on this machine need not be waited for.
func (k *issuerKeys) find(id string, now time.Time, read func() (jose.JSONWebKeySet, error)) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found := k.set.Key(id)
	if age := now.Sub(k.read); !k.read.IsZero() && age < keysLast && (len(found) > 0 || age < keysPause) {
		return found, nil
	}
	set, err := read()
	if err != nil {
		return nil, err
	}
	k.set, k.read = set, now
	return k.set.Key(id), nil
}

// readKeys asks an issuer, by its discovery document, for its keys. Only those are kept that signatures are checked with.
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
func (x *exchange) readKeys(issuer string) (set jose.JSONWebKeySet, err error) {
	var about struct {
		Issuer  string `json:"issuer"`
		KeysURI string `json:"jwks_uri"`
	}
	if err := x.ask(strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &about); err != nil {
		return set, err
	}
	if about.KeysURI == "" {
		return set, fmt.Errorf("the discovery document of %s has no jwks_uri", issuer)
	}
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := x.ask(about.KeysURI, &raw); err != nil {
		return set, err
	}
	for _, text := range raw.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(text) == nil && k.IsPublic() && k.Valid() && k.Use != "enc" { // others are for others
			set.Keys = append(set.Keys, k)
		}
	}
	return set, nil
}

// ask reads a JSON document of this machine. The time that it takes is not the integration's.
func (x *exchange) ask(address string, document any) error {
	to, err := url.Parse(address)
	if err != nil {
		return err
	}
	waited := x.Waited
	answer, _, err := x.Forward(x.s.outside, http.MethodGet, to, http.Header{"Accept": {"application/json"}}, nil, keysTimeout)
	x.Waited = waited
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", address, err)
	case answer.Status != http.StatusOK:
		return fmt.Errorf("%s answered %d", address, answer.Status)
	}
	if err := json.Unmarshal(answer.Body, document); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return nil
}
