package platform

import "crypto/rand"

// keyring knows the secrets that requests may be signed with: the caller's, when credentials are checked, and those that
// this platform gives its own functions, which are new at every start.
type keyring struct {
	caller    *Credentials
	functions Credentials
}

func newKeyring(caller *Credentials) keyring {
	return keyring{caller: caller, functions: Credentials{AccessKeyID: "ASIATEAL" + rand.Text()[:12], SecretAccessKey: rand.Text()}}
}

// verify gives awsproto's look-up of secrets; nil accepts any credentials.
func (k keyring) verify() func(accessKeyID string) (secret string, ok bool) {
	if k.caller == nil {
		return nil
	}
	return func(id string) (string, bool) {
		switch id {
		case k.caller.AccessKeyID:
			return k.caller.SecretAccessKey, true
		case k.functions.AccessKeyID:
			return k.functions.SecretAccessKey, true
		}
		return "", false
	}
}
