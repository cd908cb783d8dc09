package upload

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/vaccination"
)

// record is one row or item of a file, or one of the doses that it holds.
type record struct {
	event  vaccination.Event
	faults []vaccination.Fault // found while reading, in the terms of the file
	broken bool                // event says nothing
	none   bool                // it holds no dose
	cells  []string            // of a CSV
	item   json.RawMessage     // of JSON
	row    int64               // of the file, from 1
	slot   string              // which of the row's doses it is, "" where it is the row
	// column is what the file calls a field of an event; nil where it is called
	// the same.
	column func(path string) string
}

// inFile returns faults of the event in the terms of the file, without those of
// what has one already that was found while reading.
func (r record) inFile(faults []vaccination.Fault) []vaccination.Fault {
	out := slices.Clone(r.faults)
	for _, f := range faults {
		if r.column != nil {
			f.Path = r.column(f.Path)
		}
		if !slices.ContainsFunc(r.faults, func(b vaccination.Fault) bool { return b.Path == f.Path && f.Path != "" }) {
			out = append(out, f)
		}
	}
	return out
}

// raw is what is kept of a record that is wrong.
func (r record) raw() ([]byte, error) {
	if r.item != nil {
		return r.item, nil
	}
	return json.Marshal(r.cells)
}

// reader reads a file row by row, or item by item, and returns the records of one,
// of which there is at least one. The error is io.EOF after the last, and a
// [vaccination.Error] when the rest cannot be read.
type reader interface {
	skip(n int64) error
	next() ([]record, error)
}

// open begins to read a stored file.
func (s *Service) open(ctx context.Context, u Info, file io.Reader) (reader, error) {
	if u.Mapping > 0 {
		m, err := s.mapping(ctx, u.Source, int32(u.Mapping))
		if err != nil {
			return nil, err
		}
		by := newMapped(m, u.Source, u.order)
		if u.Format == JSON {
			return newMappedItems(by, file), nil
		}
		return newMappedTable(by, file, u.Encoding)
	}
	if u.Format == JSON {
		return plainItems{newItems(file)}, nil
	}
	r, err := csv.NewReader(file, csv.Options{Encoding: u.Encoding, Dates: u.order, Zone: s.Zone})
	if err != nil {
		return nil, err
	}
	return table{r}, nil
}

// table reads a CSV.
type table struct{ r *csv.Reader }

func (t table) skip(n int64) error { return t.r.Skip(int(n)) }

func (t table) next() ([]record, error) {
	row, err := t.r.Read()
	return []record{{event: row.Event, faults: row.Faults, broken: row.Broken, cells: row.Cells, column: csv.Column}}, err
}

// maxItem bounds one event in bytes.
const maxItem = 256 << 10

// items reads a JSON array of events, or events one after another.
type items struct {
	r     *bounded
	dec   *json.Decoder
	begun bool
	array bool
	count int64
}

// bounded hands out so many bytes and no more until it is allowed more: the
// decoder holds a whole item in memory.
type bounded struct {
	r    *bufio.Reader
	left int
}

var errTooBig = errors.New("upload: an item is too big")

// Read reads at most what is left.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errTooBig
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func newItems(file io.Reader) *items {
	b := &bounded{r: bufio.NewReader(file)}
	return &items{r: b, dec: json.NewDecoder(b)}
}

// begin passes over a byte order mark and the bracket of an array.
func (it *items) begin() error {
	it.begun = true
	head, err := it.r.r.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		_, _ = it.r.r.Discard(3) // it is there
	}
	for {
		c, err := it.r.r.ReadByte()
		if err != nil {
			return err
		}
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		if err := it.r.r.UnreadByte(); err != nil {
			return err
		}
		it.array = c == '['
		break
	}
	it.r.left = maxItem
	if it.array {
		_, err := it.dec.Token()
		return err
	}
	return nil
}

func (it *items) raw() (json.RawMessage, error) {
	if !it.begun {
		if err := it.begin(); err != nil {
			return nil, it.broken(err)
		}
	}
	it.r.left = maxItem
	if it.array && !it.dec.More() {
		if _, err := it.dec.Token(); err != nil {
			return nil, it.broken(err)
		}
		it.array = false // what follows the array is more of the same, or an error
		it.r.left = maxItem
	}
	var item json.RawMessage
	if err := it.dec.Decode(&item); err != nil {
		return nil, it.broken(err)
	}
	it.count++
	return item, nil
}

// broken is err as the sender of the file may see it, if it is about the file.
func (it *items) broken(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, errTooBig):
		return vaccination.Errorf(vaccination.Invalid, "the event after the first %d is larger than %d kB; it and what follows was not read", it.count, maxItem>>10)
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF) && it.array:
		return vaccination.Errorf(vaccination.Invalid, "the file stops being JSON after the first %d events; what follows was not read", it.count)
	}
	return err
}

func (it *items) skip(n int64) error {
	for range n {
		if _, err := it.raw(); err != nil {
			return err
		}
	}
	return nil
}

// plainItems are events of ours.
type plainItems struct{ *items }

func (it plainItems) next() ([]record, error) {
	item, err := it.raw()
	if err != nil {
		return nil, err
	}
	r := record{item: item}
	dec := json.NewDecoder(bytes.NewReader(item))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r.event); err != nil {
		r.broken, r.faults = true, []vaccination.Fault{typeFault(err)}
	} else if string(item) == "null" {
		r.broken, r.faults = true, []vaccination.Fault{{Code: vaccination.FaultFormat, Message: "an event is expected where there is null"}}
	}
	return []record{r}, nil
}

// typeFault says what is wrong with the form of an event. The JSON package
// names members; what it says of values is left out.
func typeFault(err error) vaccination.Fault {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return vaccination.Fault{Path: wrong.Field, Code: vaccination.FaultFormat, Message: "this has the wrong type"}
	}
	var moment *time.ParseError // which repeats it
	if errors.As(err, &moment) {
		return vaccination.Fault{Code: vaccination.FaultFormat, Message: "a time is written as 2021-11-30T09:05:00Z, with its zone"}
	}
	message := "this is not an event: " + err.Error()
	if len(message) > 200 { // the name of a member can be of any length
		message = "this is not an event: it has a member that events do not have"
	}
	return vaccination.Fault{Code: vaccination.FaultFormat, Message: message}
}
