package manifest

import (
	"regexp"
	"sync"
)

// form is a regular expression that is compiled when it is first used, so that commands without a manifest start sooner.
// It may be used from any number of goroutines.
type form struct{ compiled func() *regexp.Regexp }

func newForm(text string) form {
	return form{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
}

// MatchString reports whether s has the form.
func (f form) MatchString(s string) bool { return f.compiled().MatchString(s) }
