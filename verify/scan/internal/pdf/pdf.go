// Package pdf makes images of what a PDF file draws, as far as a QR code can
// be drawn: its embedded images, and its pages with filled shapes and images
// but without text. It reads ISO 32000-1 files with classic cross-reference
// tables or cross-reference and object streams, and damaged ones by searching
// for objects. Only what a page draws is followed: attached files, scripts and
// forms are never looked at. Encrypted files are refused.
//
// A file can be hostile: everything is bounded.
package pdf

import (
	"context"
	"errors"
	"image"
)

// The errors of [Images].
var (
	ErrDamaged   = errors.New("damaged PDF file")
	ErrEncrypted = errors.New("encrypted PDF file")
	ErrLimit     = errors.New("PDF file beyond the bounds")
)

// The bounds.
const (
	maxObjects  = 50_000   // parsed or listed
	maxStreams  = 4_000    // decoded
	maxInflated = 64 << 20 // bytes of all decoded streams together
	maxDepth    = 32       // of nested arrays and dictionaries, of page tree, of forms
	maxPages    = 50
	maxOps      = 2_000_000 // operators of all pages together
	maxPixels   = 40 << 20  // of one image
	maxPainted  = 512 << 20 // pixels looked at while painting
)

// Images calls emit with each image that data's pages draw, in its own
// resolution, and then with each page that draws shapes or joins several
// images, at most 300 pixels an inch. Colours become shades of grey. It stops
// with the error of emit or of ctx.
func Images(ctx context.Context, data []byte, emit func(*image.Gray) error) error {
	f, err := open(ctx, data)
	if err != nil {
		return err
	}
	pages, err := f.pages()
	if err != nil {
		return err
	}
	seen := map[ref]bool{}
	for _, p := range pages {
		if err := ctx.Err(); err != nil {
			return err
		}
		pt := newPainter(f, p, seen, emit)
		if err := pt.page(); err != nil {
			return err
		}
		if err := pt.finish(); err != nil {
			return err
		}
	}
	return nil
}
