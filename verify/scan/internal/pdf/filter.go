package pdf

import (
	"bytes"
	"compress/zlib"
	"encoding/ascii85"
	"errors"
	"io"
)

// filters lists a stream's filters with their parameters (7.4).
func (f *file) filters(d dict) (names []name, params []dict) {
	first := func(keys ...name) any {
		for _, k := range keys {
			if v := f.get(d[k]); v != nil {
				return v
			}
		}
		return nil
	}
	switch v := first("Filter", "F").(type) {
	case name:
		return []name{v}, []dict{f.dict(first("DecodeParms", "DP"))}
	case array:
		parms, _ := first("DecodeParms", "DP").(array)
		for i, n := range v {
			n, _ := f.get(n).(name)
			names = append(names, n)
			var p dict
			if i < len(parms) {
				p = f.dict(parms[i])
			}
			params = append(params, p)
		}
	}
	return names, params
}

// decode undoes all filters of a stream.
func (f *file) decode(s *stream) ([]byte, error) {
	data, left, _, err := f.decodeUntilImage(s)
	if err == nil && left != "" {
		return nil, ErrDamaged
	}
	return data, err
}

// decodeUntilImage undoes the filters up to one that makes an image, which it
// names with its parameters.
func (f *file) decodeUntilImage(s *stream) (data []byte, image name, p dict, err error) {
	if f.streams++; f.streams > maxStreams {
		return nil, "", nil, ErrLimit
	}
	names, params := f.filters(s.dict)
	if len(names) > 8 {
		return nil, "", nil, ErrLimit
	}
	data = s.raw
	for i, n := range names {
		if err := f.ctx.Err(); err != nil {
			return nil, "", nil, err
		}
		switch n {
		case "FlateDecode", "Fl":
			data, err = f.inflate(data, params[i])
		case "ASCIIHexDecode", "AHx":
			head, _, _ := bytes.Cut(data, []byte(">"))
			data = unhex(head)
		case "ASCII85Decode", "A85":
			data, err = f.ascii85(data)
		case "RunLengthDecode", "RL":
			data, err = f.runLength(data)
		default:
			return data, n, params[i], nil
		}
		if err != nil {
			return nil, "", nil, err
		}
	}
	return data, "", nil, nil
}

// spend takes n bytes from what may be decoded in all.
func (f *file) spend(n int) error {
	if f.inflated += n; f.inflated > maxInflated {
		return ErrLimit
	}
	return nil
}

// inflate reads as much as can be read: files end early, checksums are wrong.
func (f *file) inflate(data []byte, p dict) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, ErrDamaged
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(maxInflated-f.inflated)+1))
	if err := f.spend(len(out)); err != nil {
		return nil, err
	}
	if err != nil && len(out) == 0 && !errors.Is(err, io.EOF) {
		return nil, ErrDamaged
	}
	return f.unpredict(out, p)
}

// unpredict undoes the PNG predictors (7.4.4.4) and the TIFF one of 8 bits.
func (f *file) unpredict(data []byte, p dict) ([]byte, error) {
	predictor := int(f.number(p["Predictor"]))
	if predictor < 2 {
		return data, nil
	}
	value := func(k name, otherwise int) int {
		if v, ok := f.get(p[k]).(float64); ok {
			return int(v)
		}
		return otherwise
	}
	colors, bits, columns := value("Colors", 1), value("BitsPerComponent", 8), value("Columns", 1)
	if colors < 1 || colors > 8 || bits < 1 || bits > 16 || columns < 1 || columns > 1<<20 {
		return nil, ErrDamaged
	}
	pixel, row := max(1, colors*bits/8), (colors*bits*columns+7)/8
	if predictor == 2 {
		if bits == 8 {
			for start := 0; start < len(data); start += row {
				for i := start + pixel; i < min(start+row, len(data)); i++ {
					data[i] += data[i-pixel]
				}
			}
		}
		return data, nil
	}
	out := make([]byte, 0, len(data))
	above := make([]byte, row)
	for len(data) > 1 {
		kind, n := data[0], min(row, len(data)-1)
		line := data[1 : 1+n]
		data = data[1+n:]
		for i := range line {
			var left, upLeft byte
			if i >= pixel {
				left, upLeft = line[i-pixel], above[i-pixel]
			}
			switch kind {
			case 1:
				line[i] += left
			case 2:
				line[i] += above[i]
			case 3:
				line[i] += byte((int(left) + int(above[i])) / 2)
			case 4:
				line[i] += paeth(left, above[i], upLeft)
			}
		}
		copy(above, line)
		out = append(out, line...)
	}
	return out, nil
}

func paeth(a, b, c byte) byte {
	abs := func(n int) int { return max(n, -n) }
	p := int(a) + int(b) - int(c)
	pa, pb, pc := abs(p-int(a)), abs(p-int(b)), abs(p-int(c))
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	default:
		return c
	}
}

func (f *file) ascii85(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(bytes.TrimSpace(data), []byte("<~"))
	data, _, _ = bytes.Cut(data, []byte("~"))
	out := make([]byte, 4*len(data)+4) // "z" stands for four zero bytes
	if err := f.spend(len(out)); err != nil {
		return nil, err
	}
	n, _, err := ascii85.Decode(out, data, true)
	if err != nil {
		return nil, ErrDamaged
	}
	return out[:n], nil
}

func (f *file) runLength(data []byte) ([]byte, error) {
	var out []byte
	for len(data) > 1 && data[0] != 128 {
		n := int(data[0])
		if n < 128 {
			n = min(n+1, len(data)-1)
			out = append(out, data[1:1+n]...)
			data = data[1+n:]
		} else {
			n = 257 - n
			out = append(out, bytes.Repeat(data[1:2], n)...)
			data = data[2:]
		}
		if err := f.spend(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}
