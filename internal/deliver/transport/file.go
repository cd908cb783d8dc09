package transport

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
)

// File writes messages to a file, in a demonstration: nobody gets any.
type File struct {
	o  Options
	mu sync.Mutex
}

// NewFile returns a File.
func NewFile(o Options) *File { return &File{o: o} }

// Again implements [Transport].
func (f *File) Again() bool { return false }

// Send adds the message to the file.
func (f *File) Send(_ context.Context, m Message) (Sent, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out, err := os.OpenFile(f.o.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return Sent{}, &Error{Class: Down, Code: "no-file"}
	}
	_, err = fmt.Fprintf(out, "%s to %s\n%s\n\n", f.o.Now().Format("2006-01-02 15:04:05"), m.To, strings.TrimSpace(m.Text))
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return Sent{}, &Error{Class: Down, Code: "no-file"}
	}
	return Sent{ProviderID: m.Ref, Final: true}, nil
}
