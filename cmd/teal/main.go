// Command teal releases serverless applications blue/green, on AWS and on an AWS-compatible platform of its own.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/tealdeploy/teal/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
