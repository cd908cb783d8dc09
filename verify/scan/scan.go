package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/scan/internal/pdf"
)

// The bounds of what is read.
const (
	// MaxFile is the largest file looked at, in bytes.
	MaxFile = 20 << 20
	// maxCodes is how many codes of one file are returned.
	maxCodes = 32
	// budget is the longest one file is worked on.
	budget = 15 * time.Second
)

// The errors of [Codes]. Their sentences are for the person who handed the file
// over.
var (
	ErrNoCode      = &vaccination.Error{Code: vaccination.Invalid, Message: "no code could be read in this file: photograph the QR code from close by, in good light, and hand that picture in"}
	ErrTooLarge    = &vaccination.Error{Code: vaccination.Invalid, Message: "the file is too large: photograph the QR code alone, and hand that picture in"}
	ErrLocked      = &vaccination.Error{Code: vaccination.Invalid, Message: "the PDF file is locked: photograph the QR code on its page, and hand that picture in"}
	ErrDamaged     = &vaccination.Error{Code: vaccination.Invalid, Message: "the file is damaged: photograph the QR code, and hand that picture in"}
	ErrUnsupported = &vaccination.Error{Code: vaccination.Invalid, Message: "files of this kind are not read: hand in a PNG or JPEG picture, a PDF file or the text of the code"}
	ErrTooLong     = &vaccination.Error{Code: vaccination.Invalid, Message: "reading the file took too long: photograph the QR code alone, and hand that picture in"}
)

// Codes returns the text of every code found in data, each once, in the order
// found: the codes of a PNG or JPEG image or of a PDF file's pages; or data
// itself, when it is the text of a code, a credential as JSON, or DIVOC's ZIP.
// A text can hold any bytes. When there is none the error is one of this
// package's.
func Codes(ctx context.Context, data []byte) ([]string, error) {
	if len(data) > MaxFile {
		return nil, ErrTooLarge
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	found := &finds{}
	var err error
	switch kind(data) {
	case "pdf":
		err = pdf.Images(ctx, data, func(m *image.Gray) error {
			return codesIn(ctx, m, found)
		})
		err = fromPDF(err)
	case "image":
		var m *image.Gray
		if m, err = decodeImage(data); err == nil {
			err = codesIn(ctx, m, found)
		}
	case "text":
		return texts(data), nil
	case "zip":
		return []string{string(data)}, nil
	default:
		return nil, ErrUnsupported
	}
	switch {
	case len(found.texts) > 0:
		return found.texts, nil
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		return nil, ErrTooLong
	case err != nil:
		return nil, err
	default:
		return nil, ErrNoCode
	}
}

// File reads data as [Codes] does and verifies each code: what the command line
// and the API answer for a file. A file without a readable code gives one
// statement that says what to do.
func File(ctx context.Context, data []byte, o verify.Options) verify.Statements {
	codes, err := Codes(ctx, data)
	if err != nil {
		return verify.Statements{verify.Unread(reason(err), o)}
	}
	return Statements(ctx, codes, o)
}

// Statements verifies each of the codes that [Codes] found.
func Statements(ctx context.Context, codes []string, o verify.Options) verify.Statements {
	codes = together(codes)
	out := make(verify.Statements, 0, len(codes))
	for _, c := range codes {
		out = append(out, verify.Text(ctx, c, o))
	}
	return out
}

// together joins the codes of a card that was printed as several: those that say
// of themselves that they are of as many. All others stay as they are.
func together(codes []string) []string {
	var out []string
	parts := map[int][]string{}
	for _, c := range codes {
		if _, of, ok := shc.Chunk(c); ok && of > 1 {
			if parts[of] == nil {
				out = append(out, "") // the place of the card
			}
			parts[of] = append(parts[of], c)
			continue
		}
		out = append(out, c)
	}
	for _, c := range codes { // in the order of their first codes
		if _, of, ok := shc.Chunk(c); ok && parts[of] != nil {
			if i := slices.Index(out, ""); i >= 0 {
				out[i] = strings.Join(parts[of], "\n")
			}
			delete(parts, of)
		}
	}
	return out
}

func reason(err error) string {
	switch {
	case errors.Is(err, ErrTooLarge):
		return verify.FileTooLarge
	case errors.Is(err, ErrLocked):
		return verify.FileLocked
	case errors.Is(err, ErrUnsupported):
		return verify.FileUnsupported
	case errors.Is(err, ErrTooLong):
		return verify.Interrupted
	default:
		return verify.NoCodeFound
	}
}

// fromPDF turns the errors of the PDF reader into ours.
func fromPDF(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pdf.ErrEncrypted):
		return ErrLocked
	case errors.Is(err, pdf.ErrLimit):
		return ErrTooLarge
	case errors.Is(err, pdf.ErrDamaged):
		return ErrDamaged
	default:
		return err
	}
}

// kind tells files apart by their first bytes.
func kind(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")), bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return "image"
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return "zip"
	// Readers of PDF accept the header within the first kilobyte.
	case bytes.Contains(data[:min(len(data), 1024)], []byte("%PDF-")):
		return "pdf"
	case utf8.Valid(data) && bytes.IndexByte(data, 0) < 0:
		return "text"
	// DIVOC's ZIP as a scanner prints it: UTF-8 of Latin-1, so never invalid
	// UTF-8, but with zero bytes.
	case bytes.HasPrefix(data, []byte("PK")):
		return "zip"
	default:
		return ""
	}
}

// texts splits a text file that holds one HC1: or shc: code a line, as scanners
// write several, and a file of several health cards; every other text is one.
func texts(data []byte) []string {
	if cards, ok := shc.Cards(data); ok && len(cards) <= maxCodes {
		return cards
	}
	// A space can be the last character of a code.
	trim := func(s string) string { return strings.TrimRight(strings.TrimLeft(s, " \t\r\n"), "\t\r\n") }
	all := trim(strings.TrimPrefix(string(data), "\ufeff"))
	var lines []string
	for l := range strings.Lines(all) {
		if l = trim(l); l == "" {
			continue
		}
		if !strings.HasPrefix(l, "HC1:") && !shc.IsCard(l) || len(lines) == maxCodes {
			return []string{all}
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		return []string{all}
	}
	return lines
}

// finds are the texts found so far.
type finds struct{ texts []string }

var errEnough = fmt.Errorf("%d codes found", maxCodes)

func (f *finds) add(text string) error {
	for _, t := range f.texts {
		if t == text {
			return nil
		}
	}
	if len(f.texts) >= maxCodes {
		return errEnough
	}
	f.texts = append(f.texts, text)
	return nil
}
