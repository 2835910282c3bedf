package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// confirm asks on a terminal. Elsewhere nobody can answer, so a flag must have.
func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	in, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || !terminal(a.Err) {
		return &Error{Code: ExitUsage, Err: errors.New("nothing was changed: this is no terminal to ask on"), Hint: "add --yes to do it"}
	}
	fmt.Fprintf(a.Err, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); err != nil || answer != "y" && answer != "yes" {
		return &Error{Code: ExitFailed, Err: errors.New("nothing was changed")}
	}
	return nil
}
