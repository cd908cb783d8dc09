package scan

import (
	"context"
	"errors"
	"fmt"
	"image"

	"github.com/makiuchi-d/gozxing"
	multiqr "github.com/makiuchi-d/gozxing/multi/qrcode"
	"github.com/makiuchi-d/gozxing/qrcode"
	"golang.org/x/text/encoding"
)

const (
	// eyePixels is the size at which a page with a code is read best and fast.
	eyePixels = 3 << 20
	// wholePixels is the largest image read without making it smaller.
	wholePixels = 12 << 20
	// maxCentres is how many finder patterns one attempt may see. Grouping them
	// takes their third power.
	maxCentres = 100
)

// codesIn adds the codes of one image to found. It looks at the whole image in
// a moderate size and as it is; only while no code of the file is known it tries
// the rest. Finding nothing is not an error.
func codesIn(ctx context.Context, m *image.Gray, found *finds) error {
	pixels := m.Rect.Dx() * m.Rect.Dy()
	try := func(m *image.Gray) error { return readCodes(ctx, m, found) }
	done := func() bool { return len(found.texts) > 0 }

	n := 1
	for pixels/(n*n) > eyePixels {
		n++
	}
	moderate := m
	if n > 1 {
		moderate = shrink(m, n)
		if err := try(moderate); err != nil {
			return err
		}
	}
	if pixels <= wholePixels {
		if err := try(m); err != nil || done() {
			return err
		}
	} else if done() {
		return nil
	}
	if pixels <= eyePixels/4 {
		for _, k := range []int{1, 2, 3} {
			if err := try(grow(m, k, 16*k)); err != nil || done() {
				return err
			}
		}
	}
	if pixels > eyePixels/4 {
		if err := try(shrink(moderate, 2)); err != nil || done() {
			return err
		}
		if err := parts(m, try, done); err != nil || done() {
			return err
		}
	}
	if err := try(invert(moderate)); err != nil || done() {
		return err
	}
	return patiently(ctx, moderate, found)
}

// parts tries overlapping halves and quarters of m, each in a moderate size:
// one code in a corner of a large picture, or several too close together.
func parts(m *image.Gray, try func(*image.Gray) error, done func() bool) error {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	for _, k := range []int{3, 4} { // the side is 2/3, then 2/4
		cw, ch := w*2/k, h*2/k
		for _, y := range steps(h, ch, k-1) {
			for _, x := range steps(w, cw, k-1) {
				part := image.NewGray(image.Rect(0, 0, cw, ch))
				for i := range ch {
					copy(part.Pix[i*part.Stride:], m.Pix[(y+i)*m.Stride+x:(y+i)*m.Stride+x+cw])
				}
				n := 1
				for cw*ch/(n*n) > eyePixels {
					n++
				}
				if err := try(shrink(part, n)); err != nil {
					return err
				}
			}
		}
		if done() {
			return nil
		}
	}
	return nil
}

func steps(whole, part, n int) []int {
	var out []int
	for i := range n {
		out = append(out, (whole-part)*i/max(1, n-1))
	}
	return out
}

var errCentres = errors.New("too many finder patterns")

// hints are what the library is told.
type hints = map[gozxing.DecodeHintType]any

// binarizers tell dark from light by local thresholds and, where these show nothing,
// by one for the whole.
func binarizers(m *image.Gray) []gozxing.Binarizer {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	src, err := gozxing.NewPlanarYUVLuminanceSource(m.Pix, m.Stride, h, 0, 0, w, h, false)
	if err != nil {
		return nil // of pictures that have no such size
	}
	return []gozxing.Binarizer{gozxing.NewHybridBinarizer(src), gozxing.NewGlobalHistgramBinarizer(src)}
}

// readCodes makes one attempt at an image.
func readCodes(ctx context.Context, m *image.Gray, found *finds) error {
	if m.Rect.Dx() < 21 || m.Rect.Dy() < 21 { // the smallest QR code has 21 modules
		return nil
	}
	for _, binarizer := range binarizers(m) {
		for _, read := range []func(*gozxing.BinaryBitmap, hints) ([]*gozxing.Result, error){readMany, readOne} {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			bitmap, err := gozxing.NewBinaryBitmap(binarizer)
			if err != nil {
				return fmt.Errorf("image: %w", err)
			}
			results, err := bounded(ctx, func(h hints) ([]*gozxing.Result, error) { return read(bitmap, h) })
			if err != nil {
				return err
			}
			for _, r := range results {
				if err := found.add(r.GetText()); err != nil {
					return err
				}
			}
			if len(results) > 0 {
				return nil
			}
		}
	}
	return nil
}

func readMany(b *gozxing.BinaryBitmap, h hints) ([]*gozxing.Result, error) {
	return multiqr.NewQRCodeMultiReader().DecodeMultiple(b, h)
}

func readOne(b *gozxing.BinaryBitmap, h hints) ([]*gozxing.Result, error) {
	r, err := qrcode.NewQRCodeReader().Decode(b, h)
	if err != nil {
		return nil, err
	}
	return []*gozxing.Result{r}, nil
}

// bounded runs a reader that uses gozxing. That library has no context and no limit
// of its own, but calls back for each finder pattern it sees; leaving by a panic
// from there is the only way out. A panic of its own on a hostile image means
// no code was found.
func bounded[T any](ctx context.Context, read func(hints) (T, error)) (found T, err error) {
	centres := 0
	h := hints{
		gozxing.DecodeHintType_TRY_HARDER: true,
		// Bytes as they are: DIVOC's ZIP is no text in any character set.
		gozxing.DecodeHintType_CHARACTER_SET: encoding.Nop,
		gozxing.DecodeHintType_NEED_RESULT_POINT_CALLBACK: gozxing.ResultPointCallback(func(gozxing.ResultPoint) {
			if centres++; centres > maxCentres || ctx.Err() != nil {
				panic(errCentres)
			}
		}),
	}
	defer func() {
		if recover() != nil {
			var none T
			found, err = none, ctx.Err()
		}
	}()
	found, _ = read(h) // every error of the reader means "none here"
	return found, ctx.Err()
}
