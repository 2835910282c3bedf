package codedeploy

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// Limits of CodeDeploy. https://docs.aws.amazon.com/codedeploy/latest/userguide/limits.html
const (
	maxName         = 100
	maxApplications = 1000
	maxGroups       = 1000 // of an application
	maxConfigs      = 50
	maxAlarms       = 10
	maxAlarmName    = 255
	maxTriggers     = 10
	maxBatch        = 100  // applications and groups
	maxDetailBatch  = 25   // deployments, targets and revisions
	maxDescription  = 4096 // AWS gives no figure
	maxTags         = 50
	maxContent      = 256 << 10 // bytes of an AppSpec file; AWS gives no figure
	maxShiftMinutes = 2880      // between the first and the last shift
	pageLength      = 100
)

var (
	nameForm       = regexp.MustCompile(`^[A-Za-z0-9._+=,@ -]+$`)
	deploymentForm = regexp.MustCompile(`^d-[A-Z0-9]{9}$`)
	roleForm       = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/.+$`)
)

func compare(a, b string) int { return cmp.Compare(a, b) }

func validName(name string) bool { return len(name) <= maxName && nameForm.MatchString(name) }

// newDeploymentID gives an ID such as d-9VK4UT3XA.
func newDeploymentID() string { return "d-" + rand.Text()[:9] }

func (s *Service) applicationARN(name string) string { return s.arnPrefix + "application:" + name }

func (s *Service) groupARN(application, name string) string {
	return s.arnPrefix + "deploymentgroup:" + application + "/" + name
}

// page gives the part of a list that a token asks for, and the token of the next part. A token is a position: what is
// made or deleted meanwhile can shift the rest.
func page[T any](items []T, token *string, size int) (part []T, next *string, err error) {
	at := 0
	if token != nil {
		at, err = strconv.Atoi(*token)
		if err != nil || at < 0 || at > len(items) {
			return nil, nil, &types.InvalidNextTokenException{Message: text("The next token %q is not one that this service gave", *token)}
		}
	}
	end := min(at+size, len(items))
	if end < len(items) {
		next = aws.String(strconv.Itoa(end))
	}
	return items[at:end], next, nil
}

// text formats an exception's message.
func text(format string, args ...any) *string { return aws.String(fmt.Sprintf(format, args...)) }

// given is a pointer to a text, nil for none.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// tagsOf reads tags of a request.
func tagsOf(tags []types.Tag) (map[string]string, error) {
	m := map[string]string{}
	for _, t := range tags {
		key, value := aws.ToString(t.Key), aws.ToString(t.Value)
		_, twice := m[key]
		switch {
		case key == "" || len(key) > 128 || len(value) > 256 || strings.HasPrefix(key, "aws:"):
			return nil, &types.InvalidTagsToAddException{Message: text("The tag %q is not valid: a key has 1 to 128 characters and does not begin with aws:, a value has at most 256", key)}
		case twice:
			return nil, &types.InvalidTagsToAddException{Message: text("The tag key %q is given twice", key)}
		}
		m[key] = value
	}
	if len(m) > maxTags {
		return nil, &types.InvalidTagsToAddException{Message: text("A resource has at most %d tags", maxTags)}
	}
	return m, nil
}

func tagList(tags map[string]string) []types.Tag {
	list := []types.Tag{}
	for k, v := range tags {
		list = append(list, types.Tag{Key: &k, Value: &v})
	}
	slices.SortFunc(list, func(a, b types.Tag) int { return compare(*a.Key, *b.Key) })
	return list
}
