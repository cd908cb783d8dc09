package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake/upload"
)

// progressBar shows how far something long is: a bar on a terminal, a line now and
// then elsewhere.
type progressBar struct {
	out  io.Writer
	bar  bool
	said time.Time
}

func (p *progressBar) show(u upload.Info) {
	p.at(u.BytesRead, u.Bytes, u.State != upload.Processing, counts(u))
}

// at shows that n of all are done; what was shown just now is not shown again,
// unless it ended.
func (p *progressBar) at(n, all int64, ended bool, what string) {
	every := 10 * time.Second
	if p.bar {
		every = 100 * time.Millisecond
	}
	at := now()
	if at.Sub(p.said) < every && !ended {
		return
	}
	p.said = at
	percent := int64(100)
	if all > 0 {
		percent = min(100, 100*n/all)
	}
	line := fmt.Sprintf("%3d%%  %s", percent, what)
	if !p.bar {
		fmt.Fprintln(p.out, line)
		return
	}
	const width = 24
	full := int(percent) * width / 100
	fmt.Fprintf(p.out, "\r[%s%s] %s ", strings.Repeat("#", full), strings.Repeat(".", width-full), line)
}

func (p *progressBar) end() {
	if p.bar {
		fmt.Fprintln(p.out)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
