package cli

import (
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tealdeploy/teal/internal/manifest"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/target"
	"github.com/tealdeploy/teal/internal/target/targettest"
)

// TestTargetOnThePlatform: what every endpoint has to do, the embedded platform does.
func TestTargetOnThePlatform(t *testing.T) {
	room, err := os.MkdirTemp("", "teal-room-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(room) })
	if err := os.Chmod(room, 0o711); err != nil { // functions run as users of their own where the tests run as root
		t.Fatal(err)
	}
	s, err := startServer(serverConfig{listen: "127.0.0.1:0", data: filepath.Join(room, "data"), account: "000000000000", log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	open := func(*testing.T) *target.Target {
		return target.New(aws.Config{
			Region: "us-east-1", BaseEndpoint: aws.String(s.URL()), Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
		}, target.Options{})
	}
	targettest.Exercise(t, open)
	t.Run("invocations", func(t *testing.T) {
		targettest.ExerciseInvocations(t, open, released)
	})
}

// released is the scripts' function, which answers with the given text.
func released(t *testing.T, answer string) release.Function {
	t.Helper()
	file, err := testFunction()
	if err != nil {
		t.Fatal(err)
	}
	code, err := manifest.Archive(file, "provided.al2023")
	if err != nil {
		t.Fatal(err)
	}
	architecture := "x86_64"
	if runtime.GOARCH == "arm64" {
		architecture = "arm64"
	}
	sum := sha256.Sum256(code)
	return release.Function{
		Key: "fn", Runtime: "provided.al2023", Handler: "bootstrap", Role: targettest.Role, Architectures: []string{architecture}, Timeout: 10,
		Environment: map[string]string{"ANSWER": strconv.Quote(answer)}, Code: code, CodeSize: int64(len(code)), CodeSHA256: base64.StdEncoding.EncodeToString(sum[:]),
	}
}
