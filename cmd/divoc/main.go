// Command divoc turns vaccination records into certificates anyone can verify:
// a server, and the tools to issue, verify and keep it by hand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set when the program is built.
var version = "development"

// The exit codes beside those of verify (0 valid, 1 not valid, 2 cannot tell).
const (
	exitFailed = 3  // the command could not do its work
	exitUsage  = 64 // the command line is wrong (sysexits.h, EX_USAGE)
)

// cli is the whole command line.
type cli struct {
	Serve     serveCmd     `cmd:"" help:"Run the server: issue, publish, show and verify certificates."`
	Issue     issueCmd     `cmd:"" help:"Issue certificates from a file of records, without a server."`
	Import    importCmd    `cmd:"" help:"Issue from files of any size, or from a folder of them: CSV or JSON. Wrong rows go to a file of their own."`
	Export    exportCmd    `cmd:"" help:"Write a stored certificate in another format: EU DCC, ICVP, SMART Health Card and others."`
	Verify    verifyCmd    `cmd:"" help:"Say what a certificate is worth: text, image, PDF or credential. Exit 0 valid, 1 not valid, 2 cannot tell."`
	Keys      keysCmd      `cmd:"" help:"Make, list, rotate, retire and import signing keys."`
	Staff     staffCmd     `cmd:"" help:"Invite, list, lock out and bring back those who sign in."`
	Token     tokenCmd     `cmd:"" help:"Make, list and revoke API tokens."`
	Source    sourceCmd    `cmd:"" help:"Connect, test, pause and watch the systems that deliver records."`
	Hold      holdCmd      `cmd:"" help:"List, open and decide the records that wait for a person."`
	Person    personCmd    `cmd:"" help:"Say which people, known under several enrolment codes, are one; find doses certified twice."`
	Case      caseCmd      `cmd:"" help:"List, open and decide what people ask for: corrections, other telephone numbers, guardians, doses given abroad."`
	Withdraw  withdrawCmd  `cmd:"" help:"Revoke, suspend or lift many certificates at once, after somebody else approved it."`
	Message   messageCmd   `cmd:"" help:"See, test and resend messages to people; connect what carries them; campaigns."`
	Trust     trustCmd     `cmd:"" help:"Say whose signatures count beside our own; export it for verifiers without network."`
	Backup    backupCmd    `cmd:"" help:"Write database and sealed keys to a folder, also while a server runs; or check such a backup."`
	Restore   restoreCmd   `cmd:"" help:"Bring a backup back into an empty folder, then reconcile it with what was published since."`
	Fsck      fsckCmd      `cmd:"" help:"Check everything stored: signatures, states, lineage, audit chains."`
	Retention retentionCmd `cmd:"" help:"Say what is kept for how long, what was removed and what is due."`
	Audit     auditCmd     `cmd:"" help:"Publish the heads of the audit; list and close alarms."`
	Version   versionCmd   `cmd:"" help:"Print the program's version."`
}

// streams are where commands read and write; ctx ends on SIGINT and SIGTERM.
type streams struct {
	ctx context.Context
	in  io.Reader
	out io.Writer
	err io.Writer
}

// exitError ends the program with a code and, where there is one, a message.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func main() {
	// Little lives long here and much is garbage at once: collecting it half as often
	// costs some 25 MB and saves a tenth of the processor (docs/performance.md).
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(os.Args[1:], streams{ctx: ctx, in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run parses args, runs the command and returns the exit code.
func run(args []string, s streams) int {
	var c cli
	code := -1
	parser, err := kong.New(&c,
		kong.Name("divoc"),
		kong.Description("Vaccination certificates anyone can verify.\n\nTo look around: divoc serve --profile jamaica --data demo --demo"),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(s.out, s.err),
		kong.Exit(func(n int) { code = n }),
		kong.Bind(s),
	)
	if err != nil {
		fmt.Fprintln(s.err, "divoc:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if code >= 0 { // --help has answered
		return code
	}
	if err != nil {
		fmt.Fprintf(s.err, "divoc: %v\nTry: %s --help\n", err, strings.TrimSpace("divoc "+command(err)))
		return exitUsage
	}
	if err := k.Run(); err != nil {
		if s.ctx.Err() != nil { // whatever it says, that is why
			fmt.Fprintln(s.err, "divoc: stopped before it had finished")
			return exitFailed
		}
		var exit *exitError
		if errors.As(err, &exit) {
			if exit.err != nil {
				fmt.Fprintln(s.err, "divoc:", exit.err)
			}
			return exit.code
		}
		fmt.Fprintln(s.err, "divoc:", err)
		return exitFailed
	}
	return 0
}

// command is the command whose line could not be read.
func command(err error) string {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		return parse.Context.Command()
	}
	return ""
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(s streams) error {
	_, err := fmt.Fprintln(s.out, "divoc", version)
	return err
}
