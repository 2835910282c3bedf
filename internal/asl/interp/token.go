package interp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
)

// token makes the token of the task that the next command asks for.
func (x *stepper) token() string {
	return makeToken(x.s.Options.TokenKey, x.s.Options.ExecutionARN, x.s.LastCommand+1)
}

// A token is the base64 text of the command's ID, the execution's ARN and a code over both, with spaces between.
func makeToken(key, execution string, command int64) string {
	body := strconv.FormatInt(command, 10) + " " + execution
	return base64.StdEncoding.EncodeToString([]byte(tokenCode(key, body) + " " + body))
}

func tokenCode(key, body string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(body))
	return base64.RawStdEncoding.EncodeToString(h.Sum(nil))
}

// ParseToken reads a task token that an execution with this StartOptions.TokenKey has made: the ARN of the execution and
// the ID of its command. It is not ok when the token was made by nobody or with another key. Whether the command is still
// open, Step tells with ErrStale.
func ParseToken(key, token string) (execution string, command int64, ok bool) {
	text, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return "", 0, false
	}
	code, body, found := strings.Cut(string(text), " ")
	if !found || !hmac.Equal([]byte(code), []byte(tokenCode(key, body))) {
		return "", 0, false
	}
	id, execution, found := strings.Cut(body, " ")
	command, err = strconv.ParseInt(id, 10, 64)
	return execution, command, found && err == nil
}
