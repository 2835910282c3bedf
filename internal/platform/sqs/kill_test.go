package sqs

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tealdeploy/teal/internal/store/sqlite"
)

// killDatabase tells a re-executed test binary to be the process that is killed.
const killDatabase = "TEAL_TEST_SQS_KILL_DB"

func TestMain(m *testing.M) {
	if path := os.Getenv(killDatabase); path != "" {
		workForever(path)
	}
	os.Exit(m.Run())
}

// workForever sends messages, receives and deletes them, and says what was acknowledged.
func workForever(path string) {
	db, err := sqlite.Open(path)
	check(err)
	s, err := New(Config{Store: db})
	check(err)
	// Nothing is hidden, so that receives of several, deletions and new receives meet all the time.
	q, err := s.CreateQueue(context.Background(), &sqs.CreateQueueInput{QueueName: aws.String("q"), Attributes: map[string]string{"VisibilityTimeout": "0"}})
	check(err)
	for worker := range 4 {
		go func() {
			for i := 0; ; i++ {
				body := fmt.Sprintf("%d.%d.%d", os.Getpid(), worker, i)
				_, err := s.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: &body})
				check(err)
				fmt.Println("sent", body)
			}
		}()
	}
	for {
		out, err := s.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, MaxNumberOfMessages: 3, WaitTimeSeconds: 20})
		check(err)
		for _, m := range out.Messages {
			fmt.Println("deleting", *m.Body)
			_, err := s.DeleteMessage(context.Background(), &sqs.DeleteMessageInput{QueueUrl: q.QueueUrl, ReceiptHandle: m.ReceiptHandle})
			check(err)
			fmt.Println("deleted", *m.Body)
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
}

func TestKilledQueueLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	state := map[string]string{} // of messages: sent, deleting or deleted
	for range 5 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), killDatabase+"="+path)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		acks := 10 + rand.IntN(150)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			what, body, _ := strings.Cut(lines.Text(), " ")
			if what == "failed" {
				t.Fatal(body)
			}
			if state[body] == "" || what != "sent" { // a receiver may be told before the sender is
				state[body] = what
			}
			if acks--; acks == 0 {
				must(t, cmd.Process.Kill())
			}
		}
		_ = cmd.Wait() // it was killed
	}
	db, err := sqlite.Open(path)
	must(t, err)
	defer db.Close()
	s, err := New(Config{Store: db})
	must(t, err)
	defer s.Close()
	url := s.url(t.Context(), "q")
	found := map[string]bool{}
	for ended := time.Now().Add(time.Minute); time.Now().Before(ended); {
		out, err := s.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
		must(t, err)
		if len(out.Messages) == 0 {
			break
		}
		for _, m := range out.Messages {
			if found[*m.Body] = true; state[*m.Body] == "deleted" {
				t.Errorf("%s was delivered after its deletion", *m.Body)
			}
			_, err := s.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle})
			must(t, err)
		}
	}
	sent := 0
	for body, what := range state {
		if what == "sent" {
			if sent++; !found[body] {
				t.Errorf("%s was acknowledged and is lost", body)
			}
		}
	}
	if sent == 0 || len(state) == sent {
		t.Errorf("the test saw %d messages left of %d: it proves nothing", sent, len(state))
	}
}
