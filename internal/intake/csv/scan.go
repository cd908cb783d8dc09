package csv

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// maxRecord bounds one row in bytes. Real ones have a few hundred.
const maxRecord = 64 << 10

// scanner cuts text into rows of cells (RFC 4180). Beyond the RFC it takes lone
// CR and LF as line ends, and quotation marks inside a cell that did not begin
// with one as they are. A quotation mark that is never closed costs its own
// line and not the rest of the file.
type scanner struct {
	r     *bufio.Reader
	comma byte
	line  int // of the file, at which the next row begins, from 1

	text []byte // of all cells of a row
	ends []int  // where each ends
}

func newScanner(r io.Reader) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, 2*maxRecord), comma: ',', line: 1}
}

// record is a row as it stands in the file.
type record struct {
	line  int
	cells []string
	fault string // what is wrong with its form, "" when nothing is
}

// The faults of form.
const (
	openQuote = "quote"   // a quotation mark that is not closed, or has text behind it
	tooLong   = "too-big" // more than maxRecord
	ragged    = "columns" // not as many cells as columns
)

// next returns the next row that is not empty; io.EOF after the last. A row of
// another width than asked for (0 for any) is at fault, and when it spans lines,
// so that a lost quotation mark may have joined what are rows, it gives back all
// but the first.
func (s *scanner) next(width int) (record, error) {
	for {
		rec := record{line: s.line}
		buf, n, fault, err := s.find()
		if err != nil {
			return rec, err
		}
		if fault == "" {
			rec.cells = s.cells()
			if width > 0 && len(rec.cells) != width {
				fault = ragged
			} else if width > 1 && s.joined(rec.cells, width) {
				fault = openQuote
			}
			if lines(buf[:n]) <= 1 || fault == "" {
				s.skip(buf[:n])
				if blank(rec.cells) {
					continue
				}
				rec.fault = fault
				return rec, nil
			}
		}
		rec.fault = fault
		line, err := s.peekLine()
		if err != nil {
			return rec, err
		}
		rec.cells = strings.Split(strings.TrimRight(string(line), "\r\n"), string(s.comma))
		s.skip(line)
		if len(line) == maxRecord && !endsLine(line) {
			rec.fault = tooLong
			err = s.skipLine()
		}
		return rec, err
	}
}

// peekLine returns the next line with its end, or as much of it as a row may
// have.
func (s *scanner) peekLine() ([]byte, error) {
	for {
		buf, _ := s.r.Peek(min(s.r.Buffered(), maxRecord)) // it is there
		line := firstLine(buf)
		if endsLine(line) || len(line) == maxRecord {
			return line, nil
		}
		if _, err := s.r.Peek(len(buf) + 1); errors.Is(err, io.EOF) {
			return line, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// find returns what is buffered and the length of the row at its beginning.
func (s *scanner) find() (buf []byte, n int, fault string, err error) {
	if _, err := s.r.Peek(1); err != nil {
		return nil, 0, "", err
	}
	for {
		buf, _ = s.r.Peek(min(s.r.Buffered(), maxRecord)) // it is there
		n, fault = s.split(buf, false)
		if n > 0 || fault != "" {
			return buf, n, fault, nil
		}
		if len(buf) == maxRecord {
			return buf, 0, openQuote, nil
		}
		if _, err := s.r.Peek(len(buf) + 1); errors.Is(err, io.EOF) {
			n, fault = s.split(buf, true)
			return buf, n, fault, nil
		} else if err != nil {
			return nil, 0, "", err
		}
	}
}

// split finds the row at the beginning of buf. n is 0 when buf does not hold
// all of it; last says that nothing comes after buf.
func (s *scanner) split(buf []byte, last bool) (n int, fault string) {
	s.text, s.ends = s.text[:0], s.ends[:0]
	for i := 0; ; {
		if i < len(buf) && buf[i] == '"' {
			end := s.quoted(buf[i+1:])
			if end < 0 {
				if last {
					return 0, openQuote
				}
				return 0, ""
			}
			i += 1 + end
			if i == len(buf) && !last {
				return 0, "" // perhaps the mark is the first of two
			}
		} else {
			from := i
			for i < len(buf) && buf[i] != s.comma && buf[i] != '\n' && buf[i] != '\r' {
				i++
			}
			s.text = append(s.text, buf[from:i]...)
		}
		s.ends = append(s.ends, len(s.text))
		switch {
		case i == len(buf):
			if last {
				return i, ""
			}
			return 0, ""
		case buf[i] == s.comma:
			i++
		case buf[i] == '\n':
			return i + 1, ""
		case buf[i] == '\r' && i+1 == len(buf) && !last:
			return 0, ""
		case buf[i] == '\r' && i+1 < len(buf) && buf[i+1] == '\n':
			return i + 2, ""
		case buf[i] == '\r':
			return i + 1, ""
		default:
			return 0, openQuote
		}
	}
}

// quoted adds a quoted cell to the row and returns the length of it behind its
// first mark, -1 when it does not end in buf.
func (s *scanner) quoted(buf []byte) int {
	for i := 0; ; {
		j := bytes.IndexByte(buf[i:], '"')
		if j < 0 {
			return -1
		}
		s.text = append(s.text, buf[i:i+j]...)
		i += j + 1
		if i == len(buf) || buf[i] != '"' {
			return i
		}
		s.text = append(s.text, '"')
		i++
	}
}

// joined reports whether a cell looks like the end of one row and the beginning
// of another: two lost quotation marks in one column make a whole row of two.
func (s *scanner) joined(cells []string, width int) bool {
	for _, c := range cells {
		if strings.ContainsAny(c, "\r\n") && strings.Count(c, string(s.comma)) >= width-1 {
			return true
		}
	}
	return false
}

func (s *scanner) cells() []string {
	all, from := string(s.text), 0
	cells := make([]string, len(s.ends))
	for i, end := range s.ends {
		cells[i] = all[from:end]
		from = end
	}
	return cells
}

// skip passes over what the buffer begins with.
func (s *scanner) skip(p []byte) {
	s.line += lines(p)
	_, _ = s.r.Discard(len(p)) // it is there
}

// skipLine passes over a line longer than any row may be.
func (s *scanner) skipLine() error {
	for {
		if _, err := s.r.Peek(1); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		buf, _ := s.r.Peek(s.r.Buffered()) // it is there
		line := firstLine(buf)
		ended := endsLine(line)
		s.skip(line)
		if ended {
			return nil
		}
	}
}

// firstLine is the first line of buf with its end, all of buf when it has none.
func firstLine(buf []byte) []byte {
	i := bytes.IndexAny(buf, "\r\n")
	switch {
	case i < 0:
		return buf
	case buf[i] == '\r' && i+1 < len(buf) && buf[i+1] == '\n':
		return buf[:i+2]
	}
	return buf[:i+1]
}

func endsLine(p []byte) bool {
	return len(p) > 0 && (p[len(p)-1] == '\n' || p[len(p)-1] == '\r')
}

// lines counts line ends.
func lines(p []byte) int {
	return bytes.Count(p, []byte("\n")) + bytes.Count(p, []byte("\r")) - bytes.Count(p, []byte("\r\n"))
}

// blank reports whether nothing stands in a row: spreadsheets write such rows
// after the last.
func blank(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}
